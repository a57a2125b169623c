"""Keep the cache true: list once, then watch, for as long as the process lives.

A watch that ends is taken up where it stopped; one whose place in history is gone (410) starts again with
a list; a broken or silent one is tried again with growing pauses. Nothing here ends the process.
"""

import asyncio
import random
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from egress_api.task import EgressTask
from egress_gateway.cache import TaskCache
from egress_gateway.cluster import Cluster
from egress_gateway.compact import compact
from egress_gateway.errors import ClusterError, ClusterRefusedError
from egress_gateway.logs import get_logger
from egress_gateway.metrics import Metrics

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 15.0

log = get_logger(__name__)


class TaskWatch:
    """The list-and-watch loop behind a cache."""

    def __init__(self, cluster: Cluster, cache: TaskCache, *, metrics: Metrics) -> None:
        self._cluster = cluster
        self._cache = cache
        self._metrics = metrics
        self._position: str | None = None
        self.trouble = "all tasks are being listed"
        """Why the cache isn't true yet or any more, "" while it is."""

    async def run(self) -> None:
        """Feed the cache until cancelled."""
        clock = asyncio.get_running_loop().time
        pause = _FIRST_PAUSE_SECONDS
        while True:
            begun = clock()
            try:
                if self._position is None:
                    self._position = await self._list()
                await self._follow(self._position)
                broken = False
            except ClusterError as error:
                self._break(error)
                broken = True
            except Exception as error:
                # A watch that ended without a word would leave a cache that is believed and never changes.
                log.exception("the watch on tasks met something unheard of")
                self._position = None
                self._break(ClusterError(f"{type(error).__name__}: {error}"))
                broken = True
            # Only what fails at once is tried less and less often.
            quick = clock() - begun < pause
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS) if broken and quick else _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas, no secret

    def _break(self, error: ClusterError) -> None:
        self._cache.note_lost()
        self.trouble = str(error)
        self._metrics.watch_failures.inc()
        if isinstance(error, ClusterRefusedError) and error.code == HTTPStatus.GONE:
            self._position = None
        log.warning("the watch on tasks broke", reason=self.trouble)

    async def _list(self) -> str:
        tasks: list[EgressTask] = []
        continue_token = ""
        while True:
            page = await self._cluster.list_tasks(continue_token=continue_token)
            tasks += [task for item in page["items"] if (task := readable(item)) is not None]
            continue_token = page["metadata"].get("continue") or ""
            if not continue_token:
                break
        position: str = page["metadata"]["resourceVersion"]
        self._cache.replace(tasks, resource_version=position)
        self._settle()
        log.info("all tasks are known", tasks=len(tasks), resource_version=position)
        return position

    async def _follow(self, position: str) -> None:
        async for event in self._cluster.watch_tasks(position, on_open=self._settle):
            resource = event["object"]
            self._position = resource["metadata"]["resourceVersion"]
            self._take(event["type"], resource, self._position)

    def _take(self, kind: str, resource: dict[str, Any], position: str) -> None:
        match kind:
            case "ADDED" | "MODIFIED":
                task = readable(resource)
                if task is None:
                    # Status calls then ask the API server, and say what is wrong.
                    self._cache.remove(resource["metadata"]["name"], resource_version=position)
                else:
                    self._cache.put(task)
            case "DELETED":
                self._cache.remove(resource["metadata"]["name"], resource_version=position)
            case _:
                self._cache.note_seen(position)

    def _settle(self) -> None:
        self._cache.note_connected()
        self.trouble = ""


def readable(resource: dict[str, Any]) -> EgressTask | None:
    """Return the task in a resource, or None for one that this version of the gateway can't read."""
    try:
        return compact(EgressTask.from_resource(resource))
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in problem["loc"]) for problem in error.errors()})
        log.warning("a task can't be read", task_id=resource["metadata"]["name"], fields=fields)
        return None
