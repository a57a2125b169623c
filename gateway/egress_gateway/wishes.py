"""What a caller wishes of a task that is there: that it stops, pauses, records others, is deleted.

In: an app, a task_id and the wish. Out: the wish in the task's spec, by a merge patch on the very task that
was looked at, in its Secret, or its deletion; meeting it is the operator's.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from egress_api.constants import KIND
from egress_api.media import Layout
from egress_api.rest import FieldError
from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ClusterError, ClusterRefusedError, ProblemError, ProblemKind
from egress_gateway.lookup import Lookup, not_found
from egress_gateway.refusals import problem_of
from egress_gateway.token_secrets import TokenSecrets

_TRIES: Final = 5
"""To write one wish: others write the task too, above all the operator its status."""

Patch = dict[str, dict[str, Any]]


class Wishes:
    """Stop, pause, resume, other users, another layout or token, and delete."""

    def __init__(self, cluster: Cluster, lookup: Lookup, token_secrets: TokenSecrets) -> None:
        self._cluster = cluster
        self._lookup = lookup
        self._token_secrets = token_secrets

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

    async def change(self, changes: dict[str, Any], *, app_id: str, task_id: str) -> EgressTask:
        """Ask for a pause or its end, for other users or another layout, and return the task with the wish in it.

        Raises:
            ProblemError: when this app has no such task, it has ended or is to end, has no such thing, or the wish can't
                be written down.
        """

        def patch(task: EgressTask) -> Patch:
            _check_goes_on(task)
            _check_has(task, changes)
            # Sent also where the wish seems to stand there: only the API server knows whether another gateway
            # has taken it back, and it writes nothing where nothing changes.
            return {
                "metadata": {"uid": task.metadata.uid, "resourceVersion": task.metadata.resource_version},
                "spec": changes,
            }

        return await self._write(
            patch, app_id=app_id, task_id=task_id, deed="the change can't be written down"
        )

    async def renew_token(self, token: SecretStr, *, app_id: str, task_id: str) -> EgressTask:
        """Give the task another access token, and return the task; its recorder joins with it from then on.

        Raises:
            ProblemError: when this app has no such task, it has ended or is to end, or its token can't be changed.
        """
        task = await self._lookup.get(app_id=app_id, task_id=task_id)
        _check_goes_on(task)
        await self._token_secrets.renew(task, token)
        return task

    async def delete(self, *, app_id: str, task_id: str) -> EgressTask:
        """Delete the task, and return it as it was last; its recorder ends as after a stop.

        Raises:
            ProblemError: when this app has no such task (any more), or it can't be deleted.
        """

        async def delete(task: EgressTask) -> EgressTask:
            left = await self._cluster.delete_task(task.metadata.name, uid=task.metadata.uid)
            if left.get("kind") == KIND:
                return self._lookup.taken(left)  # somebody's finalizer still holds it
            self._lookup.forget(task)
            gone = task.metadata.model_copy(update={"deletion_timestamp": datetime.now(UTC)})
            return task.model_copy(update={"metadata": gone})

        return await self._try(delete, app_id=app_id, task_id=task_id, deed="the task can't be deleted")

    async def _write(
        self, patch_for: Callable[[EgressTask], Patch | None], *, app_id: str, task_id: str, deed: str
    ) -> EgressTask:
        async def write(task: EgressTask) -> EgressTask:
            patch = patch_for(task)
            if patch is None:
                return task
            return self._lookup.taken(await self._cluster.patch_task(task.metadata.name, patch))

        return await self._try(write, app_id=app_id, task_id=task_id, deed=deed)

    async def _try(
        self, act: Callable[[EgressTask], Awaitable[EgressTask]], *, app_id: str, task_id: str, deed: str
    ) -> EgressTask:
        task = await self._lookup.get(app_id=app_id, task_id=task_id)
        tries = _TRIES
        while True:
            tries -= 1
            try:
                return await act(task)
            except ClusterRefusedError as error:
                if error.code == HTTPStatus.NOT_FOUND and error.names_object:
                    raise not_found(app_id, task_id) from error
                if error.code != HTTPStatus.CONFLICT or not tries:
                    raise problem_of(error, deed=deed) from error
            except ClusterError as error:
                raise problem_of(error, deed=deed) from error
            # Not the task that it was: written by somebody else, or made anew under its name.
            task = await self._lookup.again(app_id=app_id, task_id=task_id)


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
        f"task {task.metadata.name} {what}: it can't be paused, go on or be changed any more; start another task, "
        "with another request_id",
    )


def _check_has(task: EgressTask, changes: dict[str, Any]) -> None:
    name, spec = task.metadata.name, task.spec
    if not spec.layout.of_channel:
        for field in ("users", "layout"):
            if field in changes:
                raise _wrong_layout(
                    field, f"does not go with layout {spec.layout}: task {name} has no {field}"
                )
    if changes.get("layout") == Layout.CUSTOMIZED and not spec.regions:
        raise _wrong_layout("layout", f"can't be customized: task {name} was started without regions")
    if changes.get("layout", spec.layout) != spec.layout and "{layout}" in spec.filename_pattern:
        raise _wrong_layout("layout", f"can't be changed: it is in the names of the files of task {name}")


def _wrong_layout(field: str, sentence: str) -> ProblemError:
    errors = [FieldError(pointer=f"/payload/{field}", detail=sentence)]
    return ProblemError(ProblemKind.WRONG_LAYOUT, f"/payload/{field}: {sentence}", errors=errors)
