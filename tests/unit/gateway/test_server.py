"""What is not HTTP, or not in time: a problem or a closed connection, and no byte of it anywhere."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from egress_gateway.app import create_app
from egress_gateway.cluster import Cluster
from egress_gateway.server import Runner
from egress_gateway.settings import Settings
from support.gateway import until

MakeGateway = Callable[..., Awaitable[Any]]
POST = b"POST /egress/v1/demo/tasks HTTP/1.1\r\nHost: here\r\n"
SECRET = b"007eJxSECRETSECRET"

JUNK = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00" + SECRET + b"\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: here\r\n" + SECRET + b"\r\n\r\n",
    "a length that is no number": POST + b"Content-Length: " + SECRET + b"\r\n\r\n{}",
    "a length that is too small": POST
    + b'Content-Length: 2\r\n\r\n{}{"access_token": "'
    + SECRET
    + b'"}\r\n\r\n',
    "a very long path": b"GET /" + SECRET * 1000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    "chunks that are none": POST + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
    "a body that is not gzip": POST + b"Content-Encoding: gzip\r\nContent-Length: 18\r\n\r\n" + SECRET,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown expectation": POST + b"Expect: wonders\r\nContent-Length: 2\r\n\r\n{}",
}


@contextlib.asynccontextmanager
async def serving(nowhere: str) -> AsyncIterator[Runner]:
    settings = Settings(namespace="tasks", api_timeout_seconds=2, request_seconds=0.5)
    cluster = Cluster(Configuration(host=nowhere), namespace="tasks", settings=settings)
    app = create_app(cluster, settings)
    runner = Runner(app, patience_seconds=settings.request_seconds, shutdown_seconds=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def runner(nowhere: str) -> AsyncIterator[Runner]:
    async with serving(nowhere) as runner:
        yield runner


@pytest.fixture
def port(runner: Runner) -> int:
    return int(runner.addresses[0][1])


async def told(port: int, sent: bytes) -> list[tuple[int, str, bytes]]:
    """Send bytes, and return status, content type and body of each answer until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answers = []
    async with asyncio.timeout(10):
        while head := await reader.readline():
            status = int(head.split()[1])
            headers = {}
            while line := (await reader.readline()).strip():
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            body = await reader.readexactly(int(headers["content-length"]))
            answers.append((status, headers["content-type"], body))
            if status in {
                408,
                417,
            }:  # the connection stays open, for the rest of the body or the next request
                break
    writer.close()
    await writer.wait_closed()
    return answers


@pytest.mark.parametrize("sent", JUNK.values(), ids=JUNK.keys())
async def test_what_is_no_request_is_a_problem_and_none_of_it_is_shown_or_logged(
    port: int, sent: bytes, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    answers = await told(port, sent)
    assert answers
    for status, content_type, body in answers:
        assert (status // 100, content_type) == (4, "application/problem+json")
        assert json.loads(body)["request_id"]
        assert SECRET not in body
    written = capsys.readouterr()
    assert SECRET.decode() not in written.out + written.err + caplog.text
    assert "Traceback" not in written.out + written.err + caplog.text


@pytest.mark.parametrize("sent", [b"", b"POST /egress/v1/demo/tasks HT", POST])
async def test_a_head_that_does_not_come_is_not_waited_for(port: int, sent: bytes) -> None:
    assert await told(port, sent) == []


async def test_a_body_that_does_not_come_is_a_problem(port: int) -> None:
    ((status, content_type, body),) = await told(port, POST + b"Content-Length: 20\r\n\r\n{")
    assert (status, content_type) == (408, "application/problem+json")
    assert json.loads(body)["type"] == "urn:egress-operator:problem:too-slow"


async def test_a_caller_that_hangs_up_is_no_mistake_of_ours(
    port: int, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST + b"Content-Length: 20\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await told(port, b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    written = capsys.readouterr()
    assert "a request failed" not in written.out + written.err + caplog.text


async def test_an_answer_that_nobody_takes_is_not_held_for_ever(
    runner: Runner, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Ask and ask, and read nothing: at some point the answers fit into no buffer any more."""
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    with socket.socket() as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.setblocking(False)
        await loop.sock_connect(mute, runner.addresses[0])
        asking = asyncio.create_task(
            loop.sock_sendall(mute, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n" * 20_000)
        )

        async def held() -> bool:
            return bool(server.connections)

        async def cut_off() -> bool:
            return not server.connections

        await until("the server has the connection", held)
        await until("the server gives it up", cut_off, seconds=20)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert "an answer is not taken" in capsys.readouterr().out + caplog.text


async def test_a_second_head_that_comes_drop_by_drop_is_not_waited_for(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egress_gateway.server.KEEPALIVE_SECONDS", 0.3)
    async with serving(nowhere) as runner:
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /healthz HT")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")  # and then the end
        writer.close()
        await writer.wait_closed()


async def test_a_call_that_changes_something_ends_in_time(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(answer_seconds=0.2, request_seconds=30)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await gateway.post("/egress/v1/demo/tasks", data=slow())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "has not been met within 0.2 s" in (await answer.json())["detail"]
