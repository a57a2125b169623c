"""Around every request: its id, its log line, its metrics, its end in time, and a problem for everything that goes wrong."""

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from egress_api.tracing.spans import NO_SPAN, OpenSpan
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.logs import get_logger
from egress_gateway.metrics import Metrics
from egress_gateway.problems import problem_of_http, problem_response
from egress_gateway.tracing import Tracing, answered
from egress_gateway.verbs import verb_of

REQUEST_ID_HEADER = "X-Request-Id"
_HEADER_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_RETRY_SECONDS = 2
_READS = frozenset({"get", "list"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

log = get_logger(__name__)


@dataclass
class Trace:
    """What is known about a request for its log line; handlers fill it in as they learn it."""

    request_id: str
    caller: str | None = None
    given: str = ""
    """The id in the request's header, which goes back as it came."""
    held_seconds: float = 0.0
    """Of the time until the answer, what the caller has asked to wait: no measure of ours."""
    app_id: str | None = None
    task_id: str | None = None
    problem: str | None = None
    span: OpenSpan = NO_SPAN


TRACE = web.RequestKey("trace", Trace)


def observe(metrics: Metrics, tracing: Tracing | None = None) -> Middleware:
    """Return the outermost middleware of the gateway."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        given = request.headers.get(REQUEST_ID_HEADER, "")
        if not _HEADER_ID.fullmatch(given):
            given = ""
        span = NO_SPAN if tracing is None else tracing.begin(request)
        trace = Trace(request_id=given or uuid.uuid4().hex, given=given, span=span)
        request[TRACE] = trace
        response = await _answer(request, handler, trace)
        if not response.prepared:
            sign(request, response)
        seconds = time.perf_counter() - begun
        ours = max(seconds - trace.held_seconds, 0)
        metrics.observe(method=request.method, route=_route(request), code=response.status, seconds=ours)
        _write(request, trace, status=response.status, seconds=seconds)
        answered(
            span, status=response.status, app_id=trace.app_id, task_id=trace.task_id, problem=trace.problem
        )
        return response

    return middleware


def deadline(seconds: float) -> Middleware:
    """Return the middleware that lets no call that changes something take longer; reads may wait and stream."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and verb_of(request.method, resource.canonical) in _READS:
            return await handler(request)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError:
            if not limit.expired():
                raise
        raise ProblemError(
            ProblemKind.UNAVAILABLE,
            f"the request has not been met within {seconds:g} s; send the same request again, with the same "
            "request_id: it never makes a second task",
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )

    return middleware


def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id into the head of its answer; a stream does so before it begins."""
    trace = request[TRACE]
    response.headers[REQUEST_ID_HEADER] = trace.given or trace.request_id
    response.headers["Server"] = "egress-gateway"


async def _answer(request: web.Request, handler: Handler, trace: Trace) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError as error:
        problem = error
    except web.HTTPException as error:
        problem = problem_of_http(error, method=request.method, path=request.path)
    except Exception:
        log.exception("a request failed", request_id=trace.request_id, path=request.path)
        problem = ProblemError(
            ProblemKind.INTERNAL,
            f"something went wrong in the gateway; its log says what, at request_id {trace.request_id}",
        )
    trace.problem = problem.kind
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("a request can't be met", request_id=trace.request_id, detail=problem.detail)
    return problem_response(problem, instance=request.path, request_id=trace.request_id)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _write(request: web.Request, trace: Trace, *, status: int, seconds: float) -> None:
    known = {
        "caller": trace.caller,
        "app_id": trace.app_id,
        "task_id": trace.task_id,
        "problem": trace.problem,
        "trace_id": trace.span.place.trace_id if trace.span.place is not None else None,
    }
    write = log.debug if request.path in _QUIET else log.info
    with structlog.contextvars.bound_contextvars(
        request_id=trace.request_id, **{key: value for key, value in known.items() if value}
    ):
        write(
            "request",
            method=request.method,
            path=request.path,
            status=status,
            duration_ms=round(seconds * 1000, 1),
        )
