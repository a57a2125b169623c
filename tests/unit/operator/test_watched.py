"""What is known of tasks and Pods without asking, and when the API server is asked all the same."""

from typing import Any

import pytest

from egress_operator.cluster import Cluster
from egress_operator.errors import UnavailableError
from egress_operator.keys import TaskKey
from egress_operator.pod_state import PodView
from egress_operator.sweep import RELEASED_SELECTOR, Sweep
from egress_operator.watched import Watched
from support.operator_parts import pod

KEY = TaskKey("media", "task")


def task(version: int, *, uid: str = "u", state: str = "PROCESSING") -> dict[str, Any]:
    meta = {"name": "task", "namespace": "media", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": meta, "status": {"state": state}}


class Asked(Cluster):
    """Has one task and one Pod, and counts who asks."""

    def __init__(self, *, raw: dict[str, Any] | None = None, view: PodView | None = None) -> None:
        self.raw = raw
        self.view = view
        self.asked: list[str] = []
        self.fails = False

    async def task(self, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append(name)
        return self.raw

    async def pod(self, namespace: str, name: str) -> PodView | None:
        self.asked.append(name)
        return self.view

    async def delete_pods(self, namespace: str, *, selector: str) -> None:
        self.asked.append(f"{namespace} {selector}")
        if self.fails:
            raise UnavailableError("not now")


async def test_what_a_watch_has_told_is_not_asked_for() -> None:
    watched, cluster = Watched(), Asked()
    watched.saw_task(task(5))
    watched.saw_pod(pod())

    assert await watched.task(cluster, KEY) == task(5)
    assert await watched.pod(cluster, KEY, "task-1") == pod()
    assert cluster.asked == []


async def test_what_is_not_known_is_asked_for_once() -> None:
    watched, cluster = Watched(), Asked(raw=task(5), view=pod())
    for _ in range(2):
        assert await watched.task(cluster, KEY) == task(5)
        assert await watched.pod(cluster, KEY, "task-1") == pod()

    assert cluster.asked == ["task", "task-1"]


async def test_only_the_api_server_says_that_something_is_not_there() -> None:
    watched, cluster = Watched(), Asked()
    for _ in range(2):
        assert await watched.task(cluster, KEY) is None
        assert await watched.pod(cluster, KEY, "task-1") is None

    assert cluster.asked == ["task", "task-1"] * 2


async def test_an_older_version_never_replaces_a_newer_one() -> None:
    watched, cluster = Watched(), Asked()
    watched.saw_task(task(9))
    watched.saw_task(task(8))

    assert await watched.task(cluster, KEY) == task(9)


async def test_what_is_gone_does_not_come_back_by_a_late_answer() -> None:
    watched, cluster = Watched(), Asked()
    watched.saw_task(task(5))
    watched.saw_task(task(6), gone=True)
    watched.saw_task(task(6))

    assert await watched.task(cluster, KEY) is None
    watched.saw_task(task(7, uid="another"))
    assert await watched.task(cluster, KEY) == task(7, uid="another")


@pytest.mark.parametrize("state", ["STOPPED", "FAILED", "TIMEOUT"])
async def test_a_finished_task_is_not_kept(state: str) -> None:
    watched, cluster = Watched(), Asked(raw=task(6, state=state))
    watched.saw_task(task(5))
    watched.saw_task(task(6, state=state))
    await watched.task(cluster, KEY)
    await watched.task(cluster, KEY)

    assert cluster.asked == ["task", "task"]


async def test_a_released_pod_is_not_kept() -> None:
    watched, cluster = Watched(), Asked()
    watched.saw_pod(pod())
    watched.saw_pod(pod(resource_version="10", released=True))

    assert await watched.pod(cluster, KEY, "task-1") is None


async def test_after_a_failed_call_all_is_asked_for_until_a_look_succeeds() -> None:
    watched, cluster = Watched(), Asked(raw=task(6), view=pod(resource_version="10"))
    watched.saw_task(task(5))
    watched.saw_pod(pod())
    watched.doubt(KEY)

    assert await watched.task(cluster, KEY) == task(6)
    assert await watched.pod(cluster, KEY, "task-1") == pod(resource_version="10")
    watched.trust(KEY)
    assert await watched.task(cluster, KEY) == task(6)
    assert cluster.asked == ["task", "task-1"]


async def test_what_a_silent_watch_has_not_told_is_found_after_a_resync() -> None:
    watched, cluster = Watched(), Asked(raw=task(6))
    watched.saw_task(task(5))
    watched.clear()

    assert await watched.task(cluster, KEY) == task(6)


async def test_of_many_the_latest_are_kept() -> None:
    watched, cluster = Watched(most=2), Asked()
    for number in range(3):
        watched.saw_pod(pod(number, uid=f"pod-{number}"))

    assert await watched.pod(cluster, KEY, "task-0") is None
    assert await watched.pod(cluster, KEY, "task-2") is not None


async def test_with_room_for_nothing_each_look_asks() -> None:
    watched, cluster = Watched(most=0), Asked(raw=task(5))
    watched.saw_task(task(5))
    await watched.task(cluster, KEY)
    await watched.task(cluster, KEY)

    assert cluster.asked == ["task", "task"]


def test_a_new_task_has_no_pod() -> None:
    watched = Watched()
    new = {"metadata": task(5)["metadata"]}
    assert not watched.is_new(KEY), "who knows?"
    watched.saw_task(new)
    assert watched.is_new(KEY)
    watched.doubt(KEY)
    assert not watched.is_new(KEY)
    watched.trust(KEY)
    watched.saw_task(task(6))
    assert not watched.is_new(KEY)


async def test_released_pods_go_together_and_what_fails_is_tried_again() -> None:
    cluster = Asked()
    sweep = Sweep(cluster)
    await sweep.once()
    assert cluster.asked == []
    for _ in range(3):
        sweep.due("media")
    cluster.fails = True
    await sweep.once()
    cluster.fails = False
    await sweep.once()
    await sweep.once()

    assert cluster.asked == [f"media {RELEASED_SELECTOR}"] * 2
