"""What a caller wishes of a task that is there: that it stops, that it pauses or goes on.

In: an app, a task_id and the wish. Out: the wish in the task's spec, by a merge patch on the very task that
was looked at; meeting it is the operator's.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ClusterError, ClusterRefusedError, ProblemError, ProblemKind
from egress_gateway.lookup import Lookup, not_found
from egress_gateway.refusals import problem_of

_TRIES: Final = 5
"""To write one wish: others write the task too, above all the operator its status."""

Patch = dict[str, dict[str, Any]]


class Wishes:
    """Stop, pause and resume."""

    def __init__(self, cluster: Cluster, lookup: Lookup) -> None:
        self._cluster = cluster
        self._lookup = lookup

    async def stop(self, *, app_id: str, task_id: str) -> None:
        """Ask for the task's end; asking again, or after the end, changes nothing.

        Raises:
            ProblemError: when this app has no such task, or the wish can't be written down.
        """

        def patch(task: EgressTask) -> Patch | None:
            if task.spec.stop or task.status.state.terminal:
                return None
            # Whatever else has changed in it doesn't matter: a stop is never taken back.
            return {"metadata": {"uid": task.metadata.uid}, "spec": {"stop": True}}

        await self._write(patch, app_id=app_id, task_id=task_id, deed="the stop can't be written down")

    async def pause(self, *, app_id: str, task_id: str, wanted: bool) -> EgressTask:
        """Ask for a pause, or for its end, and return the task with the wish in it.

        Raises:
            ProblemError: when this app has no such task, it has ended or is to end, or the wish can't be
                written down.
        """

        def patch(task: EgressTask) -> Patch:
            _check_goes_on(task)
            # Sent also where the wish seems to stand there: only the API server knows whether another gateway
            # has taken it back, and it writes nothing where nothing changes.
            return {
                "metadata": {"uid": task.metadata.uid, "resourceVersion": task.metadata.resource_version},
                "spec": {"pause": wanted},
            }

        deed = f"{'the pause' if wanted else 'the end of the pause'} can't be written down"
        return await self._write(patch, app_id=app_id, task_id=task_id, deed=deed)

    async def _write(
        self, patch_for: Callable[[EgressTask], Patch | None], *, app_id: str, task_id: str, deed: str
    ) -> EgressTask:
        task = await self._lookup.get(app_id=app_id, task_id=task_id)
        tries = _TRIES
        while (patch := patch_for(task)) is not None:
            tries -= 1
            try:
                return self._lookup.taken(await self._cluster.patch_task(task.metadata.name, patch))
            except ClusterRefusedError as error:
                if error.code == HTTPStatus.NOT_FOUND and error.names_object:
                    raise not_found(app_id, task_id) from error
                if error.code != HTTPStatus.CONFLICT or not tries:
                    raise problem_of(error, deed=deed) from error
            except ClusterError as error:
                raise problem_of(error, deed=deed) from error
            # Not the task that it was: written by somebody else, or made anew under its name.
            task = await self._lookup.again(app_id=app_id, task_id=task_id)
        return task


def _check_goes_on(task: EgressTask) -> None:
    state = task.status.state
    if state.terminal:
        what = f"has ended in {state}"
    elif task.spec.stop or state is State.STOPPING:
        what = "is ending"
    else:
        return
    raise ProblemError(
        ProblemKind.TASK_ENDED,
        f"task {task.metadata.name} {what}: it can't be paused or go on any more; start another task, with "
        "another request_id",
    )
