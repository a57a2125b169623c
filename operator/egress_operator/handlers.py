"""kopf's part: two watches that ring doorbells, and nothing else.

Only low-level `on.event` handlers: kopf then writes nothing to any object, no annotation, no finalizer. Its
errors in such handlers are dropped, so the handlers put a key into the queue, which has the retries.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import kopf

from egress_api.constants import (
    GROUP,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PLURAL,
    TASK_LABEL,
    VERSION,
)
from egress_api.states import TERMINAL_STATES
from egress_operator.keys import TaskKey
from egress_operator.no_diff import NoDiff
from egress_operator.orphans import MANAGED_SELECTOR
from egress_operator.pod_state import PodView
from egress_operator.probes import WatchHealth
from egress_operator.turns import Turns
from egress_operator.watched import Watched
from egress_operator.workqueue import WorkQueue

POD_DELAY_SECONDS: Final = 0.1
"""A kubelet takes a Pod through several states within a second: one look for all of them."""


def kopf_settings() -> kopf.OperatorSettings:
    """Return the settings that keep kopf to watching (operator-facts: each has its reason there)."""
    settings = kopf.OperatorSettings()
    settings.watching.label_selectors["pods"] = MANAGED_SELECTOR
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 660
    settings.watching.connect_timeout = 10
    # Each object's worker holds its last event until it ends: after a list of 10,000 tasks, five seconds of them all.
    settings.queueing.idle_timeout = 0.1
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 30
    # Namespaced rights only: kopf is not to look for namespaces or resource definitions.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.posting.level = logging.CRITICAL
    # Never written by `on.event` handlers; still our own names, should one be added.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    settings.persistence.diffbase_storage = NoDiff()
    # It would kill a process that begins anew (app.py); one that hangs at its end is the kubelet's to kill.
    settings.process.ultimate_exiting_timeout = None
    return settings


def build_registry(
    *,
    queue: WorkQueue[TaskKey],
    watch: WatchHealth,
    turns: Turns,
    watched: Watched,
    begin: Callable[[], None],
    end: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """Return the handlers; importing this module registers nothing.

    Args:
        queue: where doorbells put keys.
        watch: is told what the watches tell.
        turns: is told of every task.
        watched: takes in what the watches tell.
        begin: is called when kopf has set itself up, before the watches begin.
        end: is called when the watches have ended.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def startup(**_: Any) -> None:
        begin()

    # What still runs when kopf ends, and was started after it, it waits for and then cancels.
    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await end()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def task_doorbell(body: kopf.Body, type: str | None, event: Any, **_: Any) -> None:  # noqa: A002 - kopf's name
        meta = body.metadata
        gone = type == "DELETED"
        watched.saw_task(event["object"], gone=gone)
        turns.seen(body, gone=gone)
        if needs_a_look(body, event_type=type):
            # One that waited for its turn has a timer for when that ends, up to a day ahead: it goes with the task.
            rests = None if gone else turns.rests(body)
            queue.add_after(TaskKey(meta["namespace"], meta["name"]), rests or 0)
        watch.told(meta["uid"], meta["resourceVersion"])

    @kopf.on.event("", "v1", "pods", labels={MANAGED_BY_LABEL: MANAGED_BY}, registry=registry)
    async def pod_doorbell(body: kopf.Body, type: str | None, event: Any, **_: Any) -> None:  # noqa: A002 - kopf's name
        meta, pod = body.metadata, PodView.from_resource(event["object"])
        watched.saw_pod(pod, gone=type == "DELETED")
        name = meta.get("labels", {}).get(TASK_LABEL)
        # Of one that is released the task knows all there is to know.
        if name and not pod.released:
            queue.add_after(TaskKey(meta["namespace"], name), POD_DELAY_SECONDS)
        watch.told(meta["uid"], meta["resourceVersion"])

    return registry


def needs_a_look(body: Any, *, event_type: str | None) -> bool:
    """Return whether a task's event is news.

    Args:
        body: the task.
        event_type: as in a watch; None for an object of the first list.
    """
    if event_type == "DELETED":
        return True
    status = body.get("status") or {}
    if status.get("state") in TERMINAL_STATES:
        return False
    if event_type != "MODIFIED":
        return True
    # The same generation that was acted on: our own status write comes back to us.
    meta = body["metadata"]
    return bool(meta.get("deletionTimestamp")) or status.get("observedGeneration") != meta.get("generation")
