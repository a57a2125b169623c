"""The streams of events: what is told, from where, how they end, and what a slow reader costs."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from egress_gateway.changes import MOST_WAITING
from egress_gateway.lookup import Lookup
from support.event_stream import EventStream
from support.gateway import until
from support.gateway_tasks import cache_of, made

APP = "/egress/v1/demo/events"
TASK = "/egress/v1/demo/tasks/t1/events"
Client = TestClient[Any, Any]


@pytest.fixture
def filled(gateway: Client) -> Client:
    tasks = [
        made("t1", 8),
        made("t2", 5, state="PROCESSING"),
        made("t3", 6, state="STOPPED"),
        made("x1", 7, app_id="other"),
    ]
    cache_of(gateway).replace(tasks, resource_version="10")
    return gateway


async def metric(client: Client, line: str) -> bool:
    return line in (await (await client.get("/metrics")).text()).splitlines()


async def test_a_tasks_stream_is_its_status_and_each_change_until_its_end(filled: Client) -> None:
    cache = cache_of(filled)
    async with EventStream(filled, TASK) as stream:
        assert (stream.response.status, stream.response.content_type) == (200, "text/event-stream")
        assert await stream.take(1) == [(8, "t1", "ENQUEUED")]
        cache.put(made("t2", 11))
        cache.put(made("t1", 12, state="PROCESSING"))
        cache.put(made("t1", 13, state="PROCESSING", spec={"stop": True}))
        assert await stream.take(2) == [(12, "t1", "PROCESSING"), (13, "t1", "STOPPING")]
        cache.put(made("t1", 14, state="STOPPED"))
        event = await stream.next()
        assert event is not None
        assert event.data == await (await filled.get("/egress/v1/demo/tasks/t1")).json()
        assert await stream.next() is None
    assert await metric(filled, 'egress_gateway_held_requests{kind="task-events"} 0.0')


async def test_an_apps_stream_begins_with_what_has_not_ended(filled: Client) -> None:
    cache = cache_of(filled)
    async with EventStream(filled, APP) as stream:
        assert await stream.take(2) == [(5, "t2", "PROCESSING"), (8, "t1", "ENQUEUED")]
        cache.put(made("x1", 11, app_id="other"))
        cache.put(made("t4", 12))
        cache.put(made("t2", 13, state="FAILED"))
        cache.remove("t3", resource_version="14")
        assert await stream.take(3) == [(12, "t4", "ENQUEUED"), (13, "t2", "FAILED"), (14, "t3", "gone")]
        assert await metric(filled, 'egress_gateway_held_requests{kind="app-events"} 1.0')


async def test_a_stream_has_the_head_of_every_answer_and_what_proxies_need(filled: Client) -> None:
    answer = await filled.get(TASK, headers={"X-Request-Id": "edge-7"})
    headers = answer.headers
    answer.close()
    assert (headers["X-Request-Id"], headers["Server"]) == ("edge-7", "egress-gateway")
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (10, [(11, "t1", "PROCESSING"), (12, "t2", "STOPPED"), (13, "t1", "STOPPING")]),
        (12, [(13, "t1", "STOPPING")]),
        (13, []),
    ],
)
async def test_who_comes_back_to_an_app_misses_nothing(
    filled: Client, last: int, expected: list[tuple[int, str, str]]
) -> None:
    cache = cache_of(filled)
    cache.put(made("t1", 11, state="PROCESSING"))
    cache.put(made("t2", 12, state="STOPPED"))
    cache.put(made("t1", 13, state="STOPPING"))
    async with EventStream(filled, APP, last=last) as stream:
        assert await stream.take(len(expected)) == expected
        cache.put(made("t4", 14))
        assert await stream.take(1) == [(14, "t4", "ENQUEUED")]


async def test_what_is_not_remembered_is_made_up_for_with_the_present(filled: Client) -> None:
    """Of what has changed since, the newest state; ended tasks too, for the reader may not know of it."""
    async with EventStream(filled, APP, last=5) as stream:
        assert await stream.take(2) == [(6, "t3", "STOPPED"), (8, "t1", "ENQUEUED")]


@pytest.mark.parametrize("last", ["", "abc", "-1", "1.5", "٣", "9" * 30, 11])
async def test_an_id_that_was_never_given_is_none(filled: Client, last: int | str) -> None:
    async with EventStream(filled, APP, last=last) as stream:
        assert await stream.take(2) == [(5, "t2", "PROCESSING"), (8, "t1", "ENQUEUED")]
    async with EventStream(filled, TASK, last=last) as stream:
        assert await stream.take(1) == [(8, "t1", "ENQUEUED")]


async def test_who_comes_back_to_a_task_gets_what_was_between(filled: Client) -> None:
    cache = cache_of(filled)
    for version in (11, 12, 13):
        cache.put(made("t1", version, state="PROCESSING"))
    async with EventStream(filled, TASK, last=11) as stream:
        assert await stream.take(2) == [(12, "t1", "PROCESSING"), (13, "t1", "PROCESSING")]
    async with EventStream(filled, TASK, last=3) as stream:
        assert await stream.take(1) == [(13, "t1", "PROCESSING")]
    async with EventStream(filled, TASK, last=13) as stream:
        cache.put(made("t1", 14, state="PROCESSING"))
        assert await stream.take(1) == [(14, "t1", "PROCESSING")]


async def test_our_own_write_comes_once_and_ids_never_go_down(filled: Client) -> None:
    cache = cache_of(filled)
    cache.put_own(made("t1", 12, spec={"stop": True}))
    async with EventStream(filled, TASK, last=8) as task, EventStream(filled, APP, last=8) as app:
        assert await task.take(1) == [(12, "t1", "STOPPING")]
        cache.put(made("t2", 11))
        cache.put(made("t1", 12, spec={"stop": True}))
        cache.put(made("t1", 13, state="STOPPED"))
        assert await task.take(1) == [(13, "t1", "STOPPED")]
        assert [number for number, *_ in await app.take(3)] == [11, 12, 13]


async def test_an_ended_task_is_told_once_and_then_no_more(filled: Client) -> None:
    path = "/egress/v1/demo/tasks/t3/events"
    async with EventStream(filled, path) as stream:
        assert await stream.take(1) == [(6, "t3", "STOPPED")]
        assert await stream.next() is None
    again = await filled.get(path, headers={"Last-Event-ID": "6"})
    assert (again.status, await again.read()) == (204, b"")


async def test_a_task_that_goes_ends_its_stream(filled: Client) -> None:
    async with EventStream(filled, TASK) as stream:
        await stream.take(1)
        cache_of(filled).remove("t1", resource_version="12")
        assert await stream.take(1) == [(12, "t1", "gone")]
        assert await stream.next() is None


async def test_a_silent_stream_is_kept_alive(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egress_gateway.events.KEEP_ALIVE_SECONDS", 0.05)
    async with EventStream(filled, TASK) as stream:
        await stream.take(1)
        reading = asyncio.create_task(stream.next())

        async def kept() -> bool:
            return len(stream.comments) > 2

        await until("comments come", kept)
        cache_of(filled).put(made("t1", 12, state="STOPPED"))
        assert await reading is not None
    assert set(stream.comments) == {"keep-alive"}


async def test_the_end_of_the_gateway_ends_every_stream_behind_what_is_on_its_way(filled: Client) -> None:
    cache = cache_of(filled)
    async with EventStream(filled, TASK) as task, EventStream(filled, APP) as app:
        await task.take(1)
        await app.take(2)
        cache.put(made("t1", 12, state="PROCESSING"))
        cache.changes.end()
        for stream in (task, app):
            assert await stream.take(1) == [(12, "t1", "PROCESSING")]
            assert await stream.next() is None
    async with EventStream(filled, APP) as late:
        assert len(await late.take(2)) == 2
        assert await late.next() is None


async def test_a_reader_that_goes_leaves_nothing_behind(
    filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egress_gateway.events.KEEP_ALIVE_SECONDS", 0.05)
    async with EventStream(filled, TASK) as stream:
        await stream.take(1)

    async def left() -> bool:
        return not cache_of(filled).changes._subscriptions

    await until("the gateway has noticed", left)
    assert await metric(filled, "egress_gateway_slow_readers_total 0.0")


async def test_a_burst_that_no_reader_could_take_cuts_the_stream_and_is_made_up_for(
    filled: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = cache_of(filled)
    async with EventStream(filled, APP, last=10) as stream:
        assert stream.response.status == 200
        for version in range(11, 11 + MOST_WAITING + 1):
            cache.put(made("t1", version, state="PROCESSING"))
        with pytest.raises(Exception, match=r"(?i)payload|reset|disconnected"):
            await stream.next()
    assert await metric(filled, "egress_gateway_slow_readers_total 1.0")
    assert "a stream is cut: its reader is too slow" in capsys.readouterr().out
    async with EventStream(filled, APP, last=10) as back:
        assert len(await back.take(MOST_WAITING + 1)) == MOST_WAITING + 1


async def test_a_reader_that_reads_nothing_is_cut(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egress_gateway.events.WRITE_SECONDS", 0.2)
    cache, loop = cache_of(filled), asyncio.get_running_loop()
    uri = f"s3://{'x' * 1000}"
    files = [{"name": f"f{n}", "uri": uri, "kind": "playlist", "sizeBytes": 1} for n in range(50)]
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        await loop.sock_connect(lazy, ("127.0.0.1", filled.port))
        await loop.sock_sendall(lazy, f"GET {TASK} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        version = 11

        async def cut() -> bool:
            nonlocal version
            version += 1
            cache.put(made("t1", version, state="PROCESSING", files=files))
            return await metric(filled, "egress_gateway_slow_readers_total 1.0")

        await until("the stream is cut", cut, seconds=30)
    assert version < 11 + MOST_WAITING, "cut for its silence, not for what waited"
    assert not cache.changes._subscriptions


async def test_a_long_beginning_leaves_room_for_others(gateway: Client) -> None:
    cache = cache_of(gateway)
    tasks = [made(f"t{number:04}", number + 1) for number in range(600)]
    cache.replace(tasks, resource_version="1000")
    async with EventStream(gateway, APP) as stream:
        found = await stream.take(600)
    assert [number for number, *_ in found] == list(range(1, 601))


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/egress/v1/demo/tasks/t9/events", 503, "unavailable"),  # unknown here: the API server is asked
        ("/egress/v1/other/tasks/t1/events", 404, "task-not-found"),
        ("/egress/v1/demo/tasks/T1/events", 404, "task-not-found"),
        ("/egress/v1/-demo/events", 400, "invalid-path"),
    ],
)
async def test_a_stream_that_can_not_begin_is_a_problem(
    filled: Client, path: str, status: int, kind: str
) -> None:
    answer = await filled.get(path)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"].rpartition(":")[2]) == (status, kind)


async def test_without_the_watch_no_stream_of_an_app_begins(gateway: Client) -> None:
    answer = await gateway.get(APP)
    assert (answer.status, (await answer.json())["type"]) == (503, "urn:egress-operator:problem:unavailable")


async def test_a_stream_has_no_head(filled: Client) -> None:
    assert (await filled.head(APP)).status == 405


async def test_a_change_while_the_task_is_looked_up_is_not_lost(
    filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, cache = Lookup.get, cache_of(filled)

    async def slow(self: Lookup, **asked: str) -> Any:
        task = await get(self, **asked)
        cache.put(made("t1", 12, state="PROCESSING"))
        return task

    monkeypatch.setattr(Lookup, "get", slow)
    async with EventStream(filled, TASK) as stream:
        assert await stream.take(2) == [(8, "t1", "ENQUEUED"), (12, "t1", "PROCESSING")]
