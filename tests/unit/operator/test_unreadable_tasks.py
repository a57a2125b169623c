"""Tasks of another version: fields that are only new are no matter; what can't be read never costs a recording."""

import time
from typing import Any

import pytest

from egress_api.task import EgressTask
from egress_operator.app import utc_now
from egress_operator.cluster import Cluster, state_of
from egress_operator.keys import TaskKey
from egress_operator.live import LiveReports
from egress_operator.metrics import Metrics
from egress_operator.pod_state import PodView
from egress_operator.queue_settings import QueueSettings
from egress_operator.reconciler import Reconciler
from egress_operator.turns import Turns
from egress_operator.workqueue import WorkQueue
from support.operator_parts import SETTINGS


class OneTask(Cluster):
    """Has one task and notes what is written of it; anything else fails for want of a connection."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.raw = task
        self.written: list[dict[str, Any]] = []

    async def task(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.raw

    async def pod(self, namespace: str, name: str) -> PodView | None:
        return None

    async def write_status(
        self, namespace: str, name: str, patch: dict[str, Any], *, resource_version: str
    ) -> dict[str, Any]:
        self.written.append(patch)
        return self.raw

    async def post_event(self, namespace: str, event: dict[str, Any]) -> None:
        pass


def resource(*, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "t",
            "namespace": "n",
            "uid": "u",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"appId": "a", "channel": "c", "accessTokenSecretRef": {"name": "s"}, **spec},
        **({"status": status} if status is not None else {}),
    }


async def _looked_at(task: dict[str, Any], *, queue: QueueSettings = SETTINGS.queue) -> list[dict[str, Any]]:
    settings = SETTINGS.model_copy(update={"queue": queue})
    cluster, metrics = OneTask(task), Metrics()
    live = LiveReports[TaskKey](poll_seconds=1, ring=lambda _: None, metrics=metrics)
    turns = Turns(
        queue,
        namespaces=["n"],
        queue=WorkQueue(),
        metrics=metrics,
        clock=utc_now,
        monotonic=time.monotonic,
    )
    reconciler = Reconciler(
        cluster=cluster, settings=settings, live=live, turns=turns, metrics=metrics, clock=utc_now
    )
    await reconciler.reconcile(TaskKey("n", "t"))
    return cluster.written


async def test_a_new_task_that_can_not_be_read_fails_and_says_why() -> None:
    (written,) = await _looked_at(resource(layout="hologram"))
    assert (written["state"], written["reason"]) == ("FAILED", "InvalidSpec")
    assert "spec.layout" in written["message"]


async def test_of_a_task_whose_turn_is_not_known_yet_nothing_is_written() -> None:
    limits = {"enqueueTimeoutSeconds": 86_400}
    task = resource(limits=limits)
    task["metadata"]["creationTimestamp"] = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await _looked_at(task, queue=QueueSettings(max_tasks=1)) == []
    (written,) = await _looked_at(
        task | {"spec": task["spec"] | {"stop": True}}, queue=QueueSettings(max_tasks=1)
    )
    assert written["state"] == "STOPPED"


@pytest.mark.parametrize(
    "status",
    [
        {"state": "PROCESSING", "attempt": 1},
        {"state": "PAUSED", "attempt": 1},
        {"state": "PROCESSING", "attempt": 1, "conditions": [{"type": "Novel"}]},
    ],
)
async def test_a_task_that_may_be_recording_is_left_as_it_is(status: dict[str, Any]) -> None:
    assert await _looked_at(resource(status=status, layout="hologram")) == []
    assert not state_of(resource(status=status)).terminal


def test_a_field_that_a_newer_definition_adds_is_left_out() -> None:
    task = EgressTask.from_resource(resource(watermark="x", video={"width": 640, "codec": "av2"}))
    assert (task.spec.app_id, task.spec.video.width) == ("a", 640)
