"""Start tasks: an EgressTask, and the Secret with its access token.

In: a start that has been checked. Out: a task in the cluster, this one or the one that an earlier same
request made. The API server holds all state, so any number of gateways may do this at once: a task's name
is derived from its app_id and request_id, and "already exists" is the lock.
"""

from dataclasses import dataclass

from egress_api.constants import (
    APP_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    REQUEST_DIGEST_ANNOTATION,
    TRACEPARENT_ANNOTATION,
)
from egress_api.names import task_name
from egress_api.rest import StartRequest
from egress_api.task import EgressTask, task_resource
from egress_api.tracing.traceparent import TraceParent
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
from egress_gateway.token_secrets import TokenSecrets, already_exists, new_secret_name


@dataclass(frozen=True)
class Started:
    """A task that stands in the cluster, and whether an earlier request had put it there."""

    task_id: str
    replayed: bool


class Tasks:
    """Starts, in the gateway's namespace."""

    def __init__(
        self, cluster: Cluster, lookup: Lookup, pages: PageCheck, token_secrets: TokenSecrets
    ) -> None:
        self._cluster = cluster
        self._token_secrets = token_secrets
        self._lookup = lookup
        self._pages = pages

    async def start(
        self, request: StartRequest, *, app_id: str, digest: str, trace: TraceParent | None = None
    ) -> Started:
        """Make the task that `request` asks for, or find the one that an earlier same request made.

        The task comes first and its Secret second, because the Secret is owned by the task. A gateway
        that dies in between leaves a task that waits for its Secret: the caller's retry brings it.

        Args:
            request: the start.
            app_id: of the path.
            digest: of the body, to tell a replay from a conflict.
            trace: the request's span, which the task's is below; None where there is none.

        Raises:
            ProblemError: when the task or its Secret can't be made; the text says what to do.
        """
        name = task_name(app_id=app_id, request_id=request.request_id)
        if await self._refused(request, app_id=app_id, name=name, digest=digest):
            return Started(name, replayed=True)
        annotations = {REQUEST_DIGEST_ANNOTATION: digest}
        if trace is not None:
            annotations[TRACEPARENT_ANNOTATION] = str(trace)
        resource = task_resource(
            request.to_spec(app_id=app_id, token_secret=new_secret_name(name)),
            name=name,
            namespace=self._cluster.namespace,
            labels={APP_LABEL: app_id, MANAGED_BY_LABEL: MANAGED_BY},
            annotations=annotations,
        )
        replayed = False
        try:
            task = self._lookup.taken(await self._cluster.create_task(resource))
        except ClusterRefusedError as error:
            if not already_exists(error):
                raise problem_of(error, deed="the task can't be created") from error
            task = await self._earlier(name, request_id=request.request_id, digest=digest)
            replayed = True
        except ClusterError as error:
            raise problem_of(error, deed="the task can't be created") from error
        token = request.payload.access_token
        if token is not None and not task.status.state.terminal:
            await self._token_secrets.keep(task, token)
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
