"""Tasks over a limit wait, and begin in order, on a real API server."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from egress_api.constants import KUEUE_QUEUE_LABEL
from egress_operator.cluster import MERGE_PATCH, Cluster, pods_path, tasks_path
from egress_operator.errors import UnavailableError
from egress_operator.pod_state import KUEUE_GATE
from support.operator_world import World
from support.summaries import summary

ENDED = {"STOPPED", "FAILED", "TIMEOUT"}


async def begun(world: World) -> list[str]:
    """Return the tasks that have a place."""
    tasks = [task async for task in world.cluster.listed(tasks_path(world.namespace))]
    return sorted(
        task["metadata"]["name"]
        for task in tasks
        if (status := task.get("status") or {}).get("attempt") and status["state"] not in ENDED
    )


async def until_begun(world: World, *names: str) -> None:
    async def look() -> bool:
        return await begun(world) == sorted(names)

    await world.until(f"places for {names} alone", look)


async def until_waits(world: World, name: str, *, reason: str = "QueueFull") -> dict[str, Any]:
    return await world.until_state(name, "ENQUEUED", reason=reason)


async def until_position(world: World, name: str, position: int) -> None:
    async def look() -> bool:
        return (await world.status(name)).get("queuePosition") == position

    await world.until(f"position {position} of {name}", look)


async def finish(world: World, name: str) -> None:
    """End a task's recording as a stop does."""
    pod = f"{name}-1"
    await world.start_recording(name)
    await world.until_state(name, "PROCESSING")
    await world.stop_task(name)
    await world.until_told(pod, "true", what="stop")
    await world.end_pod(pod, message=summary())
    await world.until_state(name, "STOPPED")
    await world.kubelet_lets_go(pod)
    await world.until_pod_gone(pod)


@contextlib.asynccontextmanager
async def never_more_than(world: World, limit: int) -> AsyncIterator[None]:
    """Look all the time how many tasks have a place; fail if it is ever too many."""
    over: list[list[str]] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            found = await begun(world)
            if len(found) > limit:
                over.append(found)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        done.set()
        await watching
    assert over == []


async def test_two_of_five_begin_and_the_others_follow_by_priority(world: World) -> None:
    async with world.operator(queue={"max_tasks": 2}), never_more_than(world, 2):
        await world.create_task("one")
        await world.create_task("two")
        await until_begun(world, "one", "two")
        await world.create_task("low", priority=-5)
        await until_waits(world, "low")
        await world.create_task("high", priority=5)
        await until_waits(world, "high")
        await world.create_task("normal")
        status = await until_waits(world, "normal")
        assert status["queuePosition"] == 2
        assert status["message"] == "waits for a place: 2nd of 3; 2 of 2 recordings run"
        assert "podName" not in status
        assert [pod["metadata"]["name"] for pod in await world.pods()] == ["one-1", "two-1"]

        await finish(world, "one")
        await until_begun(world, "high", "two")
        assert "queuePosition" not in await world.status("high")
        await finish(world, "high")
        await until_begun(world, "normal", "two")
        await finish(world, "two")
        await until_begun(world, "low", "normal")


async def test_an_app_at_its_limit_holds_nobody_else_up(world: World) -> None:
    queue = {"max_tasks": 3, "max_tasks_per_app": 2, "apps": {"small": {"max_tasks": 1}}}
    async with world.operator(queue=queue), never_more_than(world, 3):
        for name in ("a1", "a2"):
            await world.create_task(name, appId="a")
        await until_begun(world, "a1", "a2")
        await world.create_task("a3", appId="a", priority=100)
        status = await until_waits(world, "a3", reason="AppLimitReached")
        assert status["message"] == "waits for a place of app a: 1st of 1; 2 of 2 recordings of the app run"
        await world.create_task("s1", appId="small")
        await until_begun(world, "a1", "a2", "s1")
        await world.create_task("s2", appId="small")
        await until_waits(world, "s2", reason="AppLimitReached")
        await world.create_task("b1", appId="b", priority=1)
        await until_waits(world, "b1")

        await finish(world, "s1")
        await until_begun(world, "a1", "a2", "b1")


