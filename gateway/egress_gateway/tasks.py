"""Start tasks: an EgressTask, and the Secret with its access token.

In: a start that has been checked. Out: a task in the cluster, this one or the one that an earlier same
request made. The API server holds all state, so any number of gateways may do this at once: a task's name
is derived from its app_id and request_id, and "already exists" is the lock.
"""

import base64
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import SecretStr

from egress_api.constants import (
    API_VERSION,
    APP_LABEL,
    KIND,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    REQUEST_DIGEST_ANNOTATION,
    TASK_LABEL,
    TOKEN_KEY,
)
from egress_api.names import task_name, token_secret_name
from egress_api.rest import StartRequest
from egress_api.task import EgressTask, Metadata, task_resource
from egress_gateway.cluster import Cluster
from egress_gateway.errors import (
    ClusterError,
    ClusterRefusedError,
    ProblemError,
    ProblemKind,
)
from egress_gateway.lookup import Lookup
from egress_gateway.pages import PageCheck
from egress_gateway.refusals import problem_of


@dataclass(frozen=True)
class Started:
    """A task that stands in the cluster, and whether an earlier request had put it there."""

    task_id: str
    replayed: bool


class Tasks:
    """Starts, in the gateway's namespace."""

    def __init__(self, cluster: Cluster, lookup: Lookup, pages: PageCheck) -> None:
        self._cluster = cluster
        self._lookup = lookup
        self._pages = pages

    async def start(self, request: StartRequest, *, app_id: str, digest: str) -> Started:
        """Make the task that `request` asks for, or find the one that an earlier same request made.

        The task comes first and its Secret second, because the Secret is owned by the task. A gateway
        that dies in between leaves a task that waits for its Secret: the caller's retry brings it.

        Args:
            request: the start.
            app_id: of the path.
            digest: of the body, to tell a replay from a conflict.

        Raises:
            ProblemError: when the task or its Secret can't be made; the text says what to do.
        """
        name = task_name(app_id=app_id, request_id=request.request_id)
        if await self._refused(request, app_id=app_id, name=name, digest=digest):
            return Started(name, replayed=True)
        # The suffix is new with every task: a Secret of that name can only be this task's, also while the
        # one of a deleted task that had this name still waits to be collected.
        secret = f"{token_secret_name(name)}-{secrets.token_hex(4)}"
        resource = task_resource(
            request.to_spec(app_id=app_id, token_secret=secret),
            name=name,
            namespace=self._cluster.namespace,
            labels={APP_LABEL: app_id, MANAGED_BY_LABEL: MANAGED_BY},
            annotations={REQUEST_DIGEST_ANNOTATION: digest},
        )
        replayed = False
        try:
            task = self._lookup.taken(await self._cluster.create_task(resource))
        except ClusterRefusedError as error:
            if not _exists(error):
                raise problem_of(error, deed="the task can't be created") from error
            task = await self._earlier(name, request_id=request.request_id, digest=digest)
            replayed = True
        except ClusterError as error:
            raise problem_of(error, deed="the task can't be created") from error
        token = request.payload.access_token
        if token is not None and not task.status.state.terminal:
            await self._keep_token(task, token)
        return Started(name, replayed=replayed)

    async def _refused(self, request: StartRequest, *, app_id: str, name: str, digest: str) -> bool:
        """Tell whether a page that may not be opened (any more) has been asked for before.

        Raises:
            ProblemError: when it has not, or when its request_id is another task's.
        """
        url = request.payload.url
        if url is None:
            return False
        try:
            await self._pages.check(url, app_id=app_id)
        except ProblemError:
            # The first answer again, whatever the rules say by now: what becomes of the task is its own story.
            if await self._lookup.named(name) is None:
                raise
            await self._earlier(name, request_id=request.request_id, digest=digest)
            return True
        return False

    async def _earlier(self, name: str, *, request_id: str, digest: str) -> EgressTask:
        task = await self._lookup.named(name)
        if task is None:
            raise ProblemError(
                ProblemKind.TASK_DELETING,
                f"the earlier task {name} of request_id {request_id} was deleted just now; "
                "send the request again to start anew",
            )
        if task.metadata.annotations.get(REQUEST_DIGEST_ANNOTATION) != digest:
            raise ProblemError(
                ProblemKind.REQUEST_CONFLICT,
                f"the request_id {request_id} has already started task {name} with another body; "
                "take a new request_id for a new task, or send the first body again to get its answer",
            )
        if task.metadata.deletion_timestamp is not None:
            raise ProblemError(
                ProblemKind.TASK_DELETING,
                f"task {name} of request_id {request_id} is being deleted; take a new request_id for a new task",
            )
        return task

    async def _keep_token(self, task: EgressTask, token: SecretStr) -> None:
        wanted = task.spec.access_token_secret_ref
        if wanted is None:
            return
        try:
            await self._cluster.create_secret(token_secret(wanted.name, token, owner=task.metadata))
        except ClusterRefusedError as error:
            if _exists(error):
                return
            problem = problem_of(error, deed=f"task {task.metadata.name} can't be given its token")
            # A policy may quote what it refuses, as it was sent: in base64.
            problem.detail = _without(problem.detail, token)
            raise problem from None
        except ClusterError as error:
            raise problem_of(error, deed=f"task {task.metadata.name} can't be given its token") from error


def token_secret(name: str, token: SecretStr, *, owner: Metadata) -> dict[str, Any]:
    """Return the Secret that holds a task's access token and goes away with the task."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY, TASK_LABEL: owner.name},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                    # True would need the right to change the task's finalizers.
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "data": {TOKEN_KEY: _base64(token)},
    }


def _base64(token: SecretStr) -> str:
    return base64.b64encode(token.get_secret_value().encode()).decode()


def _without(text: str, token: SecretStr) -> str:
    return text.replace(token.get_secret_value(), "***").replace(_base64(token), "***")


def _exists(error: ClusterRefusedError) -> bool:
    # A full quota that is being counted is a 409, too.
    return (error.code, error.reason) == (HTTPStatus.CONFLICT, "AlreadyExists")
