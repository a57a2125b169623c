"""What every call shares: the parts of its path and its body in, an answer out.

In: aiohttp's request. Out: an app_id and a body that have been checked, or the problem that says what is wrong;
and answers as the contract has them. Nothing here knows what a call does.
"""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from egress_api.rest import StatusAnswer
from egress_api.spec import AppId
from egress_api.task import EgressTask
from egress_gateway.body import JsonBody, read_json
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.fields import field_errors, summary
from egress_gateway.middleware import TRACE

PREFIX = "/egress/v1"

_APP_ID: TypeAdapter[str] = TypeAdapter(AppId)


def app_id_of(request: web.Request) -> str:
    """Return the app_id in the path.

    Raises:
        ProblemError: when it can be none.
    """
    value = request.match_info["app_id"]
    try:
        app_id = _APP_ID.validate_python(value)
    except ValidationError as error:
        sentence = summary(field_errors(error)).removeprefix("the body: ")
    else:
        request[TRACE].app_id = app_id
        return app_id
    raise ProblemError(ProblemKind.INVALID_PATH, f"the app_id in the path {sentence}")


def task_id_of(request: web.Request) -> str:
    """Return the task_id in the path, whatever it is."""
    task_id = request.match_info["task_id"]
    request[TRACE].task_id = task_id
    return task_id


async def body_of(request: web.Request, *, seconds: float) -> JsonBody | None:
    """Return the body, None where there is none; its request_id is the request's from here on.

    Args:
        request: whose body it is.
        seconds: in which it must have come.

    Raises:
        ProblemError: when it is not a JSON object, or not here in time.
    """
    body = await read_json(request, seconds=seconds)
    if body is not None and body.request_id is not None:
        request[TRACE].request_id = body.request_id
    return body


def dumped(answer: BaseModel) -> bytes:
    """Return the JSON of an answer, on one line; a field without a value is absent."""
    return answer.model_dump_json(by_alias=True, exclude_none=True).encode()


def told(task: EgressTask) -> bytes:
    """Return the JSON of a task's status."""
    return dumped(StatusAnswer.of(task))


def status_headers(version: str) -> dict[str, str]:
    """Return the headers of a status of that version."""
    # Whoever keeps an answer asks whether it still holds before showing it again.
    return {"ETag": f'"{version}"', "Cache-Control": "no-cache, private"}


def held_versions(request: web.Request) -> frozenset[str]:
    """Return the versions that a caller holds; only reading can do without an answer (RFC 9110, 13.1.2)."""
    if request.method not in {"GET", "HEAD"}:
        return frozenset()
    return frozenset(tag.value for tag in request.if_none_match or ())


def json_answer(
    content: bytes, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer that is JSON."""
    return web.Response(status=status, headers=headers, body=content + b"\n", content_type="application/json")
