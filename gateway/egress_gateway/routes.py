"""The paths of one task, as the contract has them byte for byte.

In: what a request says, for `Tasks`, `Wishes` or `Polling`. Out: what they return, as an answer.
"""

from http import HTTPStatus

from aiohttp import web

from egress_api.names import request_digest
from egress_api.rest import (
    DeleteRequest,
    StartAnswer,
    StartRequest,
    StatusRequest,
    StopAnswer,
    StopRequest,
    UpdateRequest,
)
from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway.body import JsonBody, parse
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.exchange import PREFIX, app_id_of, body_of, dumped, json_answer, task_id_of
from egress_gateway.history.history import History
from egress_gateway.links.links import LinkSigner
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE
from egress_gateway.polling import Polling, status_answer
from egress_gateway.tasks import Tasks
from egress_gateway.wishes import Wishes

REPLAYED_HEADER = "Idempotency-Replayed"


class Routes:
    """The calls about one task: two forms of start, stop, update, delete, and two of status."""

    def __init__(
        self,
        tasks: Tasks,
        wishes: Wishes,
        polling: Polling,
        *,
        history: History | None,
        links: LinkSigner,
        metrics: Metrics,
        body_seconds: float,
    ) -> None:
        self._tasks = tasks
        self._wishes = wishes
        self._polling = polling
        self._history = history
        self._links = links
        self._metrics = metrics
        self._body_seconds = body_seconds

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [
            web.post(PREFIX + "/{app_id}/tasks", self.start),
            web.get(PREFIX + "/{app_id}/tasks/{task_id}", self.status),
            web.patch(PREFIX + "/{app_id}/tasks/{task_id}", self.update),
            web.delete(PREFIX + "/{app_id}/tasks/{task_id}", self.delete),
            web.post(PREFIX + "/{app_id}/tasks/{task_id}/status", self.status),
            web.post(PREFIX + "/{app_id}/tasks/{task_id}/stop", self.stop),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """Answer `POST /egress/v1/{app_id}/tasks`."""
        body = await self._body(request)
        app_id = app_id_of(request)
        if body is None:
            raise ProblemError(
                ProblemKind.INVALID_BODY, "the body is missing: a start is a JSON object, see docs/rest.md"
            )
        asked = parse(StartRequest, body)
        started = await self._tasks.start(
            asked, app_id=app_id, digest=request_digest(body.value), trace=request[TRACE].span.place
        )
        request[TRACE].task_id = started.task_id
        headers = {"Location": f"{PREFIX}/{app_id}/tasks/{started.task_id}"}
        if started.replayed:
            headers[REPLAYED_HEADER] = "true"
            self._metrics.replays.inc()
        # A replay is the first answer again, however far the task has come by now.
        answer = StartAnswer(request_id=asked.request_id, task_id=started.task_id, status=State.ENQUEUED)
        return json_answer(dumped(answer), status=HTTPStatus.ACCEPTED, headers=headers)

    async def stop(self, request: web.Request) -> web.Response:
        """Answer `POST /egress/v1/{app_id}/tasks/{task_id}/stop`."""
        body = await self._body(request)
        app_id, task_id = app_id_of(request), task_id_of(request)
        if body is not None:
            parse(StopRequest, body)
        await self._wishes.stop(app_id=app_id, task_id=task_id)
        return json_answer(dumped(StopAnswer(task_id=task_id)))

    async def status(self, request: web.Request) -> web.Response:
        """Answer `GET /egress/v1/{app_id}/tasks/{task_id}`, and `POST …/status`."""
        body = await self._body(request)
        app_id, task_id = app_id_of(request), task_id_of(request)
        if body is not None:
            parse(StatusRequest, body)
        linked = self._links.asked(request)
        answer = await self._told(request, app_id=app_id, task_id=task_id)
        return await self._links.add(answer, app_id=app_id) if linked else answer

    async def _told(self, request: web.Request, *, app_id: str, task_id: str) -> web.Response:
        try:
            return await self._polling.answer(request, app_id=app_id, task_id=task_id)
        except ProblemError as problem:
            if self._history is None or problem.kind is not ProblemKind.NOT_FOUND:
                raise
        return await self._history.answer(request, app_id=app_id, task_id=task_id)

    async def update(self, request: web.Request) -> web.Response:
        """Answer `PATCH /egress/v1/{app_id}/tasks/{task_id}` as the status call would."""
        body = await self._body(request)
        app_id, task_id = app_id_of(request), task_id_of(request)
        if body is None:
            raise ProblemError(
                ProblemKind.INVALID_BODY, "the body is missing: an update is a JSON object, see docs/rest.md"
            )
        asked = parse(UpdateRequest, body).payload
        task: EgressTask | None = None
        # Both may be sent again: where the second fails, the caller sends both.
        if asked.access_token is not None:
            task = await self._wishes.renew_token(asked.access_token, app_id=app_id, task_id=task_id)
        changes = asked.model_dump(include={"pause", "users", "layout"}, exclude_none=True)
        if task is None or changes:
            task = await self._wishes.change(changes, app_id=app_id, task_id=task_id)
        return status_answer(task)

    async def delete(self, request: web.Request) -> web.Response:
        """Answer `DELETE /egress/v1/{app_id}/tasks/{task_id}` as the status call would."""
        body = await self._body(request)
        app_id, task_id = app_id_of(request), task_id_of(request)
        if body is not None:
            parse(DeleteRequest, body)
        task = await self._wishes.delete(app_id=app_id, task_id=task_id)
        return status_answer(task, status=HTTPStatus.ACCEPTED)

    async def _body(self, request: web.Request) -> JsonBody | None:
        return await body_of(request, seconds=self._body_seconds)
