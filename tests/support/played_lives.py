"""Whole lives of many tasks at once on a real API server: users, scheduler and kubelet played in one loop.

In: a world with an operator in it, and the tasks' names. Out: what is left of each, without times. Everything is found out by
two lists, so that a hundred tasks cost what one does; a task that is over is deleted and no longer in the way.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from egress_api.constants import TASK_LABEL
from egress_api.states import TERMINAL_STATES, Reason
from egress_operator.cluster import tasks_path
from egress_operator.errors import AlreadyExistsError, ConflictError, NotFoundError, UnavailableError
from support.operator_world import World
from support.simulated_kubelet import bound, deleting, finished, told_to_stop
from support.summaries import failed, summary

LOOK_SECONDS = 0.15
AT_ONCE = 48


class Stopped:
    """Recorded, stopped by the user, ended in order."""

    async def act(self, world: World, task: dict[str, Any], pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        if not bound(pod):
            await world.bind(name)
            await world.run_pod(name)
        elif task["status"].get("state") == "PROCESSING" and not task["spec"].get("stop"):
            await world.stop_task(task["metadata"]["name"])
        elif told_to_stop(pod):
            await world.end_pod(name, message=summary())


class Retried:
    """The first attempt fails, the second one records and ends by itself."""

    async def act(self, world: World, task: dict[str, Any], pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        if not bound(pod):
            await world.bind(name)
            if name.endswith("-1"):
                words = failed(Reason.SOURCE_UNREACHABLE, retryable=True)
                await world.end_pod(name, message=words, exit_code=1)
            else:
                await world.run_pod(name)
        elif task["status"].get("state") == "PROCESSING":
            await world.end_pod(name, message=summary(reason=Reason.SOURCE_CLOSED, attempt=2))


Life = Stopped | Retried


async def play(
    world: World, life: Life, names: Iterable[str], *, seconds: float = 200
) -> dict[str, dict[str, Any]]:
    """Bring tasks of these names through their lives; return what is left of each."""
    return await Players(world, life, list(names)).to_the_end(seconds=seconds)


class Players:
    """Users, scheduler and kubelet of some tasks."""

    def __init__(self, world: World, life: Life, names: list[str]) -> None:
        self.waiting = names
        self.going: set[str] = set()
        self.left: dict[str, dict[str, Any]] = {}
        self._world = world
        self._life = life

    async def to_the_end(self, *, seconds: float) -> dict[str, dict[str, Any]]:
        """Go on until all of them are over; return what is left of each."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.waiting or self.going:
            # Users and kubelets, too, outlive an API server that is away.
            with contextlib.suppress(UnavailableError):
                await self.look()
            if asyncio.get_running_loop().time() > deadline:
                pods = await self._world.pods()
                raise AssertionError(f"not over after {seconds} s: {sorted(self.going)}, {pods}")
            await asyncio.sleep(LOOK_SECONDS)
        return self.left

    async def look(self) -> None:
        """Do what is due."""
        world = self._world
        while self.waiting and len(self.going) < AT_ONCE:
            with contextlib.suppress(AlreadyExistsError):
                await world.create_task(self.waiting[0])
            self.going.add(self.waiting.pop(0))
        pods = await world.pods()
        found = [task async for task in world.cluster.listed(tasks_path(world.namespace))]
        tasks = {task["metadata"]["name"]: task for task in found}
        for pod in pods:
            await self._kubelet(tasks.get(pod["metadata"]["labels"][TASK_LABEL]), pod)
        busy = {pod["metadata"]["labels"][TASK_LABEL] for pod in pods}
        for name in sorted(self.going - busy):
            status = tasks[name].get("status") or {}
            if status.get("state") in TERMINAL_STATES:
                self.left[name] = _left(name, status)
                with contextlib.suppress(NotFoundError):
                    await world.delete_task(name)
                self.going.discard(name)

    async def _kubelet(self, task: dict[str, Any] | None, pod: dict[str, Any]) -> None:
        if finished(pod):
            if deleting(pod):
                await self._world.kubelet_lets_go(pod["metadata"]["name"])
        elif task is not None and not deleting(pod):
            with contextlib.suppress(NotFoundError, ConflictError):
                await self._life.act(self._world, {"status": {}, **task}, pod)


def _left(name: str, status: dict[str, Any]) -> dict[str, Any]:
    kept = ("state", "reason", "message", "attempt", "files", "filesTotal", "manifestUri", "nodeName")
    return {
        "conditions": [(c["type"], c["status"], c["reason"], c.get("message")) for c in status["conditions"]],
        "fields": sorted(status),
        "pod": status["podName"].removeprefix(name),
        **{key: status.get(key) for key in kept},
    }
