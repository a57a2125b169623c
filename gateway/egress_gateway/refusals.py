"""What the API server's no means for a caller: every ClusterError becomes a ProblemError here.

A 4xx of ours says that the caller can do something about it, a 503 that somebody else has to. Whatever
happens, a start sent again with the same request_id is safe, and every 503 says so.
"""

from http import HTTPStatus

from egress_gateway.errors import (
    ClusterError,
    ClusterRefusedError,
    ProblemError,
    ProblemKind,
)
from egress_gateway.fields import cause_errors, summary

RETRY_SECONDS = 2
REPAIR_SECONDS = 30
"""Where somebody has to do something first."""
_AGAIN = "Send the same request again, with the same request_id: it never makes a second task."


def problem_of(error: ClusterError, *, deed: str) -> ProblemError:
    """Return the problem to answer with.

    Args:
        error: what came of the call.
        deed: what couldn't be done, as in "the task can't be created".
    """
    if not isinstance(error, ClusterRefusedError):
        return _later(ProblemKind.UNAVAILABLE, f"{deed}: {error}.", RETRY_SECONDS)
    match error.code:
        case HTTPStatus.UNPROCESSABLE_ENTITY if any(field.startswith("spec") for field, _ in error.causes):
            errors = cause_errors(error.causes)
            return ProblemError(ProblemKind.INVALID_BODY, f"{deed}: {summary(errors)}", errors=errors)
        case HTTPStatus.FORBIDDEN | HTTPStatus.UNPROCESSABLE_ENTITY:
            return _forbidden(error, deed)
        case HTTPStatus.NOT_FOUND:
            what = "the cluster doesn't know EgressTasks, or the gateway's namespace is gone"
            todo = "Install the CRD (crds/egresstasks.yaml, or the Helm chart)."
        case HTTPStatus.BAD_REQUEST:
            what = "the installed CRD is older than this gateway"
            todo = "Upgrade the CRD (crds/egresstasks.yaml, or the Helm chart)."
        case HTTPStatus.UNAUTHORIZED:
            what = "the API server doesn't know the gateway's service account"
            todo = "Give the Pod a token that is valid."
        case _:
            return _later(ProblemKind.UNAVAILABLE, f"{deed}: {error}.", error.retry_after or RETRY_SECONDS)
    return _later(ProblemKind.NOT_SET_UP, f"{deed}: {what} ({error.message}). {todo}", REPAIR_SECONDS)


def stale_problem(deed: str) -> ProblemError:
    """Return the problem for what only the watch cache can answer, while it can't be believed."""
    return ProblemError(
        ProblemKind.UNAVAILABLE,
        f"{deed}: the gateway's watch on the tasks is down, and what it last told may be old. "
        "Send the same request again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def _forbidden(error: ClusterRefusedError, deed: str) -> ProblemError:
    told = f"{deed}: {error.message}."
    if "exceeded quota" in error.message:
        return _later(
            ProblemKind.QUOTA_EXCEEDED,
            f"{told} End or delete tasks, or have the quota raised.",
            REPAIR_SECONDS,
        )
    if "is being terminated" in error.message:
        return _later(
            ProblemKind.NOT_SET_UP, f"{told} The gateway's namespace is being deleted.", REPAIR_SECONDS
        )
    if error.message.find('User "') < error.message.find('" cannot '):
        return _later(
            ProblemKind.NOT_SET_UP,
            f"{told} The gateway's Role doesn't allow it; the Helm chart makes one that does.",
            REPAIR_SECONDS,
        )
    return ProblemError(ProblemKind.REFUSED, told)


def _later(kind: ProblemKind, detail: str, seconds: int) -> ProblemError:
    return ProblemError(kind, f"{detail} {_AGAIN}", headers={"Retry-After": str(seconds)})
