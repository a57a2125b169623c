"""Spans to a receiver as protobuf over HTTP: the one module that knows OpenTelemetry, loaded where there are traces alone.

In: finished spans with ids of their own. Out: OpenTelemetry's spans with the same ids, through its batching and its
exporter. Each try has a short limit, and what a receiver does not take is dropped: one line in the log says so when
that begins, and one when it is over.
"""

import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.re import parse_env_headers

from egress_api.tracing.spans import Span, Value

BATCH_SPANS: Final = 256
EXPORT_EVERY_SECONDS: Final = 1.0
TRY_SECONDS: Final = 5.0
_LONGEST_REASON: Final = 300

_log = logging.getLogger(__name__)


class Otlp:
    """Exports spans to one receiver."""

    def __init__(self, endpoint: str, *, program: str, headers: str | None, waiting_spans: int) -> None:
        """Begin to export.

        Args:
            endpoint: of the receiver, without `/v1/traces`.
            program: the service's name.
            headers: as in OTEL_EXPORTER_OTLP_HEADERS; None takes that variable.
            waiting_spans: the most that wait; more are dropped.
        """
        receiver = OTLPSpanExporter(
            endpoint=f"{endpoint}/v1/traces",
            timeout=TRY_SECONDS,
            headers=None if headers is None else parse_env_headers(headers, liberal=True),
        )
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # it was decided where the trace began
            resource=Resource.create({"service.name": program, "service.instance.id": socket.gethostname()}),
            id_generator=self._ids,
            shutdown_on_exit=False,  # it may wait for half a minute
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _Calm(receiver, endpoint=endpoint),
                max_queue_size=waiting_spans,
                max_export_batch_size=BATCH_SPANS,
                schedule_delay_millis=EXPORT_EVERY_SECONDS * 1000,
            )
        )
        self._tracer = self._provider.get_tracer("egress-operator")

    def emit(self, span: Span) -> None:
        """Take a finished span; nothing is waited for. Not for two threads at once."""
        ids, context = self._ids, Context()
        ids.trace_id, ids.span_id = int(span.place.trace_id, 16), int(span.place.span_id, 16)
        if span.parent_id is not None:
            flags = TraceFlags(TraceFlags.SAMPLED)
            above = SpanContext(ids.trace_id, int(span.parent_id, 16), is_remote=True, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(above), context)
        theirs = self._tracer.start_span(
            span.name,
            context=context,
            kind=SpanKind[span.kind.name],
            attributes=_attributes(span),
            start_time=_nanoseconds(span.began.timestamp()),
        )
        if span.error:
            theirs.set_status(Status(StatusCode.ERROR))
        theirs.end(end_time=_nanoseconds(span.ended.timestamp()))

    def close(self) -> None:
        """Export what waits, and no more."""
        self._provider.shutdown()


class _GivenIds(IdGenerator):
    """The ids of the span that is made just now."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Calm(SpanExporter):
    """Says once that a receiver takes nothing, where OpenTelemetry says it with every try."""

    def __init__(self, inner: SpanExporter, *, endpoint: str) -> None:
        self._inner = inner
        self._endpoint = endpoint
        self._reasons = _Reasons()
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, traces alone suffer from it
            self._reasons.last = f"{type(error).__name__}: {error}"
            result = SpanExportResult.FAILURE
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning(
                "Traces are not taken by %s, and dropped until they are; nothing else is held up. It says: %s",
                self._endpoint,
                self._reasons.last[:_LONGEST_REASON] or "nothing",
            )
        elif self._failing and not failed:
            _log.warning("Traces are taken by %s again", self._endpoint)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class _Reasons(logging.Handler):
    """Keeps the last thing that OpenTelemetry has said, and lets none of it into the log."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""
        theirs = logging.getLogger("opentelemetry")
        theirs.handlers[:] = [self]
        theirs.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _attributes(span: Span) -> Mapping[str, Value]:
    return {**span.attributes, "error.type": span.error} if span.error else span.attributes


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1000
