"""The Secrets with access tokens: one for each task that needs one, owned by it and gone with it.

In: a task and its token. Out: a Secret, made or written anew, or the problem that says why not. Nothing here reads a
Secret, and no token stands in a problem, in no form. Must not: write to a Secret that the gateway has not made.
"""

import base64
import re
import secrets
from http import HTTPStatus
from typing import Any, Final

from pydantic import SecretStr

from egress_api.constants import (
    API_VERSION,
    KIND,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    TASK_LABEL,
    TOKEN_KEY,
)
from egress_api.names import token_secret_name
from egress_api.rest import FieldError
from egress_api.spec import SecretKeyRef
from egress_api.task import EgressTask, Metadata
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ClusterError, ClusterRefusedError, ProblemError, ProblemKind
from egress_gateway.refusals import problem_of

_TRIES: Final = 2
_RETRY_SECONDS: Final = 2
_SUFFIX_BYTES: Final = 4
_SUFFIX: Final = re.compile(rf"-[0-9a-f]{{{2 * _SUFFIX_BYTES}}}")


class TokenSecrets:
    """The Secrets of the gateway's namespace.

    Args:
        cluster: where they are.
        refresh: whether tokens may be given anew: else a Secret is never changed, and there is no right to.
    """

    def __init__(self, cluster: Cluster, *, refresh: bool) -> None:
        self._cluster = cluster
        self._refresh = refresh

    async def keep(self, task: EgressTask, token: SecretStr) -> None:
        """Make the task's Secret; one that is there already is enough.

        Raises:
            ProblemError: when it can't be made.
        """
        wanted = task.spec.access_token_secret_ref
        if wanted is not None:
            await self._create(task, wanted, token)

    async def renew(self, task: EgressTask, token: SecretStr) -> None:
        """Put another token into the task's Secret, or make the one that is missing.

        Raises:
            ProblemError: when the task has none, has one that the gateway didn't make, or it can't be written.
        """
        wanted = self._renewable(task)
        # One that another call makes in between holds that call's token: then this one is still to be written.
        for _ in range(_TRIES):
            if await self._replace(task, wanted, token) or await self._create(task, wanted, token):
                return
        raise ProblemError(
            ProblemKind.UNAVAILABLE,
            f"{_deed(task)}: its Secret comes and goes while it is written. Send the same request again.",
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )

    async def _replace(self, task: EgressTask, wanted: SecretKeyRef, token: SecretStr) -> bool:
        """Write over the Secret; False when there is none."""
        resource = token_secret(wanted.name, token, owner=task.metadata, immutable=False)
        try:
            await self._cluster.replace_secret(wanted.name, resource)
        except ClusterRefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND and error.names_object:
                return False
            if error.code == HTTPStatus.UNPROCESSABLE_ENTITY and "immutable" in error.message:
                raise _fixed(task, "was started before tokens could be given anew") from None
            raise _problem(error, task, token) from None
        except ClusterError as error:
            raise problem_of(error, deed=_deed(task)) from error
        return True

    def _renewable(self, task: EgressTask) -> SecretKeyRef:
        name, wanted = task.metadata.name, task.spec.access_token_secret_ref
        if not task.spec.layout.of_channel or wanted is None:
            sentence = f"does not go with layout {task.spec.layout}: task {name} has no token"
            errors = [FieldError(pointer="/payload/access_token", detail=sentence)]
            raise ProblemError(ProblemKind.WRONG_LAYOUT, f"/payload/access_token: {sentence}", errors=errors)
        if not self._refresh:
            raise ProblemError(
                ProblemKind.TOKEN_FIXED,
                f"{_deed(task)}: this gateway may not change a token that it has been given. For the administrator: "
                "set gateway.tokenRefresh.enabled in the chart's values",
            )
        # A name that anybody may write into a task must not lead to their Secrets.
        if wanted.key != TOKEN_KEY or not _SUFFIX.fullmatch(
            wanted.name.removeprefix(token_secret_name(name))
        ):
            raise _fixed(task, f"takes its token from Secret {wanted.name}, which is not the gateway's")
        return wanted

    async def _create(self, task: EgressTask, wanted: SecretKeyRef, token: SecretStr) -> bool:
        """Make the Secret; False when there is one."""
        resource = token_secret(wanted.name, token, owner=task.metadata, immutable=not self._refresh)
        try:
            await self._cluster.create_secret(resource)
        except ClusterRefusedError as error:
            if not already_exists(error):
                raise _problem(error, task, token) from None
            return False
        except ClusterError as error:
            raise problem_of(error, deed=_deed(task)) from error
        return True


def new_secret_name(task: str) -> str:
    """Return a name for a new task's Secret.

    Its suffix is new with every task: a Secret of that name can only be this task's, also while the one of a deleted
    task that had this name still waits to be collected.
    """
    return f"{token_secret_name(task)}-{secrets.token_hex(_SUFFIX_BYTES)}"


def token_secret(name: str, token: SecretStr, *, owner: Metadata, immutable: bool) -> dict[str, Any]:
    """Return the Secret that holds a task's access token and goes away with the task."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": immutable,
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


def already_exists(error: ClusterRefusedError) -> bool:
    """Tell whether an object of that name is there."""
    # A full quota that is being counted is a 409, too.
    return (error.code, error.reason) == (HTTPStatus.CONFLICT, "AlreadyExists")


def _deed(task: EgressTask) -> str:
    return f"task {task.metadata.name} can't be given its token"


def _fixed(task: EgressTask, why: str) -> ProblemError:
    return ProblemError(
        ProblemKind.TOKEN_FIXED,
        f"task {task.metadata.name} {why}: change the token there, or start another task with another request_id",
    )


def _problem(error: ClusterRefusedError, task: EgressTask, token: SecretStr) -> ProblemError:
    problem = problem_of(error, deed=_deed(task))
    # A policy may quote what it refuses, as it was sent: in base64.
    problem.detail = problem.detail.replace(token.get_secret_value(), "***").replace(_base64(token), "***")
    return problem


def _base64(token: SecretStr) -> str:
    return base64.b64encode(token.get_secret_value().encode()).decode()
