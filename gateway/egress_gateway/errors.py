"""What can go wrong in the gateway.

    GatewayError
    ├── ConfigError            the process can't start: what to set is in the text
    ├── ProblemError           becomes the answer of a request (problems.py)
    └── ClusterError           the API server didn't do what it was asked to
        ├── ClusterRefusedError      it answered, and the answer was no
        └── ClusterUnreachableError  it didn't answer, or nothing that can be read

Texts of ProblemError are shown to callers, so they never hold an access token.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus

from egress_api.rest import FieldError


class GatewayError(Exception):
    """Base of all errors of this package."""


class ConfigError(GatewayError):
    """The gateway can't start as it is set up."""


class ProblemKind(StrEnum):
    """The kinds of problem that a caller can meet; docs/rest.md says what to do about each."""

    MALFORMED_JSON = "malformed-json"
    INVALID_BODY = "invalid-body"
    INVALID_PATH = "invalid-path"
    REFUSED = "refused"
    PAGE_FORBIDDEN = "page-forbidden"
    NOT_FOUND = "task-not-found"
    NO_SUCH_ROUTE = "no-such-route"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_CONFLICT = "request-conflict"
    TASK_DELETING = "task-deleting"
    BODY_TOO_LARGE = "body-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    TOO_SLOW = "too-slow"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    QUOTA_EXCEEDED = "quota-exceeded"
    NOT_SET_UP = "not-set-up"
    HTTP = "http"

    @property
    def heading(self) -> str:
        """The same words for every problem of the kind."""
        return _KINDS[self][1]

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return int(_KINDS[self][0])


_KINDS = {
    ProblemKind.MALFORMED_JSON: (HTTPStatus.BAD_REQUEST, "The body is not JSON"),
    ProblemKind.INVALID_BODY: (HTTPStatus.BAD_REQUEST, "The body has fields that are wrong"),
    ProblemKind.INVALID_PATH: (HTTPStatus.BAD_REQUEST, "The path has a part that is wrong"),
    ProblemKind.REFUSED: (HTTPStatus.FORBIDDEN, "The cluster's policy refuses this task"),
    ProblemKind.PAGE_FORBIDDEN: (HTTPStatus.UNPROCESSABLE_ENTITY, "The page may not be opened"),
    ProblemKind.NOT_FOUND: (HTTPStatus.NOT_FOUND, "No such task"),
    ProblemKind.NO_SUCH_ROUTE: (HTTPStatus.NOT_FOUND, "No such path"),
    ProblemKind.METHOD_NOT_ALLOWED: (HTTPStatus.METHOD_NOT_ALLOWED, "The path has no such method"),
    ProblemKind.REQUEST_CONFLICT: (HTTPStatus.CONFLICT, "The request_id is taken by another request"),
    ProblemKind.TASK_DELETING: (HTTPStatus.CONFLICT, "The task is being deleted"),
    ProblemKind.BODY_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    ProblemKind.UNSUPPORTED_MEDIA_TYPE: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
    ProblemKind.TOO_SLOW: (HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time"),
    ProblemKind.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, "The gateway made a mistake"),
    ProblemKind.UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "The cluster can't be asked just now"),
    ProblemKind.QUOTA_EXCEEDED: (HTTPStatus.SERVICE_UNAVAILABLE, "The cluster's quota is used up"),
    ProblemKind.NOT_SET_UP: (HTTPStatus.SERVICE_UNAVAILABLE, "The gateway is not set up completely"),
    ProblemKind.HTTP: (HTTPStatus.BAD_REQUEST, "The request can't be answered"),
}


class ProblemError(GatewayError):
    """A request is answered with a problem.

    Args:
        kind: what kind of problem, with its status and title.
        detail: a sentence for the caller: what is wrong, and what to do next.
        errors: the bad fields, if the body is to blame.
        headers: to send along.
        status: instead of the kind's own.
    """

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.status = status or kind.status


class ClusterError(GatewayError):
    """The API server didn't do what it was asked to."""


class ClusterRefusedError(ClusterError):
    """The API server said no.

    Args:
        code: its HTTP status.
        reason: its word for it (`metav1.Status.reason`), "" where it gave none.
        message: its sentence.
        causes: the fields it objects to, as (path in the resource, sentence).
        names_object: whether it speaks of one object by name; a 404 that doesn't means the CRD isn't there.
        retry_after: seconds it asks to wait, if it does.
    """

    def __init__(
        self,
        code: int,
        *,
        reason: str = "",
        message: str = "",
        causes: Sequence[tuple[str, str]] = (),
        names_object: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(f"the API server answered {code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = list(causes)
        self.names_object = names_object
        self.retry_after = retry_after


class ClusterUnreachableError(ClusterError):
    """The API server can't be reached, is too slow, or answered something else than JSON."""
