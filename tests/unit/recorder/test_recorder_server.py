"""The recorder's HTTP, asked by a real client and by one that talks nonsense."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import pytest

from egress_recorder.server import Answer, Server


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = Server(
        {
            "/status": lambda: Answer(
                json.dumps({"phase": "recording"}).encode(), content_type="application/json"
            ),
            "/readyz": lambda: Answer(b"not ready\n", HTTPStatus.SERVICE_UNAVAILABLE),
        }
    )
    yield await server.start(host="127.0.0.1", port=0)
    server.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/status", 200, '{"phase": "recording"}'),
        ("GET", "/status?verbose=1", 200, '{"phase": "recording"}'),
        ("HEAD", "/status", 200, ""),
        ("GET", "/readyz", 503, "not ready\n"),
        ("POST", "/status", 405, "Only GET is answered here.\n"),
        ("GET", "/", 404, "Not found; there are /status, /readyz.\n"),
    ],
)
async def test_routes_are_answered(port: int, method: str, path: str, status: int, body: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}") as answer,
    ):
        assert (answer.status, await answer.text()) == (status, body)


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"x" * 100_000, b"GET / HTTP/1.1\r\n"],
)
async def test_nonsense_harms_nobody(port: int, nonsense: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(nonsense)
    writer.write_eof()
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
    writer.close()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/status") as answer:
        assert answer.status == 200
