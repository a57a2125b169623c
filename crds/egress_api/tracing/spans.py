"""Spans as plain data, and the little that opens and ends them while something happens.

In: a name, a place in a trace, what is known. Out: one finished `Span` to a sink, or nothing where traces are off.
Attributes are chosen one by one, and no free text is among them: an error is one word, never its sentence, in which
a page's address or a token could stand.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from egress_api.tracing.traceparent import TraceParent

Value = str | int | float | bool


class SpanKind(StrEnum):
    """Of OpenTelemetry's kinds, those that we have."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Something that has happened."""

    name: str
    place: TraceParent
    parent_id: str | None
    began: datetime
    ended: datetime
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""
    """What went wrong, in one word; empty when nothing did."""


Sink = Callable[[Span], None]


def utc_now() -> datetime:
    """Return the wall clock."""
    return datetime.now(UTC)


class OpenSpan:
    """A span that has begun. As a context manager it ends by itself, with an exception's class as its error."""

    def __init__(
        self,
        sink: Sink | None,
        name: str,
        *,
        place: TraceParent | None,
        parent_id: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        began: datetime | None = None,
        attributes: Mapping[str, Value | None] | None = None,
    ) -> None:
        """Begin a span.

        Args:
            sink: takes it once it has ended; None where traces are off.
            name: of few that there are.
            place: its ids; None where traces are off.
            parent_id: the span's above; None for the first one.
            kind: what part it has in a call.
            began: by default now.
            attributes: what is known; None is left out.
        """
        self.place = place
        self._sink = sink if place is not None and place.sampled else None
        self._name = name
        self._parent_id = parent_id
        self._kind = kind
        self._attributes: dict[str, Value] = {}
        if self._sink is not None:
            self._began = began or utc_now()
            self.set(attributes or {})

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Add what has become known."""
        self._attributes |= {key: value for key, value in attributes.items() if value is not None}

    def below(
        self,
        name: str,
        *,
        began: datetime | None = None,
        attributes: Mapping[str, Value | None] | None = None,
    ) -> "OpenSpan":
        """Begin a span below this one."""
        if self._sink is None or self.place is None:
            return NO_SPAN
        return OpenSpan(
            self._sink,
            name,
            place=self.place.child(),
            parent_id=self.place.span_id,
            began=began,
            attributes=attributes,
        )

    def end(self, *, error: str = "", at: datetime | None = None) -> None:
        """End it; a second time does nothing."""
        sink, self._sink = self._sink, None
        if sink is None or self.place is None:
            return
        span = Span(
            name=self._name,
            place=self.place,
            parent_id=self._parent_id,
            began=self._began,
            # A clock that was set back in between makes no span that ends before it begins.
            ended=max(at or utc_now(), self._began),
            kind=self._kind,
            attributes=self._attributes,
            error=error,
        )
        sink(span)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error=kind.__name__ if kind is not None else "")


class _NoSpan(OpenSpan):
    def set(self, attributes: Mapping[str, Any]) -> None:
        pass  # it is everybody's


NO_SPAN: Final[OpenSpan] = _NoSpan(None, "", place=None)
"""What stands where there are no traces."""
