"""Mode `kubernetes`: tokens that the API server knows, and rights that RBAC gives.

In: a bearer token. Out: a verdict, from two questions to the API server: whose token is it (TokenReview), and may they
do this to EgressTasks in the gateway's namespace (LocalSubjectAccessReview: the gateway may ask about no other
namespace). A right holds for every app of the namespace, as it does with kubectl.

Answers are kept for a while, under the token's digest. Refused tokens are kept apart from known ones, so that a flood of
made-up ones pushes nobody out, and only so many questions are asked at a time.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from egress_api.constants import GROUP, PLURAL, VERSION
from egress_gateway.auth.recent import Recent
from egress_gateway.auth.settings import AuthMode, KubernetesSettings
from egress_gateway.auth.verdicts import (
    Allowed,
    Call,
    Credentials,
    Forbidden,
    Undecided,
    Unknown,
    Verdict,
    is_api_key,
)
from egress_gateway.errors import ClusterError, ClusterRefusedError

_ENTRIES = 10_000
_QUESTIONS = 8
"""At a time, to the API server."""
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path


class Reviewer(Protocol):
    """The part of the cluster that this mode needs."""

    namespace: str

    async def create_review(self, path: str, resource: dict[str, Any]) -> dict[str, Any]:
        """Ask, and return the answer."""
        ...


@dataclass(frozen=True)
class _User:
    """As the API server tells it, to be told again when it is asked what they may do."""

    name: str
    told: dict[str, Any]


class Reviews:
    """Callers whom the API server knows."""

    name = AuthMode.KUBERNETES.value

    def __init__(
        self,
        settings: KubernetesSettings,
        cluster: Reviewer,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._users: Recent[bytes, _User] = Recent(entries=_ENTRIES, clock=clock)
        self._strangers: Recent[bytes, str] = Recent(entries=_ENTRIES, clock=clock)
        self._rights: Recent[tuple[bytes, str], bool] = Recent(entries=_ENTRIES, clock=clock)
        self._asking = asyncio.Semaphore(_QUESTIONS)
        audiences = " or ".join(settings.audiences)
        made = f" (kubectl create token NAME --audience {settings.audiences[0]})" if audiences else ""
        self.hint = f"Authorization: Bearer TOKEN with a token of this Kubernetes cluster{made}"

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        """Say whether the API server knows the token, and lets its user do this."""
        token = credentials.bearer
        if token is None or is_api_key(token):
            return Unknown()
        digest = hashlib.sha256(token.encode()).digest()
        try:
            user = await self._user(token, digest)
            if isinstance(user, str):
                return Unknown(user)
            allowed = await self._may(user, digest, call.verb)
        except ClusterError as error:
            return Undecided("the API server can't be asked whose token it is", _reason(error))
        caller = f"kubernetes:{user.name}"
        if allowed:
            return Allowed(caller)
        return Forbidden(
            caller,
            f"{user.name} may not {call.verb} {PLURAL} in namespace {self._cluster.namespace}: have a Role with "
            "that verb bound to them",
        )

    async def follow(self) -> None:
        """Nothing: what is known runs out by itself."""

    async def _user(self, token: str, digest: bytes) -> _User | str:
        known = self._known(digest)
        if known is not None:
            return known
        async with self._asking:
            # Another request may have asked while this one waited.
            known = self._known(digest)
            if known is not None:
                return known
            answer = await self._cluster.create_review(_TOKEN_REVIEWS, self._token_review(token))
        status = answer.get("status") or {}
        told = status.get("user") or {}
        if not status.get("authenticated") or not told.get("username"):
            return self._stranger(digest, "the API server does not know the token, or it has expired")
        # An API server that knows nothing of audiences leaves them out, and its yes is for its own.
        if self._settings.audiences and not set(self._settings.audiences) & set(
            status.get("audiences") or ()
        ):
            return self._stranger(digest, f"the token is not for {' or '.join(self._settings.audiences)}")
        user = _User(told["username"], told)
        self._users.put(digest, user, seconds=self._settings.cache_seconds)
        return user

    def _known(self, digest: bytes) -> _User | str | None:
        return self._users.get(digest) or self._strangers.get(digest)

    def _stranger(self, digest: bytes, detail: str) -> str:
        self._strangers.put(digest, detail, seconds=self._settings.refused_cache_seconds)
        return detail

    async def _may(self, user: _User, digest: bytes, verb: str) -> bool:
        known = self._rights.get((digest, verb))
        if known is not None:
            return known
        async with self._asking:
            known = self._rights.get((digest, verb))
            if known is not None:
                return known
            namespace = self._cluster.namespace
            answer = await self._cluster.create_review(
                f"/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews",
                access_review(user.told, verb=verb, namespace=namespace),
            )
        allowed = bool((answer.get("status") or {}).get("allowed"))
        seconds = self._settings.cache_seconds if allowed else self._settings.refused_cache_seconds
        self._rights.put((digest, verb), allowed, seconds=seconds)
        return allowed

    def _token_review(self, token: str) -> dict[str, Any]:
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": self._settings.audiences},
        }


def access_review(user: dict[str, Any], *, verb: str, namespace: str) -> dict[str, Any]:
    """Return the question whether a user, as a TokenReview tells of them, may do this to EgressTasks."""
    spec: dict[str, Any] = {
        "user": user["username"],
        "groups": user.get("groups") or [],
        "resourceAttributes": {
            "namespace": namespace,
            "verb": verb,
            "group": GROUP,
            "version": VERSION,
            "resource": PLURAL,
        },
    }
    for field in ("uid", "extra"):
        if user.get(field):
            spec[field] = user[field]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview",
        "metadata": {"namespace": namespace},
        "spec": spec,
    }


def _reason(error: ClusterError) -> str:
    if isinstance(error, ClusterRefusedError) and error.code == HTTPStatus.FORBIDDEN:
        return f"{error}. The gateway's rights are incomplete: the Helm chart gives them with mode kubernetes"
    return str(error)
