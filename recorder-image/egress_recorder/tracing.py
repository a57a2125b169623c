"""The recorder's spans: what it did, when, below its attempt's span in the task's trace.

In: moments of the flow. Out: finished spans to the exporter, or nothing where traces are off. Nothing here waits, and
nothing fails: a recording must not know whether it is traced. A recording of any length makes few spans: of the
first segments each has its own, later ones share.
"""

import os
from datetime import datetime
from typing import Final

from egress_api.names import pod_name
from egress_api.recorder import RecorderConfig
from egress_api.tracing.export import CLOSE_SECONDS, Exporter, TracingError
from egress_api.tracing.settings import HEADERS_ENV
from egress_api.tracing.spans import NO_SPAN, OpenSpan, Value, utc_now
from egress_api.tracing.traceparent import TraceParent
from egress_recorder.errors import ConfigurationError

_ALONE: Final = 32
"""Segments with a span of their own; later a span has one part in so many of all that are stored: 300 spans a day."""
_CLOSE_SHARE: Final = 0.03
"""Of the grace period, for spans that wait at the end: a part of what is left once the last words are said."""


class Tracing:
    """The attempt's span, and the way out for it and all below it."""

    def __init__(self, config: RecorderConfig, *, began: datetime) -> None:
        """Begin the attempt's span.

        Args:
            config: says whether, where to, and below what.
            began: when the recorder began.

        Raises:
            ConfigurationError: there are to be traces, and they can't be made.
        """
        self.span: OpenSpan = NO_SPAN
        self._close_seconds = min(CLOSE_SECONDS, config.finalize_seconds * _CLOSE_SHARE)
        self._exporter: Exporter | None = None
        # Not for the capture, nor for the browser that it starts.
        headers = os.environ.pop(HEADERS_ENV, "")
        above = TraceParent.parse(config.tracing.traceparent) if config.tracing else None
        if config.tracing is None or above is None or not above.sampled:
            return
        try:
            self._exporter = Exporter(config.tracing.endpoint, program="egress-recorder", headers=headers)
        except TracingError as error:
            raise ConfigurationError(str(error)) from error
        self.span = OpenSpan(
            self._exporter,
            "egress.recorder",
            place=above.child(),
            parent_id=above.span_id,
            began=began,
            attributes={
                "egress.task.id": config.task_id,
                "egress.app.id": config.app_id,
                "egress.attempt": config.attempt,
                "egress.layout": config.layout.value,
                "k8s.namespace.name": config.namespace,
                "k8s.pod.name": pod_name(config.task_id, attempt=config.attempt),
            },
        )

    async def close(self) -> None:
        """Export what waits, if that takes no more than a moment."""
        if self._exporter is not None:
            await self._exporter.close(seconds=self._close_seconds)


class CaptureSpans:
    """One capture: from its start over join and first frame to its exit."""

    def __init__(self, above: OpenSpan) -> None:
        self._began = utc_now()
        self._span = above.below("egress.capture", began=self._began)
        self._joined: datetime | None = None
        self._produced = False

    def joined(self, at: datetime) -> None:
        """Note that it is where its source is."""
        if self._joined is None:
            self._joined = at
            self._span.below("egress.join", began=self._began).end(at=at)

    def first_frame(self, at: datetime) -> None:
        """Note that its pipeline gives pictures."""
        if not self._produced:
            self._produced = True
            self._span.below("egress.first_frame", began=self._joined or self._began).end(at=at)

    def gone(self, *, error: str) -> None:
        """Note its end; `error` is a word where it was not wanted."""
        self._span.end(error=error)


class UploadSpans:
    """Segments on their way into the store."""

    def __init__(self, above: OpenSpan) -> None:
        self._above = above
        self._stored = 0
        self._began: datetime | None = None
        self._count = self._bytes = self._failures = 0
        self._first = self._last = ""

    def stored(self, name: str, *, size_bytes: int, began: datetime) -> None:
        """Note that a segment is in the store.

        Args:
            name: of its object.
            size_bytes: of it.
            began: when its upload did.
        """
        self._stored += 1
        self._count += 1
        self._bytes += size_bytes
        self._began = min(began, self._began or began)
        self._first, self._last = self._first or name, name
        if self._count >= self._stored // _ALONE:
            self.flush()

    def failed(self) -> None:
        """Note that the store has not taken something; it is tried again."""
        self._failures += 1

    def flush(self) -> None:
        """End the span of those that are stored and stand in none yet."""
        if self._began is None:
            return
        attributes: dict[str, Value] = {
            "egress.object.name": self._first,
            "egress.object.last_name": self._last,
            "egress.segments": self._count,
            "egress.bytes": self._bytes,
            "egress.upload.failures": self._failures,
        }
        self._above.below("egress.upload", began=self._began, attributes=attributes).end()
        self._began, self._first = None, ""
        self._count = self._bytes = self._failures = 0
