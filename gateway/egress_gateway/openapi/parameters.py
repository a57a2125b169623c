"""What stands in paths, queries and headers, both ways; bounds come from the code that checks them."""

from typing import Any, Final

from pydantic import TypeAdapter

from egress_api.media import Layout
from egress_api.spec import AppId, Channel
from egress_api.states import State
from egress_gateway.listing import DEFAULT_LIMIT, MAX_LIMIT
from egress_gateway.openapi.parts import Header, Parameter, Schema
from egress_gateway.polling import LONGEST_WAIT


def _schema(kind: Any) -> Schema:
    return {key: value for key, value in TypeAdapter(kind).json_schema().items() if key != "title"}


def _several(name: str, description: str, schema: Schema) -> Parameter:
    return Parameter(
        name=name,
        place="query",
        description=f"{description} Several are repeated, or stand behind one another with commas.",
        schema={"type": "array", "items": schema},
    )


APP_ID: Final = Parameter(
    name="app_id",
    place="path",
    description="The application that the tasks belong to.",
    schema={"minLength": 1, **_schema(AppId)},
    example="demo",
)
TASK_ID: Final = Parameter(
    name="task_id",
    place="path",
    description="The task, as the start's answer names it.",
    schema={"type": "string", "minLength": 1},
    example="t5hvirqsrsvh7kpy4eg7w",
)
REQUEST_ID: Final = Parameter(
    name="X-Request-Id",
    place="header",
    description="An id by which the caller finds the request again in logs and answers: up to 128 letters, digits and "
    "_ . : / + = @ -. Anything else is as if it were not there.",
    schema={"type": "string"},
)
TRACEPARENT: Final = Parameter(
    name="traceparent",
    place="header",
    description="The caller's place in a trace (W3C Trace Context): where traces are switched on, the task's goes on from "
    "there. Anything else is as if it were not there.",
    schema={"type": "string"},
    example="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
IF_NONE_MATCH: Final = Parameter(
    name="If-None-Match",
    place="header",
    description="ETags of answers that the caller holds: the answer is a 304 while one of them still holds.",
    schema={"type": "string"},
    example='"48211"',
)
LAST_EVENT_ID: Final = Parameter(
    name="Last-Event-ID",
    place="header",
    description="The id of the last event that was seen: the stream goes on behind it. What can be no id of an event "
    "is as if it were not there.",
    schema={"type": "string"},
    example="48211",
)
_TENS, _ONES = divmod(LONGEST_WAIT, 10)
WAIT: Final = Parameter(
    name="wait",
    place="query",
    description=f"Wait for the next change, {LONGEST_WAIT} s at most: whole seconds, with or without an s.",
    # query.seconds reads nine digits at most.
    schema={"type": "string", "pattern": rf"^0{{0,7}}([0-{_TENS - 1}]?[0-9]|{_TENS}[0-{_ONES}])s?$"},
    example="30s",
)
LINKS: Final = Parameter(
    name="links",
    place="query",
    description="true: with links to the files, where the gateway has them switched on; then the answer has no ETag.",
    schema={"type": "string", "enum": ["true", "false"]},
    example="true",
)
FILTERS: Final = (
    _several("status", "Tasks in one of these states.", _schema(State)),
    _several("layout", "Tasks of one of these layouts.", _schema(Layout)),
    _several("channel", "Recordings of one of these channels.", _schema(Channel)),
    Parameter(
        name="created_after",
        place="query",
        description="Tasks created then or later.",
        schema={"type": "string", "format": "date-time"},
        example="2026-11-23T05:11:20Z",
    ),
    Parameter(
        name="created_before",
        place="query",
        description="Tasks created earlier than that.",
        schema={"type": "string", "format": "date-time"},
        example="2026-11-24T00:00:00Z",
    ),
    Parameter(
        name="limit",
        place="query",
        description="At most that many tasks.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    Parameter(
        name="cursor",
        place="query",
        description="The next_cursor of the last answer: the page behind that one. Nothing else is a cursor.",
        schema={"type": "string", "format": "cursor"},
    ),
)

EVERY_ANSWER: Final = ("X-Request-Id",)
HEADERS: Final = {
    "X-Request-Id": Header(
        description="The request's X-Request-Id, or the request_id of its body, or an id that the gateway gave it.",
        schema={"type": "string"},
    ),
    "Location": Header(description="The task's path.", schema={"type": "string", "format": "uri-reference"}),
    "Idempotency-Replayed": Header(
        description="true where this request_id has started the task before: this is the first answer again.",
        schema={"type": "string", "const": "true"},
        always=False,
    ),
    "ETag": Header(
        description="Another one with every change of the task; see If-None-Match. An answer with links has none.",
        schema={"type": "string", "pattern": '^"[^"]+"$'},
        always=False,
    ),
    "Cache-Control": Header(
        description="What may be kept of the answer, and for how long.", schema={"type": "string"}
    ),
    "Content-Security-Policy": Header(
        description="The page loads nothing and runs nothing.", schema={"type": "string"}
    ),
    "Retry-After": Header(
        description="Seconds after which to send the same request again.",
        schema={"type": "integer", "minimum": 1},
    ),
    "WWW-Authenticate": Header(
        description="How to authenticate (RFC 6750).",
        schema={"type": "string", "pattern": "^Bearer "},
    ),
}
