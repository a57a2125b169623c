"""Every call of the gateway, in the words of docs/rest.md: what it takes, what it answers, which problems it has.

Only what can't be read from models and checks stands here. A route that is missing is found by a test.
"""

from http import HTTPStatus
from typing import Final

from egress_api.rest import (
    DeleteRequest,
    ListAnswer,
    StartAnswer,
    StartRequest,
    StatusAnswer,
    StatusRequest,
    StopAnswer,
    StopRequest,
    UpdateRequest,
)
from egress_gateway.errors import ProblemKind
from egress_gateway.exchange import PREFIX
from egress_gateway.openapi import examples
from egress_gateway.openapi.parameters import FILTERS, IF_NONE_MATCH, LAST_EVENT_ID, LINKS, TRACEPARENT, WAIT
from egress_gateway.openapi.parts import Answer, Call, Schema
from egress_gateway.openapi.schemas import reference

TAGS: Final = {
    "tasks": "Start, follow, change and end recordings.",
    "events": "Changes of tasks as they happen, as server-sent events.",
    "document": "This document. Open to everybody: it tells of the software, not of any app.",
    "health": "For the kubelet, the Service and Prometheus; open to everybody.",
}
_APP: Final = PREFIX + "/{app_id}"
_TASK: Final = _APP + "/tasks/{task_id}"
_STATUS_HEADERS: Final = ("ETag", "Cache-Control")
_SAME: Final = Answer(
    status=HTTPStatus.NOT_MODIFIED,
    description="The status is what the caller holds.",
    headers=_STATUS_HEADERS,
)
_GONE: Final[Schema] = {
    "type": "object",
    "properties": {"task_id": {"type": "string"}},
    "required": ["task_id"],
}
_REFUSED: Final = frozenset({ProblemKind.REFUSED})
_ASKED: Final = frozenset({ProblemKind.INVALID_QUERY, ProblemKind.STORE_UNAVAILABLE})


def _status(description: str, *, status: HTTPStatus = HTTPStatus.OK, example: object = None) -> Answer:
    return Answer(
        status=status,
        description=description,
        model=StatusAnswer,
        headers=_STATUS_HEADERS,
        example=example or examples.STATUS,
    )


def _event(name: str, data: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"type": "string", "const": name},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
        "required": ["id", "event", "data"],
    }


def _stream(description: str) -> Answer:
    return Answer(
        description=description,
        media="text/event-stream",
        # OpenAPI 3.1 has no word for a stream: the schema is that of an event, as 3.2's itemSchema.
        schema={"oneOf": [_event("status", reference(StatusAnswer.__name__)), _event("gone", _GONE)]},
        headers=("Cache-Control",),
        example=examples.EVENT,
    )