async def test_an_operator_that_starts_anew_gives_no_place_away_twice(world: World) -> None:
    first = ["z0", "z1"]
    async with never_more_than(world, 2):
        async with world.operator(queue={"max_tasks": 2}):
            for name in first:
                await world.create_task(name)
            await until_begun(world, *first)
            # A list, and a watch, begin with these: whoever gives places away at once has too many of them.
            for number in range(4):
                await world.create_task(f"a{number}", priority=1)
                await until_waits(world, f"a{number}")
        for number in range(2):
            async with world.operator(queue={"max_tasks": 2}):
                await world.create_task(f"late{number}")
                await until_waits(world, f"late{number}")
                assert await begun(world) == first
        await world.stop_task("z0")
        await world.delete_pod("z0-1")
        async with world.operator(queue={"max_tasks": 2}):
            await world.until_state("z0", "STOPPED")

            async def other() -> bool:
                found = await begun(world)
                return len(found) == 2 and found[0].startswith("a") and found[1] == "z1"

            await world.until("the place taken by one that has waited", other)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_writes_that_fail_give_no_place_away_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Each task's first status writes fail, before or after they have reached the API server."""
    original = Cluster.write_status
    failures: Counter[str] = Counter()

    async def flaky(self: Cluster, namespace: str, name: str, *args: Any, **kwargs: Any) -> Any:
        failures[name] += 1
        dies = failures[name] in {1, 3}
        if dies and when == "before":
            raise UnavailableError("died before")
        answer = await original(self, namespace, name, *args, **kwargs)
        if dies:
            raise UnavailableError("died after")
        return answer

    monkeypatch.setattr(Cluster, "write_status", flaky)
    async with never_more_than(world, 2), world.operator(queue={"max_tasks": 2}):
        for number in range(5):
            await world.create_task(f"t{number}")
        left = {f"t{number}" for number in range(5)}
        while left:

            async def some(left: frozenset[str] = frozenset(left)) -> list[str]:
                found = await begun(world)
                return found if len(found) == min(2, len(left)) else []

            for name in await world.until("places taken", some):
                await finish(world, name)
                left.discard(name)


async def test_a_place_is_free_again_however_its_task_goes(world: World) -> None:
    async with world.operator(queue={"max_tasks": 1}), never_more_than(world, 1):
        await world.create_task("deleted", priority=9)
        await until_begun(world, "deleted")
        await world.create_task("second", priority=8)
        await world.create_task("stopped", priority=7)
        await world.create_task("gone", priority=6)
        await world.create_task("late", priority=5, limits={"enqueueTimeoutSeconds": 2})
        await world.create_task("last")
        for name in ("second", "stopped", "gone", "last"):
            await until_waits(world, name)
        # Those that wait may go without ever having had a place.
        await world.stop_task("stopped")
        await world.until_state("stopped", "STOPPED", reason="StoppedBeforeStart")
        await world.delete_task("gone")
        await world.until_state("late", "TIMEOUT", reason="QueueFull")

        await world.delete_task("deleted")
        await until_begun(world, "second")
        await finish(world, "second")
        await until_begun(world, "last")


async def test_a_deleted_task_that_a_foreign_finalizer_keeps_has_its_place_no_longer_than_its_pod(
    world: World,
) -> None:
    limits = {"max_tasks": 1}
    async with world.operator(queue=limits):
        await world.create_task("kept")
        await until_begun(world, "kept")
        path = tasks_path(world.namespace, "kept")
        body: dict[str, Any] = {"metadata": {"finalizers": ["example.com/keeps"]}}
        await world.cluster.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        await world.start_recording("kept")
        await world.until_state("kept", "PROCESSING")
        await world.create_task("second")
        await until_waits(world, "second")
        await world.delete_task("kept")
        await world.until_deleting("kept-1")
        assert "second" not in await begun(world), "the recorder still uploads"
        await world.end_pod("kept-1", message=summary())
        await until_begun(world, "kept", "second")
        await world.create_task("third")
        await until_waits(world, "third")
    # Nor after a restart, when the list is all that is known at first.
    async with world.operator(queue=limits):
        await finish(world, "second")
        await until_begun(world, "kept", "third")
        assert (await world.task("kept"))["metadata"]["deletionTimestamp"]
    body["metadata"]["finalizers"] = None
    await world.cluster.request("PATCH", path, body=body, content_type=MERGE_PATCH)


async def test_a_priority_may_be_raised_while_the_task_waits(world: World) -> None:
    async with world.operator(queue={"max_tasks": 1}):
        await world.create_task("runs")
        await until_begun(world, "runs")
        await world.create_task("first", priority=1)
        await until_waits(world, "first")
        await world.create_task("second")
        await until_waits(world, "second")
        await world.patch_task("second", priority=2)
        await until_position(world, "second", 1)
        await finish(world, "runs")
        await until_begun(world, "second")


async def test_no_more_begin_in_a_second_than_may(world: World) -> None:
    async with world.operator(queue={"starts_per_second": 0.5, "starts_burst": 2}):
        for number in range(3):
            await world.create_task(f"t{number}")

        async def look() -> list[str]:
            return [
                f"t{n}" for n in range(3) if (await world.status(f"t{n}")).get("reason") == "StartRateLimited"
            ]

        (waits,) = await world.until("one that has to wait", look)
        assert (await world.status(waits))["message"] == (
            "waits for its start: 1st of 1; recordings begin at 0.5 a second (queue.startsPerSecond)"
        )
        await until_begun(world, "t0", "t1", "t2")


