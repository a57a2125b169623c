"""Which events are news, when they ring, and that kopf is kept to watching."""

import time
from typing import Any

import kopf
import pytest

from egress_operator.handlers import build_registry, kopf_settings, needs_a_look
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.probes import WatchHealth
from egress_operator.queue_settings import QueueSettings
from egress_operator.turns import Turns
from egress_operator.watched import Watched
from egress_operator.workqueue import WorkQueue
from support.operator_parts import NOW


def body(*, state: str = "PROCESSING", generation: int = 1, observed: int = 1, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation, **meta},
        "status": {"state": state, "observedGeneration": observed},
    }


@pytest.mark.parametrize(
    ("event_type", "task", "wanted"),
    [
        (None, body(), True),
        ("ADDED", {"metadata": {"generation": 1}}, True),
        ("MODIFIED", body(), False),
        ("MODIFIED", body(generation=2), True),
        ("MODIFIED", body(deletionTimestamp="2026-11-23T05:11:22Z"), True),
        ("DELETED", body(state="STOPPED"), True),
        (None, body(state="STOPPED"), False),
        ("MODIFIED", body(state="FAILED", generation=2), False),
    ],
)
def test_which_events_ring(event_type: str | None, task: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001 - a table's column
    assert needs_a_look(task, event_type=event_type) is wanted


def _registry(queue: WorkQueue[TaskKey], *, limits: QueueSettings | None = None) -> tuple[Any, Any]:
    """Return the two doorbells: of tasks and of Pods."""
    turns = Turns(
        limits or QueueSettings(),
        namespaces=["media"],
        queue=queue,
        metrics=Metrics(),
        clock=lambda: NOW,
        monotonic=time.monotonic,
    )

    async def end() -> None:
        """Nothing to end."""

    registry = build_registry(
        queue=queue,
        watch=WatchHealth(clock=time.monotonic),
        turns=turns,
        watched=Watched(),
        begin=lambda: None,
        end=end,
    )
    by_name = {getattr(handler.fn, "__name__", ""): handler.fn for handler in registry._watching._handlers}
    return by_name["task_doorbell"], by_name["pod_doorbell"]


@pytest.mark.parametrize(("released", "rings"), [("false", True), ("true", False)])
async def test_a_pod_rings_until_it_is_released(released: str, rings: bool) -> None:  # noqa: FBT001 - a table's column
    queue: WorkQueue[TaskKey] = WorkQueue()
    _, doorbell = _registry(queue)
    pod = {
        "metadata": {
            "name": "task-1",
            "namespace": "media",
            "uid": "u",
            "resourceVersion": "1",
            "labels": {"egress-operator.dev/task": "task", "egress-operator.dev/released": released},
        },
        "spec": {},
        "status": {},
    }

    for kind in ("MODIFIED", "DELETED"):
        await doorbell(body=kopf.Body(pod), type=kind, event={"object": pod})  # type: ignore[arg-type]
    assert queue.knows(TaskKey("media", "task")) is rings


async def test_a_task_that_waits_rings_when_its_wait_ends_and_at_once_when_it_is_deleted() -> None:
    queue: WorkQueue[TaskKey] = WorkQueue()
    doorbell, _ = _registry(queue, limits=QueueSettings(max_tasks=1))
    created = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    waits = body(state="ENQUEUED", namespace="media", name="task", uid="u", resourceVersion="1")
    waits["metadata"]["creationTimestamp"] = created
    waits["spec"] = {"appId": "demo", "limits": {"enqueueTimeoutSeconds": 86400}}
    waits["status"]["reason"] = "QueueFull"

    await doorbell(body=kopf.Body(waits), type=None, event={"object": waits})  # type: ignore[arg-type]
    key = TaskKey("media", "task")
    assert (queue.depth, queue.knows(key)) == (0, True)
    await doorbell(body=kopf.Body(waits), type="DELETED", event={"object": waits})  # type: ignore[arg-type]
    assert queue.depth == 1
    assert await queue.get() == key
    queue.done(key)
    assert not queue.knows(key), "no timer is left of it"


def test_kopf_writes_nothing_and_looks_at_our_pods_alone() -> None:
    settings = kopf_settings()

    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.persistence.finalizer.startswith("egress-operator.dev/")
    assert settings.queueing.idle_timeout < 1
    assert settings.watching.label_selectors["pods"] == "app.kubernetes.io/managed-by=egress-operator"


def test_kopf_copies_no_object_to_compare_it() -> None:
    storage = kopf_settings().persistence.diffbase_storage
    task = kopf.Body({"metadata": {"name": "task"}, "spec": {"appId": "demo"}})  # type: ignore[typeddict-item]

    assert storage.fetch(body=task) is None
    assert storage.build(body=task) == {}