CALLS: Final = (
    Call(
        method="POST",
        path=_APP + "/tasks",
        operation_id="startTask",
        summary="Start a recording",
        description="Records a channel (layout `flat`) or a web page (`freestyle`). The same `request_id` with the same "
        "body is the same task: send it again after a timeout, a broken connection or a 503. A body is at most 64 KiB.",
        tag="tasks",
        parameters=(TRACEPARENT,),
        body=StartRequest,
        body_needed=True,
        body_examples={"channel": examples.START_CHANNEL, "page": examples.START_PAGE},
        answers=(
            Answer(
                status=HTTPStatus.ACCEPTED,
                description="The task is written down, now or by an earlier request with this request_id.",
                model=StartAnswer,
                headers=("Location", "Idempotency-Replayed"),
                example=examples.STARTED,
                leads_to=(
                    "taskStatus",
                    "taskStatusByPost",
                    "stopTask",
                    "updateTask",
                    "deleteTask",
                    "taskEvents",
                ),
            ),
        ),
        problems=_REFUSED
        | {
            ProblemKind.PAGE_FORBIDDEN,
            ProblemKind.REQUEST_CONFLICT,
            ProblemKind.TASK_DELETING,
            ProblemKind.QUOTA_EXCEEDED,
        },
    ),
    Call(
        method="GET",
        path=_APP + "/tasks",
        operation_id="listTasks",
        summary="List an app's tasks",
        description="Newest first, page by page. A parameter that is unknown is refused, like one that is wrong.",
        tag="tasks",
        parameters=FILTERS,
        answers=(
            Answer(
                description="One page; `next_cursor` is null on the last one.",
                model=ListAnswer,
                headers=("Cache-Control",),
                example=examples.LISTED,
            ),
        ),
        problems=frozenset({ProblemKind.INVALID_QUERY}),
    ),
    Call(
        method="GET",
        path=_TASK,
        operation_id="taskStatus",
        summary="Tell where a task is",
        description="Its state, why, and what it has made so far. A JSON body may come along and may be absent; a client "
        "that can't send one with GET can use `POST …/status`.",
        tag="tasks",
        parameters=(WAIT, LINKS, IF_NONE_MATCH),
        body=StatusRequest,
        body_examples={"status": examples.STOP},
        answers=(_status("The status."), _SAME),
        problems=_ASKED,
    ),
    Call(
        method="POST",
        path=_TASK + "/status",
        operation_id="taskStatusByPost",
        summary="Tell where a task is, to a client that can't send a body with GET",
        description="The same as the status call, but for `If-None-Match`, which only GET has.",
        tag="tasks",
        parameters=(WAIT, LINKS),
        body=StatusRequest,
        body_examples={"status": examples.STOP},
        answers=(_status("The status."),),
        problems=_ASKED,
    ),
    Call(
        method="PATCH",
        path=_TASK,
        operation_id="updateTask",
        summary="Pause a recording or go on, choose whom to record, give it another token",
        description="Writes the wish down. A pause has been met when the status' `reason` says so; another token is for the "
        "next time that the channel is joined.",
        tag="tasks",
        body=UpdateRequest,
        body_needed=True,
        body_examples={"pause": examples.PAUSE, "users": examples.USERS},
        answers=(_status("The status with the wish in it.", example={**examples.STATUS, "pause": True}),),
        problems=_REFUSED | {ProblemKind.TASK_ENDED, ProblemKind.TOKEN_FIXED, ProblemKind.WRONG_LAYOUT},
    ),
    Call(
        method="POST",
        path=_TASK + "/stop",
        operation_id="stopTask",
        summary="End a recording",
        description="Writes the wish down; the status tells when it has been met. Stopping twice, or after the end, "
        "changes nothing.",
        tag="tasks",
        body=StopRequest,
        body_examples={"stop": examples.STOP},
        answers=(
            Answer(
                description="The wish is written down.",
                model=StopAnswer,
                example=examples.STOPPED,
            ),
        ),
        problems=_REFUSED,
    ),
    Call(
        method="DELETE",
        path=_TASK,
        operation_id="deleteTask",
        summary="Delete a task",
        description="A recorder that runs ends as after a stop; what is in the store stays there.",
        tag="tasks",
        body=DeleteRequest,
        body_examples={"delete": examples.STOP},
        answers=(
            _status(
                "The status as it was last.",
                status=HTTPStatus.ACCEPTED,
                example=examples.DELETED,
            ),
        ),
        problems=_REFUSED,
    ),
    Call(
        method="GET",
        path=_TASK + "/events",
        operation_id="taskEvents",
        summary="Follow a task",
        description="Begins with the status as it is, ends when the task has ended or is gone. An event `status` has the "
        "status call's answer as `data`; `gone` has the task_id.",
        tag="events",
        parameters=(LAST_EVENT_ID,),
        answers=(
            _stream("A stream of server-sent events; the schema is that of each of them."),
            Answer(
                status=HTTPStatus.NO_CONTENT,
                description="The task has ended and Last-Event-ID was its last event: an EventSource tries no more.",
            ),
        ),
    ),
    Call(
        method="GET",
        path=_APP + "/events",
        operation_id="appEvents",
        summary="Follow an app's tasks",
        description="Begins with the tasks that have not ended, and does not end by itself. Events are those of a task's "
        "stream.",
        tag="events",
        parameters=(LAST_EVENT_ID,),
        answers=(_stream("A stream of server-sent events; the schema is that of each of them."),),
    ),
    Call(
        method="GET",
        path=PREFIX + "/openapi.json",
        operation_id="openapiDocument",
        summary="This document",
        description="OpenAPI 3.1, for programs.",
        tag="document",
        answers=(
            Answer(
                description="The document.",
                media="application/json",
                schema={"type": "object"},
                headers=("Cache-Control",),
            ),
        ),
    ),
    Call(
        method="GET",
        path=PREFIX + "/docs",
        operation_id="documentPage",
        summary="This document, for people",
        description="One page of HTML that needs no script and no other host.",
        tag="document",
        answers=(
            Answer(
                description="The page.",
                media="text/html",
                headers=("Cache-Control", "Content-Security-Policy"),
            ),
        ),
    ),
    Call(
        method="GET",
        path="/healthz",
        operation_id="healthz",
        summary="Whether the process serves",
        description="Never depends on the API server.",
        tag="health",
        answers=(Answer(description="It does.", media="text/plain", example="ok\n"),),
    ),
    Call(
        method="GET",
        path="/readyz",
        operation_id="readyz",
        summary="Whether requests should come here",
        description="Not until all tasks have been listed, and not while shutting down.",
        tag="health",
        answers=(
            Answer(description="They should.", media="text/plain", example="ok\n"),
            Answer(
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                description="They should not, and why.",
                media="text/plain",
                example="not ready: shutting down\n",
            ),
        ),
    ),
    Call(
        method="GET",
        path="/metrics",
        operation_id="metrics",
        summary="What Prometheus may read",
        description="Prometheus' text format.",
        tag="health",
        answers=(Answer(description="All metrics.", media="text/plain"),),
    ),
)
