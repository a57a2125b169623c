"""The paths: what a request says goes to `Tasks`, what it returns goes back byte for byte as the contract has it."""

from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from egress_api.names import request_digest
from egress_api.rest import (
    StartAnswer,
    StartRequest,
    StatusAnswer,
    StatusRequest,
    StopAnswer,
    StopRequest,
    UpdateRequest,
)
from egress_api.spec import AppId
from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway.body import JsonBody, parse, read_json
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.fields import field_errors, summary
from egress_gateway.lookup import Lookup
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE
from egress_gateway.tasks import Tasks
from egress_gateway.wishes import Wishes

PREFIX = "/egress/v1"
REPLAYED_HEADER = "Idempotency-Replayed"

_APP_ID: TypeAdapter[str] = TypeAdapter(AppId)


class Routes:
    """The calls: two forms of start, stop, update and status."""

    def __init__(
        self, tasks: Tasks, wishes: Wishes, lookup: Lookup, *, metrics: Metrics, body_seconds: float
    ) -> None:
        self._tasks = tasks
        self._wishes = wishes
        self._lookup = lookup
        self._metrics = metrics
        self._body_seconds = body_seconds

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [
            web.post(PREFIX + "/{app_id}/tasks", self.start),
            web.get(PREFIX + "/{app_id}/tasks/{task_id}", self.status),
            web.patch(PREFIX + "/{app_id}/tasks/{task_id}", self.update),
            web.post(PREFIX + "/{app_id}/tasks/{task_id}/stop", self.stop),
        ]

    async def start(self, request: web.Request) -> web.Response:
        """Answer `POST /egress/v1/{app_id}/tasks`."""
        body = await self._body(request)
        app_id = _app_id(request)
        if body is None:
            raise ProblemError(
                ProblemKind.INVALID_BODY, "the body is missing: a start is a JSON object, see docs/rest.md"
            )
        asked = parse(StartRequest, body)
        started = await self._tasks.start(asked, app_id=app_id, digest=request_digest(body.value))
        request[TRACE].task_id = started.task_id
        headers = {"Location": f"{PREFIX}/{app_id}/tasks/{started.task_id}"}
        if started.replayed:
            headers[REPLAYED_HEADER] = "true"
            self._metrics.replays.inc()
        # A replay is the first answer again, however far the task has come by now.
        answer = StartAnswer(request_id=asked.request_id, task_id=started.task_id, status=State.ENQUEUED)
        return _json(answer, status=HTTPStatus.ACCEPTED, headers=headers)

    async def stop(self, request: web.Request) -> web.Response:
        """Answer `POST /egress/v1/{app_id}/tasks/{task_id}/stop`."""
        body = await self._body(request)
        app_id, task_id = _app_id(request), _task_id(request)
        if body is not None:
            parse(StopRequest, body)
        await self._wishes.stop(app_id=app_id, task_id=task_id)
        return _json(StopAnswer(task_id=task_id))

    async def status(self, request: web.Request) -> web.Response:
        """Answer `GET /egress/v1/{app_id}/tasks/{task_id}`."""
        body = await self._body(request)
        app_id, task_id = _app_id(request), _task_id(request)
        if body is not None:
            parse(StatusRequest, body)
        task = await self._lookup.get(app_id=app_id, task_id=task_id)
        return _status(task)

    async def update(self, request: web.Request) -> web.Response:
        """Answer `PATCH /egress/v1/{app_id}/tasks/{task_id}` as the status call would."""
        body = await self._body(request)
        app_id, task_id = _app_id(request), _task_id(request)
        if body is None:
            raise ProblemError(
                ProblemKind.INVALID_BODY, "the body is missing: an update is a JSON object, see docs/rest.md"
            )
        asked = parse(UpdateRequest, body)
        task = await self._wishes.pause(app_id=app_id, task_id=task_id, wanted=asked.payload.pause)
        return _status(task)

    async def _body(self, request: web.Request) -> JsonBody | None:
        body = await read_json(request, seconds=self._body_seconds)
        if body is not None and body.request_id is not None:
            request[TRACE].request_id = body.request_id
        return body


def _app_id(request: web.Request) -> str:
    value = request.match_info["app_id"]
    try:
        app_id = _APP_ID.validate_python(value)
    except ValidationError as error:
        sentence = summary(field_errors(error)).removeprefix("the body: ")
    else:
        request[TRACE].app_id = app_id
        return app_id
    raise ProblemError(ProblemKind.INVALID_PATH, f"the app_id in the path {sentence}")


def _task_id(request: web.Request) -> str:
    task_id = request.match_info["task_id"]
    request[TRACE].task_id = task_id
    return task_id


def _status(task: EgressTask) -> web.Response:
    return _json(StatusAnswer.of(task), headers={"Cache-Control": "no-store"})


def _json(
    answer: BaseModel, *, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, Any] | None = None
) -> web.Response:
    return web.Response(
        status=status,
        headers=headers,
        body=f"{answer.model_dump_json(by_alias=True, exclude_none=True)}\n".encode(),
        content_type="application/json",
    )
