"""Finished tasks don't pile up, lost events are made up for, and an uninstall leaves nothing stuck."""

import asyncio

import pytest

from egress_api.constants import RELEASED_LABEL
from egress_api.states import Reason
from egress_operator import sweep
from egress_operator.app import utc_now
from egress_operator.release import release_all
from support.operator_world import World, ago, settings_for, stamp
from support.summaries import summary


async def _finished(world: World, name: str, *, minutes: float) -> None:
    await world.create_task(name, stop=True)
    status = {
        "state": "STOPPED",
        "reason": "StopRequested",
        "attempt": 1,
        "stoppedAt": stamp(ago(minutes=minutes)),
    }
    await world.cluster.write_status(
        world.namespace,
        name,
        status,
        resource_version=(await world.task(name))["metadata"]["resourceVersion"],
    )


async def _names(world: World) -> set[str]:
    path = f"/apis/egress-operator.dev/v1alpha1/namespaces/{world.namespace}/egresstasks"
    return {task["metadata"]["name"] async for task in world.cluster.listed(path)}


async def test_a_task_that_has_been_finished_for_long_is_deleted(world: World) -> None:
    await _finished(world, "old", minutes=5)
    await _finished(world, "new", minutes=1)
    async with world.operator(ttl_seconds_after_finished=180):

        async def old_is_gone() -> bool:
            return await _names(world) == {"new"}

        await world.until("the old task's deletion", old_is_gone)


async def test_of_too_many_finished_tasks_the_oldest_go(world: World) -> None:
    for number in range(5):
        await _finished(world, f"n{number}", minutes=10 - number)
    await world.create_task("runs")
    async with world.operator(max_finished=2):

        async def two_are_left() -> bool:
            return await _names(world) == {"n3", "n4", "runs"}

        await world.until("the ceiling", two_are_left)


async def test_a_pod_left_over_from_an_attempt_that_was_captured_is_let_go(world: World) -> None:
    async with world.operator():
        await world.create_task("left")
        await world.start_recording("left")
        await world.until_state("left", "PROCESSING")
    await world.delete_pod("left-1")
    await world.end_pod("left-1", message=summary())
    await world.kubelet_lets_go("left-1")
    task = await world.task("left")
    await world.cluster.write_status(
        world.namespace,
        "left",
        {"attempt": 3, "podUid": None},
        resource_version=task["metadata"]["resourceVersion"],
    )
    async with world.operator():
        await world.until_pod_gone("left-1")


@pytest.mark.parametrize("who", ["the next operator", "an uninstall"])
async def test_an_ended_pod_that_an_operator_has_released_and_left_goes(
    world: World, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 3600)
    async with world.operator():
        await world.create_task("left")
        await world.start_recording("left")
        await world.until_state("left", "PROCESSING")
        await world.end_pod("left-1", message=summary(reason=Reason.SOURCE_CLOSED))
        await world.until_state("left", "STOPPED")

        async def released() -> bool:
            pod = await world.pod("left-1")
            assert pod is not None
            return pod["metadata"]["labels"].get(RELEASED_LABEL) == "true"

        await world.until("the release", released)
    assert await world.pod("left-1") is not None
    monkeypatch.setattr(sweep, "SWEEP_SECONDS", 0.1)
    if who == "an uninstall":
        assert (
            await release_all(world.cluster, settings_for(world.namespace), wait_seconds=1, clock=utc_now)
            == 0
        )
        assert await world.pod("left-1") is None
        return
    async with world.operator():
        await world.until_pod_gone("left-1")


async def test_release_without_an_operator_leaves_nothing_held(world: World) -> None:
    async with world.operator():
        await world.create_task("runs")
        await world.start_recording("runs")
        await world.until_state("runs", "PROCESSING")
    settings = settings_for(world.namespace)
    forced = await release_all(world.cluster, settings, wait_seconds=1, clock=utc_now, operator_seconds=0.3)
    assert forced == 1
    await world.kubelet_lets_go("runs-1")
    await world.until_pod_gone("runs-1")


async def test_release_with_an_operator_lets_it_write_the_end(world: World) -> None:
    async with world.operator():
        await world.create_task("ends")
        await world.start_recording("ends")
        await world.until_state("ends", "PROCESSING")
        release = asyncio.create_task(
            release_all(world.cluster, settings_for(world.namespace), wait_seconds=30, clock=utc_now)
        )
        await world.until_deleting("ends-1")
        await world.end_pod("ends-1", message=summary())
        await world.kubelet_lets_go("ends-1")
        assert await asyncio.wait_for(release, 20) == 0
        assert (await world.status("ends"))["state"] == "STOPPED"
        await world.until_pod_gone("ends-1")
