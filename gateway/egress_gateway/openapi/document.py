"""Put the document together: `document()` is OpenAPI 3.1, from calls.py and schemas.py.

Nothing here is about this machine or this moment: the same code gives the same document, byte for byte.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Final

from egress_api.rest import Problem
from egress_gateway.errors import ProblemKind
from egress_gateway.openapi.calls import CALLS, TAGS
from egress_gateway.openapi.parameters import APP_ID, EVERY_ANSWER, HEADERS, REQUEST_ID, TASK_ID
from egress_gateway.openapi.parts import Answer, Call, Parameter, Schema
from egress_gateway.openapi.schemas import components, reference
from egress_gateway.problems import CONTENT_TYPE, TYPE_PREFIX

ABOUT: Final = """\
A REST call in, a recording in the store out.

- `access_token` is in no answer. A field without a value is absent from an answer; a later version may add fields.
- Every answer that is no success is a problem by RFC 9457; `type` says which. Every 429 and 503 of a call has a \
`Retry-After`.
- HEAD is answered like GET, without the body, but for streams of events. A path takes no method but those that are told \
here: 405, `method-not-allowed`, with `Allow`. A path that is none is 404, `no-such-route`.
- What is not HTTP/1.1 as its headers say is a 4xx, `http`.
"""
_LINK: Final = re.compile(r"\[(.*?)\]\(.*?\)")
_EVERY: Final = frozenset({ProblemKind.INTERNAL})
_OF_APP: Final = frozenset(
    {
        ProblemKind.INVALID_PATH,
        ProblemKind.UNAUTHENTICATED,
        ProblemKind.FORBIDDEN,
        ProblemKind.RATE_LIMITED,
        ProblemKind.AUTH_UNAVAILABLE,
        ProblemKind.UNAVAILABLE,
        ProblemKind.NOT_SET_UP,
    }
)
_OF_BODY: Final = frozenset(
    {
        ProblemKind.MALFORMED_JSON,
        ProblemKind.INVALID_BODY,
        ProblemKind.HTTP,
        ProblemKind.TOO_SLOW,
        ProblemKind.BODY_TOO_LARGE,
        ProblemKind.UNSUPPORTED_MEDIA_TYPE,
    }
)
_PROBLEM_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


@cache
def document() -> Schema:
    """Return the document."""
    answered = {answer.model for call in CALLS for answer in call.answers if answer.model}
    taken = {call.body for call in CALLS if call.body}
    by_name = attrgetter("__name__")
    paths: dict[str, Schema] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Egress gateway",
            "version": "v1",
            "summary": "Records channels and web pages.",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The gateway that serves this document."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components(
                taken=sorted(taken, key=by_name), answered=sorted({*answered, Problem}, key=by_name)
            ),
            "responses": {
                _name(kinds): _problem(kinds)
                for kinds in sorted({kinds for call in CALLS for kinds in _problems(call)}, key=_name)
            },
            "headers": {
                name: {
                    "description": header.description,
                    **({"required": True} if header.always else {}),
                    "schema": header.schema,
                }
                for name, header in HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, a JWT of the provider that the installation trusts, or a token of its "
                    "Kubernetes cluster; which of them are taken is the installation's choice.",
                },
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "An API key.",
                },
            },
        },
    }


def rendered() -> str:
    """Return the document as it is served and committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(call: Call) -> Schema:
    operation: Schema = {
        "operationId": call.operation_id,
        "summary": call.summary,
        "description": call.description,
        "tags": [call.tag],
        # {} is nobody at all: a gateway whose auth mode is none asks no one.
        "security": [{"bearer": []}, {"apiKey": []}, {}] if call.of_app else [],
        "parameters": [_parameter(parameter) for parameter in _parameters(call)],
    }
    if call.body is not None:
        examples = {name: {"value": body} for name, body in call.body_examples.items()}
        operation["requestBody"] = {
            **({"required": True} if call.body_needed else {}),
            "content": {"application/json": {"schema": reference(call.body.__name__), "examples": examples}},
        }
    problems = {
        str(kinds[0].status): {"$ref": f"#/components/responses/{_name(kinds)}"} for kinds in _problems(call)
    }
    answers = {str(int(answer.status)): _answer(answer) for answer in call.answers}
    operation["responses"] = dict(sorted({**problems, **answers}.items()))
    return operation


def _parameters(call: Call) -> Iterable[Parameter]:
    if call.of_app:
        yield APP_ID
    if call.of_task:
        yield TASK_ID
    yield from call.parameters
    yield REQUEST_ID


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        **({"required": True} if parameter.place == "path" else {}),
        "description": parameter.description,
        "schema": parameter.schema,
        **({} if parameter.example is None else {"example": parameter.example}),
    }


def _answer(answer: Answer) -> Schema:
    told: Schema = {"description": answer.description, "headers": _headers(answer.headers)}
    media = "application/json" if answer.model else answer.media
    if media is not None:
        content: Schema = {"schema": reference(answer.model.__name__) if answer.model else answer.schema}
        if answer.example is not None:
            content["example"] = answer.example
        told["content"] = {media: content}
    if answer.leads_to:
        told["links"] = {
            operation: {
                "operationId": operation,
                "parameters": {"app_id": "$request.path.app_id", "task_id": "$response.body#/task_id"},
            }
            for operation in answer.leads_to
        }
    return told


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*EVERY_ANSWER, *names)}


def _problems(call: Call) -> list[tuple[ProblemKind, ...]]:
    """Return the kinds of problem that a call has, together with those of the same status."""
    kinds = call.problems | _EVERY
    if call.of_app:
        kinds |= _OF_APP
    if call.of_task:
        kinds |= {ProblemKind.NOT_FOUND}
    if call.body is not None:
        kinds |= _OF_BODY
    ordered = sorted(kinds, key=lambda kind: (kind.status, kind))
    return [tuple(group) for _, group in groupby(ordered, key=attrgetter("status"))]


def _name(kinds: tuple[ProblemKind, ...]) -> str:
    return ".".join([str(kinds[0].status), *kinds])


def _problem(kinds: tuple[ProblemKind, ...]) -> Schema:
    status = kinds[0].status
    # Links lead to pages that the document does not have beside it; a status' phrase is another one in each Python.
    advice = [f"- `{kind}`: {_LINK.sub(lambda link: link[1], kind.advice)}" for kind in kinds]
    return {
        "description": "\n".join(advice),
        "headers": _headers(_PROBLEM_HEADERS.get(HTTPStatus(status), ())),
        "content": {
            CONTENT_TYPE: {
                "schema": {
                    **reference(Problem.__name__),
                    "properties": {
                        "type": {"enum": [TYPE_PREFIX + kind for kind in kinds]},
                        "status": {"const": status},
                    },
                }
            }
        },
    }
