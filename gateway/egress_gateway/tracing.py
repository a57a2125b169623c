"""Requests as spans: in its caller's trace where it names one, else the first of a new one.

In: requests and their answers. Out: finished spans to an exporter. A call that changes something always has one; reading
has one where the caller traces it by itself, or polling would fill every trace store. No header, no query and nothing
of a body is among the attributes.
"""

from http import HTTPStatus

from aiohttp import web

from egress_api.tracing.export import Exporter, TracingError
from egress_api.tracing.settings import TracingSettings
from egress_api.tracing.spans import NO_SPAN, OpenSpan, SpanKind
from egress_api.tracing.traceparent import TraceParent, new_trace
from egress_gateway.errors import ConfigError
from egress_gateway.verbs import verb_of

TRACEPARENT_HEADER = "traceparent"
_READS = frozenset({"get", "list"})


class Tracing:
    """The gateway's spans, and their way out."""

    def __init__(self, settings: TracingSettings) -> None:
        """Begin.

        Raises:
            ConfigError: OpenTelemetry is not installed.
        """
        self._ratio = settings.sample_ratio
        try:
            self._exporter = Exporter(settings.endpoint, program="egress-gateway")
        except TracingError as error:
            raise ConfigError(str(error)) from error

    def begin(self, request: web.Request) -> OpenSpan:
        """Return the span of a request that has just come."""
        resource = request.match_info.route.resource
        given = request.headers.getall(TRACEPARENT_HEADER, [])
        # Of two, neither can be trusted (W3C Trace Context, 3.2).
        above = TraceParent.parse(given[0]) if len(given) == 1 else None
        if resource is None or (above is None and verb_of(request.method, resource.canonical) in _READS):
            return NO_SPAN
        return OpenSpan(
            self._exporter,
            f"{request.method} {resource.canonical}",
            place=new_trace(sample_ratio=self._ratio) if above is None else above.child(),
            parent_id=above.span_id if above is not None else None,
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": request.method,
                "http.route": resource.canonical,
                "url.path": request.path,
                "url.scheme": request.scheme,
            },
        )

    async def close(self) -> None:
        """Export what waits, if that takes no more than a moment."""
        await self._exporter.close()


def answered(
    span: OpenSpan, *, status: int, app_id: str | None, task_id: str | None, problem: str | None
) -> None:
    """End a request's span.

    Args:
        span: the request's.
        status: of the answer.
        app_id: where it is known.
        task_id: where it is known.
        problem: its kind, where the answer is one.
    """
    span.set(
        {
            "http.response.status_code": status,
            "egress.app.id": app_id,
            "egress.task.id": task_id,
            "egress.problem": problem,
        }
    )
    # A refusal is the caller's error, no server's.
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    span.end(error=(problem or str(status)) if ours else "")
