"""Mode `jwt`: tokens that an identity provider has signed, with the caller's apps in a claim.

In: a bearer token. Out: a verdict. Issuer, audience and an expiry are always asked for, and the signature's algorithm
is the key's, never one that the token chooses.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from egress_gateway.auth.jwks import ALGORITHMS, Jwks, KeysUnavailableError
from egress_gateway.auth.recent import Recent
from egress_gateway.auth.settings import AuthMode, JwtSettings
from egress_gateway.auth.verdicts import (
    Call,
    Credentials,
    Forbidden,
    Undecided,
    Unknown,
    Verdict,
    is_api_key,
    of_apps,
)

_ENTRIES: Final = 10_000
_CALLER_SECONDS: Final = 60
_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What a token that somebody made up can raise in a reader."""


class _NotOursError(Exception):
    """The token says nothing to us; the text says why."""


@dataclass(frozen=True)
class _Caller:
    name: str
    apps: list[str] | None


class Tokens:
    """JWTs of one issuer."""

    name = AuthMode.JWT.value

    def __init__(
        self, settings: JwtSettings, jwks: Jwks, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._jwks = jwks
        self._callers: Recent[tuple[bytes, int], _Caller] = Recent(entries=_ENTRIES, clock=clock)
        self.hint = f"Authorization: Bearer TOKEN with a JWT of {settings.issuer} for {settings.audience}"

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        """Say whether the token is a valid one of our issuer, and for the app of the call."""
        token = credentials.bearer
        if token is None or is_api_key(token):
            return Unknown()
        try:
            caller = await self._caller(token)
        except _NotOursError as error:
            return Unknown(str(error))
        except KeysUnavailableError as error:
            return Undecided("the keys of the tokens' issuer can't be read", str(error))
        if caller.apps is None:
            claim = self._settings.apps_claim
            return Forbidden(
                caller.name,
                f"the token names no apps: its claim {claim} must be an app id, or a list of them",
            )
        return of_apps(caller.name, caller.apps, call=call, source="the token")

    async def follow(self) -> None:
        """Keep the issuer's keys fresh."""
        await self._jwks.follow()

    async def _caller(self, token: str) -> _Caller:
        """Return whose valid token it is; a signature costs more than all else that is done for a call."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._callers.get((digest, self._jwks.readings))
        if known is not None:
            return known
        claims = await self._claims(token)
        caller = _Caller(f"jwt:{claims.get('sub', '')}", _apps(claims, self._settings.apps_claim))
        left = int(claims["exp"]) - int(time.time())
        self._callers.put((digest, self._jwks.readings), caller, seconds=min(_CALLER_SECONDS, left))
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            claimed = jwt.decode(token, options={"verify_signature": False})
        except _UNREADABLE:
            raise _NotOursError("the token is not a JWT") from None
        # Asked first: a foreign token is no reason to read our issuer's keys again.
        if claimed.get("iss") != self._settings.issuer:
            raise _NotOursError(f"the token is not one of {self._settings.issuer} (claim iss)")
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise _NotOursError("the token is not signed with a public key (RSA, EC or Ed25519)")
        key = await self._jwks.find(header.get("kid"), algorithm)
        if key is None:
            raise _NotOursError("the token is signed with a key that its issuer does not show")
        return self._verified(token, key)

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=self._settings.leeway_seconds,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            told = "the token has expired: get a new one"
        except jwt.ImmatureSignatureError:
            told = "the token is not valid yet: compare the clocks"
        except jwt.InvalidAudienceError:
            told = f"the token is not for {self._settings.audience} (claim aud)"
        except jwt.MissingRequiredClaimError as error:
            told = f"the token has no claim {error.claim}"
        except _UNREADABLE:
            told = "the token's signature or claims are not valid"
        raise _NotOursError(told)


def _apps(claims: dict[str, Any], name: str) -> list[str] | None:
    """Return what a claim says; its name may be a path into nested ones, and may itself hold dots (a URL)."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    match value:
        case str():
            return value.split()  # as scopes are written
        case list():
            return [app for app in value if isinstance(app, str)]
        case _:
            return None
