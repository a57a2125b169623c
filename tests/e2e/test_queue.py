"""One recording at a time, on a node: who waits says for what and where it stands, and begins when the one before ends."""

from typing import Any

import pytest

from support.e2e import Tasks, until
from support.faults import SMALL
from support.releases import scratch_release, small_task

pytestmark = pytest.mark.timeout(300)

VALUES = {"recorder": SMALL, "operator": {"settings": {"queue": {"maxTasks": 1}}}}


def start(tasks: Tasks, **spec: Any) -> str:
    objects = small_task(**spec)
    tasks.kubectl.apply(*objects)
    return str(objects[-1]["metadata"]["name"])


def stop(tasks: Tasks, name: str) -> None:
    patch = '--patch={"spec": {"stop": true}}'
    tasks.kubectl.run("patch", "egresstask", name, "--type=merge", patch)
    tasks.until_state(name, "STOPPED")


def until_waits(tasks: Tasks, name: str, *, position: int) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        status: dict[str, Any] = tasks.get(name).get("status", {})
        return status if status.get("queuePosition") == position else None

    status = until(f"{name} at position {position}", probe, seconds=15)
    assert (status["state"], status["reason"], status["attempt"]) == ("ENQUEUED", "QueueFull", 0)
    return status


def test_the_next_begins_when_the_one_before_ends_by_priority_and_then_by_age() -> None:
    with scratch_release(values=VALUES) as tasks:
        first = start(tasks)
        tasks.until_state(first, "PROCESSING")
        second = start(tasks)
        status = until_waits(tasks, second, position=1)
        assert status["message"] == "waits for a place: 1st of 1; 1 of 1 recordings run"
        (scheduled,) = [each for each in status["conditions"] if each["type"] == "PodScheduled"]
        assert (scheduled["status"], scheduled["reason"]) == ("False", "QueueFull")
        assert "queuePosition" in scheduled["message"]

        urgent = start(tasks, priority=10)
        until_waits(tasks, urgent, position=1)
        assert tasks.pods(second) == tasks.pods(urgent) == []

        stop(tasks, first)
        status = tasks.until_state(urgent, "PROCESSING")["status"]
        assert "queuePosition" not in status
        assert tasks.pods(second) == []
        stop(tasks, urgent)
        tasks.until_state(second, "PROCESSING")
        stop(tasks, second)
