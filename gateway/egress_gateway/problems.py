"""From a ProblemError to the answer that a caller gets: RFC 9457, `application/problem+json`."""

import json
from collections.abc import Mapping

from aiohttp import web

from egress_api.rest import Problem
from egress_gateway.errors import ProblemError, ProblemKind

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:egress-operator:problem:"


def problem_response(error: ProblemError, *, instance: str, request_id: str) -> web.Response:
    """Return the answer for a problem.

    Args:
        error: what is wrong.
        instance: the path that was called.
        request_id: the id by which caller and log find each other.
    """
    problem = Problem(
        type=TYPE_PREFIX + error.kind,
        title=error.kind.heading,
        status=error.status,
        detail=_sentence(error.detail),
        instance=instance,
        request_id=request_id,
        errors=error.errors,
    )
    return web.Response(
        status=error.status,
        headers=error.headers,
        body=f"{json.dumps(problem.dump(), ensure_ascii=False, separators=(',', ':'))}\n".encode(),
        content_type=CONTENT_TYPE,
    )


def problem_of_http(error: web.HTTPException, *, method: str, path: str) -> ProblemError:
    """Return the problem for what aiohttp itself refuses: unknown paths, methods, bad requests."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return ProblemError(
                ProblemKind.METHOD_NOT_ALLOWED,
                f"{path} takes {allowed}, not {method}",
                headers={"Allow": allowed},
            )
        case web.HTTPNotFound():
            return ProblemError(
                ProblemKind.NO_SUCH_ROUTE,
                f"there is nothing at {path}; the calls are GET and POST /egress/v1/{{app_id}}/tasks, "
                "GET, PATCH and DELETE …/tasks/{task_id}, POST …/tasks/{task_id}/stop and …/status, and "
                "GET …/tasks/{task_id}/events and /egress/v1/{app_id}/events",
            )
        case _:
            return ProblemError(
                ProblemKind.HTTP, error.reason, status=error.status, headers=_kept(error.headers)
            )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value for key, value in headers.items() if key.lower() not in {"content-type", "content-length"}
    }
