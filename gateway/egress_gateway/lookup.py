"""Find tasks: from the watch cache where that is true, else from the API server.

In: an app and a task_id, as a path has them. Out: an EgressTask of this app, or the problem that says there
is none. Nothing here changes a task.
"""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from egress_api.names import MAX_TASK_NAME
from egress_api.task import EgressTask
from egress_gateway.auth.recent import Recent
from egress_gateway.cache import TaskCache
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ClusterError, ClusterRefusedError, ProblemError, ProblemKind
from egress_gateway.refusals import problem_of
from egress_gateway.watch import readable

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""Names of resources: DNS subdomains, RFC 1123."""

GONE_SECONDS: Final = 10
GONE_ENTRIES: Final = 10_000


class Lookup:
    """The tasks of the gateway's namespace, to read."""

    def __init__(
        self, cluster: Cluster, cache: TaskCache, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._gone: Recent[tuple[str, str], bool] = Recent(entries=GONE_ENTRIES, clock=clock)

    async def get(self, *, app_id: str, task_id: str) -> EgressTask:
        """Return a task of this app, from the cache where that is true and knows it.

        Raises:
            ProblemError: when this app has no such task, or nobody can tell.
        """
        task = self._cache.get(task_id) if self._cache.fresh else None
        if task is None and self._cache.fresh and self._gone.get((app_id, task_id)):
            raise not_found(app_id, task_id)
        # What can't be a name is never put into a path of the API server's.
        if task is None and can_be_task(task_id):
            task = await self.named(task_id)
        return _own(task, app_id=app_id, task_id=task_id)

    async def again(self, *, app_id: str, task_id: str) -> EgressTask:
        """Return a task that `get` has found, as the API server has it now.

        Raises:
            ProblemError: when this app has it no longer, or nobody can tell.
        """
        return _own(await self.named(task_id), app_id=app_id, task_id=task_id)

    async def named(self, name: str) -> EgressTask | None:
        """Return the task of that name, whichever app's, as the API server has it now; None where there is none.

        Raises:
            ProblemError: when nobody can tell.
        """
        try:
            resource = await self._cluster.get_task(name)
        except ClusterRefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND and error.names_object:
                return None
            raise problem_of(error, deed="the task can't be read") from error
        except ClusterError as error:
            raise problem_of(error, deed="the task can't be read") from error
        return self.taken(resource)

    def taken(self, resource: dict[str, Any]) -> EgressTask:
        """Return the task in an answer of the API server's, which the cache then knows too.

        Raises:
            ProblemError: when this version of the gateway can't read it.
        """
        task = readable(resource)
        if task is None:
            raise ProblemError(
                ProblemKind.NOT_SET_UP,
                f"task {resource['metadata']['name']} was written by a newer version than this gateway can "
                "read: upgrade the gateway",
            )
        self._cache.put_own(task)
        return task

    def remember_gone(self, app_id: str, task_id: str) -> None:
        """Ask the API server no more for a while whether a task is there of which only its recording was found just now.

        One of the same name that comes meanwhile is told of by the watch; while that is down, the API server is asked.
        """
        if self._gone.get((app_id, task_id)) is None:
            self._gone.put((app_id, task_id), True, seconds=GONE_SECONDS)

    def forget(self, task: EgressTask) -> None:
        """Show a task no more that has been deleted just now."""
        self._cache.hide(task)


def can_be_task(task_id: str) -> bool:
    """Tell whether a task may have that name."""
    return _NAME.fullmatch(task_id) is not None and len(task_id) <= MAX_TASK_NAME


def not_found(app_id: str, task_id: str) -> ProblemError:
    """Return the problem that says so."""
    return ProblemError(ProblemKind.NOT_FOUND, f"app {app_id} has no task {task_id}")


def _own(task: EgressTask | None, *, app_id: str, task_id: str) -> EgressTask:
    # A task of another app is as unknown as none: names must not tell what others record.
    if task is None or task.spec.app_id != app_id:
        raise not_found(app_id, task_id)
    return task
