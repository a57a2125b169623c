"""The recorder's HTTP: GET /status, /readyz, /healthz, /metrics.

Written on asyncio's streams: four answers to the kubelet, the operator and Prometheus don't need a web
framework, which would take 11 MB of every recorder (measured: aiohttp.web, a fifth of this process). One
request a connection, no bodies, a deadline for each; nothing here decides anything.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

_REQUEST_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 8192
_MOST_HEADERS: Final = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route says."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Answer]


class Server:
    """An HTTP server for GET.

    Args:
        routes: a function for each path.
    """

    def __init__(self, routes: dict[str, Route]) -> None:
        self._routes = routes
        self._server: asyncio.Server | None = None

    async def start(self, *, host: str, port: int) -> int:
        """Listen; return the port.

        Raises:
            OSError: when the port can't be had.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_LINE)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A peer that goes away, is slow or talks nonsense is its own problem.
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = (await reader.readline()).decode("latin-1").split()
                for _ in range(_MOST_HEADERS):
                    if (await reader.readline()).strip() == b"":
                        break
                if len(line) == 3:  # noqa: PLR2004 - method, path, version
                    writer.write(_response(self._answer(line[0], line[1]), head_only=line[0] == "HEAD"))
                    await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str) -> Answer:
        route = self._routes.get(target.partition("?")[0])
        if route is None:
            return Answer(f"Not found; there are {', '.join(self._routes)}.\n".encode(), HTTPStatus.NOT_FOUND)
        if method not in {"GET", "HEAD"}:
            return Answer(b"Only GET is answered here.\n", HTTPStatus.METHOD_NOT_ALLOWED)
        return route()


def _response(answer: Answer, *, head_only: bool) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    return head if head_only else head + answer.body
