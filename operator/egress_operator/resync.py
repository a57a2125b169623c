"""A full look at the cluster every few minutes: what an event that got lost would have told.

In: lists of all managed Pods and all tasks. Out: keys in the queue, Pods of nobody let go, finished tasks
beyond the ceiling deleted, and what the watches should have seen, for the liveness probe. The Pods are
listed first: a Pod whose task is not in the later list has lost it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

import structlog

from egress_api.constants import ATTEMPT_LABEL, TASK_LABEL
from egress_api.states import State
from egress_operator.cluster import Cluster, pods_path, state_of, tasks_path
from egress_operator.errors import ConflictError
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.orphans import MANAGED_SELECTOR, let_go
from egress_operator.places import Entry
from egress_operator.pod_state import PodView, parse_time
from egress_operator.probes import SILENT_SECONDS, WatchHealth
from egress_operator.settings import Settings
from egress_operator.sweep import Sweep
from egress_operator.turns import Turns
from egress_operator.watched import Watched
from egress_operator.webhooks.outbox import owed
from egress_operator.workqueue import WorkQueue

RETRY_SECONDS: Final = 10
OWED_TIMES: Final = 2
"""Times `maxFinished` at which finished tasks go although their webhooks wait: a dead receiver is not to fill etcd."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What matters of a task in a list."""

    key: TaskKey
    uid: str
    resource_version: str
    state: State
    attempt: int
    stopped_at: datetime | None
    app_id: str
    untold: bool
    """Whether its outbox holds events."""
    place: Entry | None
    rests: float
    """Seconds for which it needs no look, so far as is known."""

    @classmethod
    def of(cls, raw: dict[str, Any], turns: Turns) -> Self:
        meta, status = raw["metadata"], raw.get("status") or {}
        return cls(
            key=TaskKey(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            state=state_of(raw),
            attempt=status.get("attempt") or 0,
            stopped_at=parse_time(status.get("stoppedAt")),
            app_id=str((raw.get("spec") or {}).get("appId") or ""),
            untold=bool((status.get("webhooks") or {}).get("pending")),
            place=Entry.of(raw),
            rests=turns.rests(raw) or 0,
        )


class Resync:
    """Looks at everything from time to time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        settings: Settings,
        queue: WorkQueue[TaskKey],
        watch: WatchHealth,
        turns: Turns,
        watched: Watched,
        sweep: Sweep,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._queue = queue
        self._watch = watch
        self._turns = turns
        self._watched = watched
        self._sweep = sweep
        self._metrics = metrics
        self._clock = clock
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Have `run` end with the look that it is at."""
        self._closed.set()

    async def run(self) -> None:
        """Look at everything now and then every `resyncSeconds`, until closed."""
        while not self._closed.is_set():
            pause: float = self._settings.resync_seconds
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look is to come
                logger.warning("Resync failed", error=f"{type(error).__name__}: {error}")
                pause = min(pause, RETRY_SECONDS)
            if self._watch.owes:
                pause = min(pause, SILENT_SECONDS + RETRY_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause)

    async def once(self) -> None:
        """Look at everything once.

        Raises:
            ApiError: when a list can't be read.
        """
        # It is for what a watch has not told: nothing of what it has told may answer for it.
        self._watched.clear()
        for namespace in self._settings.namespaces:
            await self._namespace(namespace)
        self._watch.resynced()
        self._metrics.resync_seconds.set(self._clock().timestamp())

    async def _namespace(self, namespace: str) -> None:
        query = {"labelSelector": MANAGED_SELECTOR}
        pods = [pod async for pod in self._cluster.listed(pods_path(namespace), query=query)]
        mark, path = self._turns.mark(), tasks_path(namespace)
        tasks = [_Listed.of(raw, self._turns) async for raw in self._cluster.listed(path)]
        self._turns.listed(namespace, (task.place for task in tasks), since=mark)
        self._metrics.set_tasks(namespace, Counter(task.state for task in tasks))
        by_name = {task.key.name: task for task in tasks}
        for pod in pods:
            meta = pod["metadata"]
            self._watch.listed(meta["uid"], meta["resourceVersion"])
            await self._pod(pod, by_name)
        for task in tasks:
            if not task.state.terminal:
                self._watch.listed(task.uid, task.resource_version)
            if not task.state.terminal or self._expired(task):
                self._queue.add_after(task.key, task.rests)
            elif self._untold(task) and not self._queue.knows(task.key):
                # The sender has those that it knows looked at in their time: there may be tens of thousands.
                self._queue.add(task.key)
        await self._ceiling(tasks)

    async def _pod(self, raw: dict[str, Any], tasks: dict[str, _Listed]) -> None:
        pod = PodView.from_resource(raw)
        if pod.released and pod.finished:
            self._sweep.due(pod.namespace)
            return
        labels = raw["metadata"]["labels"]
        name, number = labels.get(TASK_LABEL, ""), labels.get(ATTEMPT_LABEL, "")
        if not name or not number.isdecimal():
            return  # somebody else's, with our label on it
        task = tasks.get(name)
        if task is not None and task.uid == pod.owner_uid and int(number) >= task.attempt:
            self._queue.add(task.key)
            return
        # Its task is gone, or went on to a later attempt and then the operator died.
        grace = self._settings.recorder.grace_seconds
        again = await let_go(self._cluster, pod, now=self._clock(), grace_seconds=grace)
        if again is not None and task is None:
            self._queue.add_after(TaskKey(pod.namespace, name), again)

    def _expired(self, task: _Listed) -> bool:
        ttl = self._settings.ttl_seconds_after_finished
        return bool(ttl and task.stopped_at and self._clock() - task.stopped_at >= timedelta(seconds=ttl))

    def _untold(self, task: _Listed) -> bool:
        """Return whether there is somebody who has not heard of it, however long ago that was."""
        return task.untold and self._settings.webhooks.of(task.app_id) is not None

    def _owed(self, task: _Listed) -> bool:
        configured = self._settings.webhooks.of(task.app_id) is not None
        return owed(pending=task.untold, configured=configured, stopped_at=task.stopped_at, now=self._clock())

    async def _ceiling(self, tasks: list[_Listed]) -> None:
        if not self._settings.max_finished:
            return
        finished = sorted(
            (task for task in tasks if task.stopped_at is not None and task.state.terminal),
            key=lambda task: task.stopped_at or self._clock(),
            reverse=True,
        )
        kept = forsaken = 0
        for task in finished:
            untold = self._owed(task)
            if kept < self._settings.max_finished * (OWED_TIMES if untold else 1):
                kept += 1
                continue
            try:
                await self._cluster.delete_task(
                    *task.key, uid=task.uid, resource_version=task.resource_version
                )
            except ConflictError:
                continue
            forsaken += untold
            self._metrics.tasks_deleted.labels("untold" if untold else "ceiling").inc()
        if forsaken:
            logger.warning(
                "Finished tasks deleted before their webhooks were delivered: there are more than twice maxFinished. "
                "See to the receiver, or raise maxFinished",
                tasks=forsaken,
            )
