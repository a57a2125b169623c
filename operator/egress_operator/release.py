"""`egress-operator release`: before an uninstall, stop every task and see that no Pod is left holding on.

Without an operator nobody would take our finalizer off: the Pods, and a namespace with them, could never be
deleted. Run by the chart's pre-delete hook while the operator still runs, so it never works against it: it
sets `spec.stop`, as a user would, and lets the operator end each recording and write its status. Only what
the operator leaves undone (it may be down) is done here: ask the recorder to end, then let its Pod go.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from egress_operator.cluster import MERGE_PATCH, Cluster, pods_path, state_of, tasks_path
from egress_operator.errors import ConflictError, NotFoundError, RefusedError, UnavailableError
from egress_operator.orphans import MANAGED_SELECTOR, let_go
from egress_operator.pod_state import PodView
from egress_operator.settings import Settings

_LOOK_SECONDS: Final = 1.0
OPERATOR_SECONDS: Final = 10.0
"""For the operator to take a step; it needs one or two."""
_FORCE_SECONDS: Final = 15.0

logger = structlog.get_logger(__name__)


async def release_all(
    cluster: Cluster,
    settings: Settings,
    *,
    wait_seconds: float,
    clock: Callable[[], datetime],
    operator_seconds: float = OPERATOR_SECONDS,
) -> int:
    """Stop every task of the settings' namespaces; return how many Pods were let go while running.

    Args:
        cluster: where they are.
        settings: the operator's.
        wait_seconds: for recordings to end; then Pods are let go all the same.
        clock: the wall clock.
        operator_seconds: for the operator to take a step, before it is taken here.

    Raises:
        ApiError: when the API server refuses, or can't be reached for too long.
    """
    loop = asyncio.get_running_loop()
    release = _Release(cluster, settings, clock=clock, now=loop.time, operator_seconds=operator_seconds)
    deadline = loop.time() + wait_seconds
    while True:
        late = loop.time() >= deadline
        try:
            if await release.step(late=late):
                return len(release.forced)
        except UnavailableError as error:
            if loop.time() >= deadline + _FORCE_SECONDS:
                raise
            logger.warning("The API server does not answer", error=str(error))
        if loop.time() >= deadline + _FORCE_SECONDS:
            raise ConflictError(f"Pods could not be released: {', '.join(sorted(release.held))}")
        logger.info(
            "Recordings are ending",
            tasks=release.unfinished,
            pods=len(release.held),
            seconds_left=round(max(deadline - loop.time(), 0)),
        )
        await asyncio.sleep(_LOOK_SECONDS)


@dataclass
class _Release:
    """What one run has seen so far."""

    cluster: Cluster
    settings: Settings
    clock: Callable[[], datetime] = field(kw_only=True)
    now: Callable[[], float] = field(kw_only=True)
    operator_seconds: float = field(kw_only=True)
    unfinished: int = 0
    held: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    _since: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a Pod was first seen in a state that the operator should change, or when nothing but tasks was left."""

    async def step(self, *, late: bool) -> bool:
        """Look at everything once and do what is due; return whether all is done."""
        self.unfinished, self.held = 0, set()
        for namespace in self.settings.namespaces:
            await self._stop_tasks(namespace)
            async for pod in self._pods(namespace):
                if pod.held:
                    self.held.add(f"{pod.namespace}/{pod.name}")
                    await self._pod(pod, late=late)
                elif pod.released and not pod.deleting:
                    # The operator would have it gone within seconds; it may have fewer.
                    await self.cluster.delete_pod(pod, grace_seconds=0)
        if self.held:
            self._since.pop(("", "tasks"), None)
            return False
        return not self.unfinished or late or self._overdue("", "tasks")

    async def _stop_tasks(self, namespace: str) -> None:
        async for task in self._tasks(namespace):
            if state_of(task).terminal:
                continue
            self.unfinished += 1
            if not task["spec"].get("stop"):
                await self._stop(namespace, task["metadata"]["name"])

    async def _stop(self, namespace: str, name: str) -> None:
        patch: dict[str, Any] = {"spec": {"stop": True}}
        try:
            await self.cluster.request(
                "PATCH", tasks_path(namespace, name), body=patch, content_type=MERGE_PATCH
            )
        except NotFoundError:
            return
        except RefusedError as error:
            # By a policy, or a schema that no longer fits: one task is no reason to leave the others' Pods held.
            logger.warning("Task can't be stopped", task=name, namespace=namespace, error=str(error))

    async def _tasks(self, namespace: str) -> AsyncIterator[dict[str, Any]]:
        try:
            async for task in self.cluster.listed(tasks_path(namespace)):
                yield task
        except NotFoundError:
            return  # the definition went first, and every task with it

    async def _pod(self, pod: PodView, *, late: bool) -> None:
        ended = pod.ended(self.clock())
        if late and not ended:
            self.forced.add(pod.uid)
        # Ending it and freeing it are two steps, each the operator's first.
        step = "free" if ended else "end"
        if not late and ((pod.deleting and not ended) or not self._overdue(pod.uid, step)):
            return
        await let_go(
            self.cluster,
            pod,
            now=self.clock(),
            grace_seconds=self.settings.recorder.grace_seconds,
            wait_for_end=not late,
        )

    def _overdue(self, uid: str, step: str) -> bool:
        since = self._since.setdefault((uid, step), self.now())
        return self.now() - since >= self.operator_seconds

    async def _pods(self, namespace: str) -> AsyncIterator[PodView]:
        query = {"labelSelector": MANAGED_SELECTOR}
        async for pod in self.cluster.listed(pods_path(namespace), query=query):
            yield PodView.from_resource(pod)
