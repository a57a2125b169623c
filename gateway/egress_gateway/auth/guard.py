"""The gate in front of every call: who is it, may they, and not too often.

In: a request. Out: the handler's answer, or a problem: 401 (who are you), 403 (not that app, not that deed), 429
(slower), 503 (can't tell just now). Nothing of a request's body is read here.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from egress_gateway.auth.verdicts import (
    Allowed,
    Call,
    Credentials,
    Forbidden,
    Mode,
    Undecided,
    Unknown,
)
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.limits import Limits
from egress_gateway.logs import get_logger
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import TRACE, Trace
from egress_gateway.openapi.site import DOCUMENT_PATH, PAGE_PATH
from egress_gateway.verbs import verb_of

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", DOCUMENT_PATH, PAGE_PATH})
"""Nobody is asked there: the kubelet, Prometheus and a browser have no credentials of ours, and no app is told of."""
API_KEY_HEADER: Final = "X-API-Key"
_RETRY_SECONDS = 5
_CHALLENGE = 'Bearer realm="egress"'

log = get_logger(__name__)


class Gate:
    """The modes that are on; with none of them everybody may pass."""

    def __init__(self, modes: Sequence[Mode], *, metrics: Metrics) -> None:
        self._modes = modes
        self._metrics = metrics
        self._hint = ", or ".join(mode.hint for mode in modes)

    async def admit(self, credentials: Credentials, call: Call, *, trace: Trace) -> None:
        """Let the call through, and note in `trace` who it is, where anybody is asked.

        Raises:
            ProblemError: when no mode lets the call through.
        """
        if not self._modes:
            return
        unknown: list[str] = []
        forbidden: list[Forbidden] = []
        undecided: list[Undecided] = []
        for mode in self._modes if credentials.given else ():
            match await mode.check(credentials, call):
                case Allowed(caller):
                    self._metrics.auth_checks.labels("allowed").inc()
                    trace.caller = caller
                    return
                case Forbidden() as verdict:
                    forbidden.append(verdict)
                case Undecided(reason=reason) as verdict:
                    log.warning(
                        "it can't be told who calls",
                        mode=mode.name,
                        reason=reason,
                        request_id=trace.request_id,
                    )
                    undecided.append(verdict)
                case Unknown(detail):
                    unknown += [detail] if detail else []
        if undecided:
            self._metrics.auth_checks.labels("undecided").inc()
            raise ProblemError(
                ProblemKind.AUTH_UNAVAILABLE,
                f"{undecided[0].detail}; send the same request again",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        if forbidden:
            self._metrics.auth_checks.labels("forbidden").inc()
            trace.caller = forbidden[0].caller
            raise ProblemError(ProblemKind.FORBIDDEN, forbidden[0].detail)
        self._metrics.auth_checks.labels("unauthenticated").inc()
        raise self._who(unknown, given=credentials.given)

    def _who(self, unknown: Sequence[str], *, given: bool) -> ProblemError:
        told = "; ".join(unknown) or "the credentials are not of a kind that is taken here"
        if not given:
            told = "this gateway asks who calls"
        challenge = f'{_CHALLENGE}, error="invalid_token"' if given else _CHALLENGE
        return ProblemError(
            ProblemKind.UNAUTHENTICATED,
            f"{told}. Send {self._hint}.",
            headers={hdrs.WWW_AUTHENTICATE: challenge},
        )


def guard(gate: Gate, limits: Limits) -> Middleware:
    """Return the middleware; it goes inside the one that writes down what happened."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        match = request.match_info
        resource = match.route.resource
        if match.http_exception is not None or resource is None or resource.canonical in OPEN_PATHS:
            return await handler(request)
        # A path without an app that is not open on purpose fails here, rather than let everybody in.
        call = Call(app_id=match["app_id"], verb=verb_of(request.method, resource.canonical))
        await gate.admit(credentials_of(request), call, trace=request[TRACE])
        # Only now: who may not call an app must not use up its calls either.
        limits.check(call.app_id, start=call.verb == "create")
        return await handler(request)

    return middleware


def credentials_of(request: web.Request) -> Credentials:
    """Return what the headers say; a header that stands there twice says nothing."""
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
    keys = request.headers.getall(API_KEY_HEADER, [])
    return Credentials(
        bearer=token.strip() if scheme.lower() == "bearer" and token.strip() else None,
        api_key=keys[0].strip() if len(keys) == 1 and keys[0].strip() else None,
    )
