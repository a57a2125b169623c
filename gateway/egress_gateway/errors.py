"""What can go wrong in the gateway.

    GatewayError
    ├── ConfigError            the process can't start: what to set is in the text
    ├── ProblemError           becomes the answer of a request (problems.py)
    ├── StoreError             the store can't be read
    └── ClusterError           the API server didn't do what it was asked to
        ├── ClusterRefusedError      it answered, and the answer was no
        └── ClusterUnreachableError  it didn't answer, or nothing that can be read

Texts of ProblemError are shown to callers, so they never hold an access token.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus

from egress_api.rest import FieldError, ParameterError


class GatewayError(Exception):
    """Base of all errors of this package."""


class ConfigError(GatewayError):
    """The gateway can't start as it is set up."""


class ProblemKind(StrEnum):
    """The kinds of problem that a caller can meet; docs/rest.md says what to do about each."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MALFORMED_JSON = "malformed-json"
    INVALID_BODY = "invalid-body"
    INVALID_PATH = "invalid-path"
    INVALID_QUERY = "invalid-query"
    REFUSED = "refused"
    PAGE_FORBIDDEN = "page-forbidden"
    NOT_FOUND = "task-not-found"
    NO_SUCH_ROUTE = "no-such-route"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_CONFLICT = "request-conflict"
    TASK_DELETING = "task-deleting"
    TASK_ENDED = "task-ended"
    TOKEN_FIXED = "token-fixed"  # noqa: S105 - a word
    WRONG_LAYOUT = "wrong-layout"
    BODY_TOO_LARGE = "body-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    TOO_SLOW = "too-slow"
    RATE_LIMITED = "rate-limited"
    INTERNAL = "internal"
    AUTH_UNAVAILABLE = "auth-unavailable"
    UNAVAILABLE = "unavailable"
    STORE_UNAVAILABLE = "store-unavailable"
    QUOTA_EXCEEDED = "quota-exceeded"
    NOT_SET_UP = "not-set-up"
    HTTP = "http"

    @property
    def heading(self) -> str:
        """The same words for every problem of the kind."""
        return _KINDS[self][1]

    @property
    def advice(self) -> str:
        """What it means, and what to do, in Markdown: the table in docs/rest.md."""
        return _KINDS[self][2]

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return int(_KINDS[self][0])


_KINDS = {
    ProblemKind.UNAUTHENTICATED: (
        HTTPStatus.UNAUTHORIZED,
        "The caller is not known",
        "No credentials, or none that are valid; `detail` says which are taken. See [auth.md](auth.md).",
    ),
    ProblemKind.FORBIDDEN: (
        HTTPStatus.FORBIDDEN,
        "The caller may not do this",
        "The credentials are valid, but not for this app or this call. Call another app, or have the administrator allow it.",
    ),
    ProblemKind.MALFORMED_JSON: (
        HTTPStatus.BAD_REQUEST,
        "The body is not JSON",
        "The body is not JSON; line and column are in `detail`. `NaN` and a key that stands twice are not JSON either.",
    ),
    ProblemKind.INVALID_BODY: (
        HTTPStatus.BAD_REQUEST,
        "The body has fields that are wrong",
        "Fields are wrong; `errors` names them.",
    ),
    ProblemKind.INVALID_PATH: (
        HTTPStatus.BAD_REQUEST,
        "The path has a part that is wrong",
        "The `app_id` in the path is wrong.",
    ),
    ProblemKind.INVALID_QUERY: (
        HTTPStatus.BAD_REQUEST,
        "The query has parameters that are wrong",
        "Parameters behind the `?` are wrong; `errors` names them.",
    ),
    ProblemKind.REFUSED: (
        HTTPStatus.FORBIDDEN,
        "The cluster's policy refuses this task",
        "A policy of the cluster refuses this task; `detail` has the policy's words.",
    ),
    ProblemKind.PAGE_FORBIDDEN: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The page may not be opened",
        "The page is at an address, or on a port, that pages may not reach; `detail` says which rule would allow it.",
    ),
    ProblemKind.NOT_FOUND: (
        HTTPStatus.NOT_FOUND,
        "No such task",
        "This app has no such task, or has it no longer.",
    ),
    ProblemKind.NO_SUCH_ROUTE: (HTTPStatus.NOT_FOUND, "No such path", "There is no such path."),
    ProblemKind.METHOD_NOT_ALLOWED: (
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The path has no such method",
        "The path takes other methods; the header `Allow` lists them.",
    ),
    ProblemKind.REQUEST_CONFLICT: (
        HTTPStatus.CONFLICT,
        "The request_id is taken by another request",
        "The `request_id` has started a task with another body. Take a new one.",
    ),
    ProblemKind.TASK_DELETING: (
        HTTPStatus.CONFLICT,
        "The task is being deleted",
        "The `request_id`'s task is being deleted. Take a new one.",
    ),
    ProblemKind.TASK_ENDED: (
        HTTPStatus.CONFLICT,
        "The task has ended or is to end",
        "The task has ended or is to end; it can't be paused, go on or be changed any more.",
    ),
    ProblemKind.TOKEN_FIXED: (
        HTTPStatus.CONFLICT,
        "The task's token can't be changed here",
        "This gateway may not change tokens, or this one's Secret isn't the gateway's, or was made before it might.",
    ),
    ProblemKind.WRONG_LAYOUT: (
        HTTPStatus.CONFLICT,
        "The change does not go with the task's layout",
        "Only a channel (layout `flat`) has users and a token.",
    ),
    ProblemKind.BODY_TOO_LARGE: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body is too large",
        "The body is larger than 64 KiB.",
    ),
    ProblemKind.UNSUPPORTED_MEDIA_TYPE: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body must be JSON",
        "The body isn't announced as JSON; with curl add `-H 'Content-Type: application/json'`.",
    ),
    ProblemKind.TOO_SLOW: (
        HTTPStatus.REQUEST_TIMEOUT,
        "The body did not come in time",
        "The body did not come within 15 s (`EGRESS_GATEWAY_REQUEST_SECONDS`). Send the same request again.",
    ),
    ProblemKind.RATE_LIMITED: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "The app calls too often",
        "The app has used up its starts, or its other calls. `Retry-After` says when to send the same request again.",
    ),
    ProblemKind.INTERNAL: (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The gateway made a mistake",
        "A mistake in the gateway: please report it, with the log's lines of this `request_id`.",
    ),
    ProblemKind.AUTH_UNAVAILABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "It can't be told just now who calls",
        "The API server or the identity provider can't be asked about the credentials. Send the same request again.",
    ),
    ProblemKind.UNAVAILABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The cluster can't be asked just now",
        "The API server can't be reached or is too busy. Send the same request again.",
    ),
    ProblemKind.STORE_UNAVAILABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The store can't be asked just now",
        "The store, which may tell of a task that is gone, can't be read, or links can't be signed. Send the request again.",
    ),
    ProblemKind.QUOTA_EXCEEDED: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The cluster's quota is used up",
        "A ResourceQuota of the namespace is used up. End or delete tasks, or raise it; then send the same request again.",
    ),
    ProblemKind.NOT_SET_UP: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The gateway is not set up completely",
        "The CRD, the gateway's Role or its namespace is missing or out of date; `detail` says which. For the administrator.",
    ),
    ProblemKind.HTTP: (
        HTTPStatus.BAD_REQUEST,
        "The request can't be answered",
        "Anything else that HTTP refuses.",
    ),
}


class ProblemError(GatewayError):
    """A request is answered with a problem.

    Args:
        kind: what kind of problem, with its status and title.
        detail: a sentence for the caller: what is wrong, and what to do next.
        errors: the bad fields or parameters, if the body or the query is to blame.
        headers: to send along.
        status: instead of the kind's own.
    """

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        errors: Sequence[FieldError | ParameterError] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors: list[FieldError | ParameterError] = list(errors)
        self.headers = dict(headers or {})
        self.status = status or kind.status


class StoreError(GatewayError):
    """The store can't be read; its words are for the log alone.

    Args:
        sentence: what happened, and what to do.
        refused: whether the store said no: somebody has to change something first.
    """

    def __init__(self, sentence: str, *, refused: bool = False) -> None:
        super().__init__(sentence)
        self.refused = refused


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
