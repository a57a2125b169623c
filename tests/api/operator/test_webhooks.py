"""Webhooks of an operator that dies: no event is lost, none has two bodies or two ids, and the order stays."""

import asyncio
import copy
import json
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from egress_operator import reconciler as module
from egress_operator.errors import UnavailableError
from egress_operator.keys import TaskKey
from egress_operator.watched import Watched
from support.operator_world import World, ago, settings_for, stamp
from support.summaries import summary
from support.webhook_receiver import SECRET, Receiver, receiving, secret_folder, until

WHOLE = ["task.processing", "task.file", "task.stopped"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def webhooks(receiver: Receiver, tmp_path: Path) -> dict[str, Any]:
    secret_folder(tmp_path / "signing", SECRET)
    return receiver.settings(tmp_path)


async def _records(world: World, name: str) -> None:
    await world.create_task(name)
    await world.start_recording(name)
    await world.until_state(name, "PROCESSING")


async def _stops(world: World, name: str) -> None:
    await world.stop_task(name)
    await world.until_told(f"{name}-1", "true", what="stop")
    await world.end_pod(f"{name}-1", message=summary())
    await world.until_state(name, "STOPPED", reason="StopRequested")


async def _ends(world: World, name: str) -> None:
    await _stops(world, name)
    await world.kubelet_lets_go(f"{name}-1")
    await world.until_pod_gone(f"{name}-1")


async def _until_all_told(world: World, name: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status = await world.status(name)
        return status if status.get("webhooks", {"pending": [None]})["pending"] == [] else None

    found: dict[str, Any] = await world.until(f"an empty outbox of {name}", look)
    return found


async def _whole_life_is_told(world: World, receiver: Receiver, name: str) -> None:
    uid = (await world.task(name))["metadata"]["uid"]
    assert receiver.unverified == []
    assert {len(bodies) for bodies in receiver.bodies().values()} == {1}
    firsts = list(dict.fromkeys((event.data.sequence, event.type.value) for event in receiver.taken))
    assert firsts == list(enumerate(WHOLE, start=1))
    assert set(receiver.ids) == {f"evt_{uid}_{number}" for number in (1, 2, 3)}


async def test_a_whole_life_is_told_in_order_and_costs_two_writes_more(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: Counter[str] = Counter()
    original = module.Cluster.write_status

    async def counted(self: module.Cluster, namespace: str, name: str, *args: Any, **kwargs: Any) -> Any:
        writes[name] += 1
        return await original(self, namespace, name, *args, **kwargs)

    monkeypatch.setattr(module.Cluster, "write_status", counted)
    async with world.operator():
        await _records(world, "silent")
        await _ends(world, "silent")
    assert "webhooks" not in await world.status("silent")
    async with world.operator(webhooks=webhooks):
        await _records(world, "told")
        await _ends(world, "told")
        status = await _until_all_told(world, "told")
    assert receiver.types == WHOLE
    await _whole_life_is_told(world, receiver, "told")
    assert status["webhooks"] == {
        "sequence": 3, "pending": [], "givenUp": 0, "dropped": 0, "message": ""
    }  # fmt: skip
    assert writes["told"] <= writes["silent"] + 2
    assert writes["told"] <= 10
    last = receiver.taken[-1].data
    assert (last.app_id, last.task_id, last.status, last.reason) == (
        "demo",
        "told",
        "STOPPED",
        "StopRequested",
    )
    assert [file.name for file in last.files or []] == ["recording.m3u8"]


async def test_what_nobody_took_before_the_operator_died_is_told_by_the_next_one(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    receiver.answers = [503] * 2
    async with world.operator(webhooks=webhooks):
        await _records(world, "late")
        await until("a try", lambda: receiver.got)
        await _ends(world, "late")
    assert [event["sequence"] for event in (await world.status("late"))["webhooks"]["pending"]] == [1, 2, 3]
    assert receiver.taken == []
    receiver.answers = []
    async with world.operator(webhooks=webhooks):
        await _until_all_told(world, "late")
    assert receiver.types == WHOLE
    await _whole_life_is_told(world, receiver, "late")


async def test_what_was_taken_and_not_noted_comes_again_with_the_same_id_and_body(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module.Cluster.write_status

    async def never_notes(
        self: module.Cluster, namespace: str, name: str, patch: dict[str, Any], **kwargs: Any
    ) -> Any:
        if patch.keys() == {"webhooks"}:
            raise UnavailableError("died before")
        return await original(self, namespace, name, patch, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module.Cluster, "write_status", never_notes)
        async with world.operator(webhooks=webhooks):
            await _records(world, "twice")
            await _stops(world, "twice")
            await until("all three", lambda: receiver.types == WHOLE)
    assert (await world.status("twice"))["webhooks"]["pending"]
    async with world.operator(webhooks=webhooks):
        await _until_all_told(world, "twice")
    assert receiver.types[:3] == WHOLE
    assert receiver.types[-1] == "task.stopped"
    assert len(receiver.taken) > 3
    await _whole_life_is_told(world, receiver, "twice")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_status_write_that_fails_once_each_time_changes_nothing(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    original = module.Cluster.write_status
    seen: set[str] = set()

    async def flaky(
        self: module.Cluster, namespace: str, name: str, patch: dict[str, Any], *, resource_version: str
    ) -> Any:
        dies = resource_version not in seen
        seen.add(resource_version)
        if dies and when == "before":
            raise UnavailableError("died before")
        answer = await original(self, namespace, name, patch, resource_version=resource_version)
        if dies:
            raise UnavailableError("died after")
        return answer

    monkeypatch.setattr(module.Cluster, "write_status", flaky)
    async with world.operator(webhooks=webhooks):
        await _records(world, "flaky")
        await _ends(world, "flaky")
        await _until_all_told(world, "flaky")
    assert receiver.types == WHOLE
    await _whole_life_is_told(world, receiver, "flaky")


@asynccontextmanager
async def _process(world: World, folder: Path, webhooks: dict[str, Any]) -> AsyncIterator[Process]:
    """Run an operator as a process, which can be killed."""
    config = folder / "operator.yaml"
    config.write_text(json.dumps(settings_for(world.namespace, webhooks=webhooks).model_dump(mode="json")))
    process = await create_subprocess_exec(
        sys.executable, "-m", "egress_operator", "--config", str(config), stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_with_an_event_under_way_and_again_with_one_just_taken(
    world: World, receiver: Receiver, webhooks: dict[str, Any], tmp_path: Path
) -> None:
    victims: list[Process] = []

    async def kill_first(_: web.Request) -> web.StreamResponse:
        victims.pop().kill()
        return web.Response(status=503)

    async def take_and_kill(request: web.Request) -> web.StreamResponse:
        answer = await receiver.take(request)
        await answer.prepare(request)
        await answer.write_eof()
        victims.pop().kill()
        return answer

    receiver.answers = [kill_first, take_and_kill]
    async with _process(world, tmp_path, webhooks) as process:
        victims.append(process)
        await _records(world, "killed")
        assert await asyncio.wait_for(process.wait(), 20) == -9
    async with _process(world, tmp_path, webhooks) as process:
        victims.append(process)
        assert await asyncio.wait_for(process.wait(), 20) == -9
    assert receiver.types == ["task.processing"]
    async with _process(world, tmp_path, webhooks):
        await _ends(world, "killed")
        await _until_all_told(world, "killed")
    assert receiver.types == ["task.processing", *WHOLE]
    await _whole_life_is_told(world, receiver, "killed")


async def test_every_operator_dies_after_one_event_and_the_order_stays(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    async with world.operator(webhooks=webhooks):
        await _records(world, "relay")
    async with world.operator(webhooks=webhooks):
        await _ends(world, "relay")
    async with world.operator(webhooks=webhooks):
        await _until_all_told(world, "relay")
    await _whole_life_is_told(world, receiver, "relay")


async def test_a_task_that_can_not_be_read_fails_and_is_told(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Watched.task

    async def of_a_later_version(
        self: Watched, cluster: module.Cluster, key: TaskKey
    ) -> dict[str, Any] | None:
        found = copy.deepcopy(await original(self, cluster, key))
        if found is not None:
            found["spec"]["layout"] = "hologram"
        return found

    monkeypatch.setattr(Watched, "task", of_a_later_version)
    async with world.operator(webhooks=webhooks):
        await world.create_task("strange", requestId="r7")
        await _until_all_told(world, "strange")
    (event,) = receiver.taken
    assert (event.type, event.data.reason, event.data.request_id) == ("task.failed", "InvalidSpec", "r7")


async def test_an_older_definition_of_tasks_is_named_and_nothing_is_sent_twice(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module.Cluster.write_status

    async def pruned(
        self: module.Cluster, namespace: str, name: str, patch: dict[str, Any], **kwargs: Any
    ) -> Any:
        kept = {key: value for key, value in patch.items() if key != "webhooks"}
        return await original(self, namespace, name, kept, **kwargs)

    monkeypatch.setattr(module.Cluster, "write_status", pruned)
    with structlog.testing.capture_logs() as logs:
        async with world.operator(webhooks=webhooks):
            await _records(world, "pruned")
            await _ends(world, "pruned")
    assert receiver.got == []
    assert any("older than the operator" in entry["event"] for entry in logs)


async def _finished(world: World, name: str, *, days: float) -> None:
    ended = stamp(ago(days=days))
    event = {"sequence": 1, "type": "task.stopped", "at": ended, "state": "STOPPED"}
    await world.create_task(name, stop=True)
    status = {
        "state": "STOPPED",
        "attempt": 1,
        "stoppedAt": ended,
        "webhooks": {"sequence": 1, "pending": [event]},
    }
    version = (await world.task(name))["metadata"]["resourceVersion"]
    await world.cluster.write_status(world.namespace, name, status, resource_version=version)


async def test_a_finished_task_stays_until_its_end_is_told_but_not_for_ever(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    receiver.answers = [503] * 100
    await _finished(world, "owed", days=1)
    await _finished(world, "too-old", days=5)
    housekeeping = {"ttl_seconds_after_finished": 60, "max_finished": 1, "resync_seconds": 1}

    async def gone(name: str) -> bool:
        return await world.cluster.task(world.namespace, name) is None

    async with world.operator(webhooks=webhooks, **housekeeping):
        await world.until("the old one's deletion", lambda: gone("too-old"))
        await until("a try", lambda: receiver.got)
        assert not await gone("owed")
    receiver.answers = []
    async with world.operator(webhooks=webhooks, **housekeeping):
        await world.until("the other one's deletion", lambda: gone("owed"))
    assert [event.data.task_id for event in receiver.taken] == ["owed"]


async def test_giving_up_is_an_event_of_the_task(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    receiver.answers = [500] * 100
    # The next try would be too late.
    receiver.headers_of_answers = {"Retry-After": "7200"}
    await _finished(world, "nobody", days=3.99)
    async with world.operator(webhooks=webhooks):
        status = await _until_all_told(world, "nobody")

        async def told() -> bool:
            return "WebhookGivenUp" in {event["reason"] for event in await world.events("nobody")}

        await world.until("the Event", told)
    assert len(receiver.got) == 1
    assert status["webhooks"]["givenUp"] == 1
    assert "HTTP 500" in status["webhooks"]["message"]


async def test_far_above_the_ceiling_the_oldest_go_untold(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    receiver.answers = [503] * 100
    for number in range(6):
        await _finished(world, f"n{number}", days=3 - number / 10)

    async def names() -> set[str]:
        path = f"/apis/egress-operator.dev/v1alpha1/namespaces/{world.namespace}/egresstasks"
        return {task["metadata"]["name"] async for task in world.cluster.listed(path)}

    async def four_are_left() -> bool:
        return await names() == {"n2", "n3", "n4", "n5"}

    async with world.operator(webhooks=webhooks, max_finished=2, resync_seconds=1):
        await world.until("the ceiling", four_are_left)


async def test_what_waits_is_looked_at_once_and_not_at_each_resync(
    world: World, receiver: Receiver, webhooks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: Counter[str] = Counter()
    lists = 0
    task, listed = module.Cluster.task, module.Cluster.listed

    async def counted(self: module.Cluster, namespace: str, name: str) -> Any:
        looks[name] += 1
        return await task(self, namespace, name)

    def counted_lists(self: module.Cluster, *args: Any, **kwargs: Any) -> Any:
        nonlocal lists
        lists += 1
        return listed(self, *args, **kwargs)

    receiver.answers = [503] * 100
    receiver.headers_of_answers = {"Retry-After": "3600"}
    await _finished(world, "owed", days=1)
    monkeypatch.setattr(module.Cluster, "task", counted)
    monkeypatch.setattr(module.Cluster, "listed", counted_lists)
    async with world.operator(webhooks=webhooks, resync_seconds=1):
        await until("a few resyncs", lambda: receiver.got and lists >= 12, seconds=30)
    # The first, the one that writes when it is tried again, and one that the write itself may bring.
    assert looks["owed"] <= 3


async def test_what_became_too_old_while_no_operator_was_there_is_given_up(
    world: World, receiver: Receiver, webhooks: dict[str, Any]
) -> None:
    await _finished(world, "old", days=9)
    async with world.operator(webhooks=webhooks, ttl_seconds_after_finished=0):
        status = await _until_all_told(world, "old")
    assert receiver.got == []
    assert status["webhooks"]["givenUp"] == 1
    assert status["webhooks"]["message"] == (
        "event 1 (task.stopped) was given up four days after it happened"
    )
