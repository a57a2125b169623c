"""An operator that dies, at any point, changes nothing for a recorder and loses nothing of its end."""

import asyncio

import pytest

from egress_cluster.apiserver import ApiServer
from egress_operator import reconciler as module
from egress_operator.errors import UnavailableError
from support.operator_world import World
from support.summaries import playlist, summary


async def test_a_recording_goes_on_and_ends_while_nobody_looks(world: World) -> None:
    async with world.operator():
        await world.create_task("alone")
        await world.start_recording("alone")
        await world.until_state("alone", "PROCESSING")
    before = await world.pod("alone-1")
    async with world.operator():
        await asyncio.sleep(1)  # long enough for an operator to do something wrong
    after = await world.pod("alone-1")
    assert before is not None
    assert after is not None
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]

    await world.stop_task("alone")
    await world.delete_pod("alone-1")
    await world.end_pod("alone-1", message=summary())
    await world.kubelet_lets_go("alone-1")
    assert await world.pod("alone-1") is not None, "the finalizer holds it"
    async with world.operator():
        status = await world.until_state("alone", "STOPPED", reason="StopRequested")
        assert [file["name"] for file in status["files"]] == [playlist().name]
        await world.until_pod_gone("alone-1")


STEPS = ("write_status", "create_pod", "annotate_pod", "release_pod", "delete_pod")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_dying_at_every_step_of_a_whole_life_comes_to_the_same_end(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    """Every call of one kind fails once, before or after it has reached the API server, then succeeds."""
    original = getattr(module.Cluster, step)
    seen: set[str] = set()

    async def flaky(self: module.Cluster, *args: object, **kwargs: object) -> object:
        what = repr((args, sorted(kwargs)))[:400]
        dies = what not in seen
        seen.add(what)
        if dies and when == "before":
            raise UnavailableError("died before")
        answer = await original(self, *args, **kwargs)
        if dies:
            raise UnavailableError("died after")
        return answer

    monkeypatch.setattr(module.Cluster, step, flaky)
    async with world.operator():
        await world.create_task("dies")
        await world.start_recording("dies")
        await world.until_state("dies", "PROCESSING")
        await world.stop_task("dies")
        await world.until_told("dies-1", "true", what="stop")
        await world.end_pod("dies-1", message=summary())
        status = await world.until_state("dies", "STOPPED", reason="StopRequested")
        assert status["attempt"] == 1
        assert [file["name"] for file in status["files"]] == [playlist().name]
        await world.kubelet_lets_go("dies-1")
        await world.until_pod_gone("dies-1")


async def test_the_end_is_written_before_the_pod_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[str] = []
    original = module.Cluster.release_pod

    async def watching(self: module.Cluster, pod: module.PodView) -> None:
        states.append((await world.status("order"))["state"])
        await original(self, pod)

    monkeypatch.setattr(module.Cluster, "release_pod", watching)
    async with world.operator():
        await world.create_task("order")
        await world.start_recording("order")
        await world.until_state("order", "PROCESSING")
        await world.stop_task("order")
        await world.until_told("order-1", "true", what="stop")
        await world.end_pod("order-1", message=summary())
        await world.kubelet_lets_go("order-1")
        await world.until_pod_gone("order-1")
    assert set(states) == {"STOPPED"}


async def test_a_deleted_task_lets_its_recorder_end_and_its_pod_go(world: World) -> None:
    async with world.operator():
        await world.create_task("dropped")
        await world.start_recording("dropped")
        await world.until_state("dropped", "PROCESSING")
        await world.delete_task("dropped")
        await world.until_deleting("dropped-1")
        assert await world.pod("dropped-1") is not None
        await world.end_pod("dropped-1", message=summary())
        await world.kubelet_lets_go("dropped-1")
        await world.until_pod_gone("dropped-1")


async def test_a_task_deleted_while_the_operator_was_down_lets_its_pod_go(world: World) -> None:
    async with world.operator():
        await world.create_task("missed")
        await world.start_recording("missed")
        await world.until_state("missed", "PROCESSING")
    await world.delete_task("missed")
    await world.delete_pod("missed-1")
    await world.end_pod("missed-1", message=summary())
    await world.kubelet_lets_go("missed-1")
    assert await world.pod("missed-1") is not None
    async with world.operator():
        await world.until_pod_gone("missed-1")


async def test_an_outage_of_the_api_server_is_outlived(world: World, api_server: ApiServer) -> None:
    async with world.operator():
        await world.create_task("outage")
        await world.start_recording("outage")
        await world.until_state("outage", "PROCESSING")
        # Not in a thread: the server is tied to the life of the thread that started it.
        api_server.stop_api_server()
        await asyncio.sleep(2)  # an outage takes time
        api_server.restart()
        await world.stop_task("outage")
        await world.until_told("outage-1", "true", what="stop")
        await world.end_pod("outage-1", message=summary())
        await world.until_state("outage", "STOPPED", reason="StopRequested")