async def test_waiting_costs_two_writes_more_than_not_waiting(world: World) -> None:
    async with world.operator(queue={"max_tasks": 1}):
        await world.create_task("runs")
        await until_begun(world, "runs")
        await world.create_task("waits")
        first = await until_waits(world, "waits")
        version = (await world.task("waits"))["metadata"]["resourceVersion"]
        for number in range(3):
            await world.create_task(f"behind{number}", priority=-1)
            await until_waits(world, f"behind{number}")
        assert (await world.task("waits"))["metadata"]["resourceVersion"] == version
        assert (await world.status("waits")) == first


@pytest.fixture
def kueue(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kueue's webhook does to a Pod that names a queue: only at creation does an API server take a gate."""
    original = Cluster.create_pod

    async def gated(self: Cluster, pod: dict[str, Any]) -> Any:
        if KUEUE_QUEUE_LABEL in pod["metadata"]["labels"]:
            pod["metadata"]["labels"]["kueue.x-k8s.io/managed"] = "true"
            pod["spec"]["schedulingGates"] = [{"name": KUEUE_GATE}]
        return await original(self, pod)

    monkeypatch.setattr(Cluster, "create_pod", gated)


async def admit(world: World, name: str) -> None:
    await world.cluster.request(
        "PATCH",
        pods_path(world.namespace, name),
        body={"spec": {"schedulingGates": None}},
        content_type=MERGE_PATCH,
    )


TARGET = {
    "type": "TerminationTarget",
    "status": "True",
    "reason": "WorkloadEvicted",
    "message": "Preempted to accommodate another",
}


async def preempt(world: World, name: str) -> None:
    """What Kueue does: it says why on the Pod, then deletes it."""
    pod = await world.pod(name)
    assert pod is not None
    conditions = [*(pod["status"].get("conditions") or []), TARGET]
    await world.pod_status(name, conditions=conditions)
    await world.delete_pod(name)


async def test_a_pod_goes_through_the_queue_of_its_task_its_app_or_everybody(world: World) -> None:
    queue = {"queue_name": "everybody", "apps": {"demo": {"queue_name": "team-a"}}}
    async with world.operator(queue=queue):
        await world.create_task("mine", queueName="own")
        await world.create_task("apps")
        await world.create_task("others", appId="other")
        queues = {}
        for name in ("mine", "apps", "others"):
            queues[name] = (await world.until_pod(name))["metadata"]["labels"][KUEUE_QUEUE_LABEL]
        assert queues == {"mine": "own", "apps": "team-a", "others": "everybody"}


@pytest.mark.usefixtures("kueue")
async def test_a_recorder_is_gated_admitted_and_preempted_by_kueue(world: World) -> None:
    async with world.operator():
        await world.create_task("t", queueName="own")
        await until_waits(world, "t", reason="QueueGated")
        await preempt(world, "t-1")
        await world.until_pod("t", attempt=2)
        status = await until_waits(world, "t", reason="QueueGated")
        assert status["freeRestarts"] == 1, "it had not recorded"

        await admit(world, "t-2")
        await until_waits(world, "t", reason="PodPending")
        await world.start_recording("t", attempt=2)
        await world.until_state("t", "PROCESSING", reason="Recording")
        await preempt(world, "t-2")
        await world.until_state("t", "PROCESSING", reason="Preempted")
        await world.end_pod("t-2", message=summary(attempt=2), conditions=[TARGET])
        await world.kubelet_lets_go("t-2")

        await world.until_pod("t", attempt=3)
        status = await world.until_state("t", "PROCESSING", reason="QueueGated")
        (recording,) = [c for c in status["conditions"] if c["type"] == "Recording"]
        assert (recording["status"], recording["reason"]) == ("False", "Preempted")
        assert recording["message"] == "Kueue took the Pod's place away: Preempted to accommodate another"
        await admit(world, "t-3")
        await world.start_recording("t", attempt=3)
        status = await world.until_state("t", "PROCESSING", reason="Recording")
        assert (status["attempt"], status["freeRestarts"]) == (3, 1)


@pytest.mark.usefixtures("kueue")
async def test_who_is_never_admitted_times_out_and_leaves_no_pod(world: World) -> None:
    async with world.operator():
        await world.create_task("t", queueName="own", limits={"enqueueTimeoutSeconds": 2})
        status = await world.until_state("t", "TIMEOUT", reason="QueueGated")
        assert "Kueue holds the recorder's Pod back until its queue has room" in status["message"]
        await world.until_pod_gone("t-1")
