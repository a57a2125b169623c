"""Streams of events in front of a real API server: what the operator writes, in order, on any gateway."""

import asyncio

import pytest

from egress_gateway.app import WATCH
from support.bad_starts import START_FLAT
from support.event_stream import EventStream
from support.gateway import Admin, Client, MakeGateway, until
from support.gateway_tasks import cache_of

TASKS = "/egress/v1/demo/tasks"
APP = "/egress/v1/demo/events"


async def start(gateway: Client, request_id: str = "one") -> str:
    answer = await gateway.post(TASKS, json={**START_FLAT, "request_id": request_id})
    return str((await answer.json())["task_id"])


def version(admin: Admin, task: str) -> int:
    return int(admin.task(task)["metadata"]["resourceVersion"])


async def test_a_tasks_whole_life_is_told_and_then_the_stream_ends(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    async with EventStream(gateway, f"{TASKS}/{task}/events") as stream:
        begun = await stream.take(1)
        assert begun == [(version(admin, task), task, "ENQUEUED")]
        await asyncio.to_thread(admin.set_status, task, state="PROCESSING", reason="Recording")
        assert await stream.take(1) == [(version(admin, task), task, "PROCESSING")]
        await gateway.post(f"{TASKS}/{task}/stop")
        assert await stream.take(1) == [(version(admin, task), task, "STOPPING")]
        await asyncio.to_thread(admin.set_status, task, state="STOPPED", reason="StopRequested")
        last = await stream.next()
        assert last is not None
        assert (last.state, last.data["reason"]) == ("STOPPED", "StopRequested")
        assert await stream.next() is None
    again = await gateway.get(f"{TASKS}/{task}/events", headers={"Last-Event-ID": str(last.id)})
    assert again.status == 204


async def test_an_apps_stream_goes_on_at_another_gateway(make_gateway: MakeGateway, admin: Admin) -> None:
    one, other = await make_gateway(), await make_gateway()
    async with EventStream(one, APP) as stream:
        first = await start(one, "first")
        [(last, name, state)] = await stream.take(1)
        assert (name, state) == (first, "ENQUEUED")
    second = await start(one, "second")
    await asyncio.to_thread(admin.set_status, first, state="PROCESSING")

    async def caught_up() -> bool:
        return cache_of(other).seen >= version(admin, first)

    await until("the other gateway knows it all", caught_up)
    async with EventStream(other, APP, last=last) as stream:
        assert [(name, state) for _, name, state in await stream.take(2)] == [
            (second, "ENQUEUED"),
            (first, "PROCESSING"),
        ]
        await one.delete(f"{TASKS}/{second}")
        assert [(name, state) for _, name, state in await stream.take(1)] == [(second, "gone")]


async def test_a_gateway_that_is_new_makes_up_for_what_it_never_saw(
    gateway: Client, make_gateway: MakeGateway, admin: Admin
) -> None:
    task, kept = await start(gateway, "one"), await start(gateway, "kept")
    last = version(admin, kept)
    await asyncio.to_thread(admin.set_status, task, state="PROCESSING")
    await asyncio.to_thread(admin.set_status, task, state="STOPPED")
    new = await make_gateway()
    async with EventStream(new, APP, last=last) as stream:
        assert await stream.take(1) == [(version(admin, task), task, "STOPPED")]


@pytest.mark.parametrize("path", ["/egress/v1/demo/events", "/egress/v1/demo/tasks/{task}/events"])
async def test_a_stream_outlives_the_watch(make_gateway: MakeGateway, admin: Admin, path: str) -> None:
    """A watch whose place in history is gone lists anew: what was missed is told, and so is what is gone."""
    gateway = await make_gateway(watch_seconds=1)
    task = await start(gateway)
    assert gateway.app is not None
    watch = gateway.app[WATCH]
    async with EventStream(gateway, path.format(task=task)) as stream:
        await stream.take(1)
        watch._position = "1"  # as after days without a word: the API server has forgotten it
        await asyncio.to_thread(admin.set_status, task, state="PROCESSING")
        assert [state for *_, state in await stream.take(1)] == ["PROCESSING"]

        async def relisted() -> bool:
            return watch._position not in {None, "1"} and not watch.trouble

        await until("the tasks are listed anew", relisted, seconds=15)
        await asyncio.to_thread(admin.delete_task, task)
        assert [state for *_, state in await stream.take(1)] == ["gone"]


async def test_a_task_of_another_app_is_as_unknown_as_none(gateway: Client) -> None:
    task = await start(gateway)
    assert (await gateway.get(f"/egress/v1/other/tasks/{task}/events")).status == 404
    async with EventStream(gateway, "/egress/v1/other/events") as stream:
        cache_of(gateway).changes.end()
        assert await stream.next() is None
