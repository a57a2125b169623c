"""HTTP below the application: what never becomes a request, or not in time, gets its end here.

aiohttp answers what it can't parse by itself: in plain text, with the bytes that it stumbled over, and logs
them. Those bytes can be a body, access token included, behind a wrong Content-Length. Here such a request is
answered with a problem like any other, and none of its bytes is shown or logged. And a connection that has not
sent a request's head in time, or has not taken its answer, is closed: aiohttp would hold it for as long as it likes.
"""

import asyncio
import uuid
from http import HTTPStatus
from typing import Any

from aiohttp import web

from egress_gateway.body import UNREADABLE
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.logs import get_logger
from egress_gateway.problems import problem_of_http, problem_response

KEEPALIVE_SECONDS = 75
"""For which a connection waits for its next request."""

log = get_logger(__name__)


class _Connection(web.RequestHandler):
    def __init__(self, *args: Any, patience_seconds: float, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._patience_seconds = patience_seconds
        self._waits_for_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._waits_for_head = self._loop.call_later(self._patience_seconds, self._close_if_mute)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._waits_for_head is not None:
            self._waits_for_head.cancel()
        super().connection_lost(exc)

    def _close_if_mute(self) -> None:
        # Later requests of the connection are under its keep-alive timeout.
        if not self._request_count:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it holds the bytes
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent already")
        request_id = uuid.uuid4().hex
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("a connection failed", request_id=request_id, exc_info=exc)
            detail = f"something went wrong in the gateway; its log says what, at request_id {request_id}"
            problem = ProblemError(ProblemKind.INTERNAL, detail)
        else:
            # exc and message hold the bytes.
            log.info("not an HTTP request", request_id=request_id, remote=request.remote)
            detail = "this is not an HTTP/1.1 request: look at its first line, its headers and its lengths"
            problem = ProblemError(ProblemKind.HTTP, detail, status=status)
        answer = problem_response(problem, instance="", request_id=request_id)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **settings: Any) -> None:
        error = settings.get("exc_info")
        if isinstance(error, UNREADABLE):
            log.info("a connection can't be read on", error=type(error).__name__)
        else:
            super().log_exception(*args, **settings)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):
            # Raised by aiohttp around the application, where no middleware sees it.
            problem = problem_of_http(resp, method=request.method, path=request.path)
            resp = problem_response(problem, instance=request.path, request_id=uuid.uuid4().hex)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            # Sent, but not taken: who doesn't read holds a connection and an answer for ever.
            log.info("an answer is not taken", remote=request.remote, seconds=self._patience_seconds)
            if self.transport is not None:
                self.transport.abort()
            return resp, True


class _Server(web.Server):
    def __init__(self, like: web.Server, *, patience_seconds: float) -> None:
        super().__init__(like.request_handler, request_factory=like.request_factory, **like._kwargs)  # noqa: SLF001 - aiohttp has no other way to give a server its protocol
        self._patience_seconds = patience_seconds

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, patience_seconds=self._patience_seconds, **self._kwargs)


class Runner(web.AppRunner):
    """Serves the application; everything that comes in has a limit in time."""

    __slots__ = ("_patience_seconds",)

    def __init__(self, app: web.Application, *, patience_seconds: float, shutdown_seconds: float) -> None:
        super().__init__(
            app, access_log=None, shutdown_timeout=shutdown_seconds, keepalive_timeout=KEEPALIVE_SECONDS
        )
        self._patience_seconds = patience_seconds

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), patience_seconds=self._patience_seconds)
