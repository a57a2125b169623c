"""Mode `jwt`: tokens that an identity provider has signed, with the caller's apps in a claim.

In: a bearer token. Out: a verdict. Issuer, audience and an expiry are always asked for, and the signature's algorithm
is the key's, never one that the token chooses.
"""

from typing import Any

import jwt

from egress_gateway.auth.jwks import ALGORITHMS, Jwks, KeysUnavailableError
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

_UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What a token that somebody made up can raise in a reader."""


class _NotOursError(Exception):
    """The token says nothing to us; the text says why."""


class Tokens:
    """JWTs of one issuer."""

    name = AuthMode.JWT.value

    def __init__(self, settings: JwtSettings, jwks: Jwks) -> None:
        self._settings = settings
        self._jwks = jwks
        self.hint = f"Authorization: Bearer TOKEN with a JWT of {settings.issuer} for {settings.audience}"

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        """Say whether the token is a valid one of our issuer, and for the app of the call."""
        token = credentials.bearer
        if token is None or is_api_key(token):
            return Unknown()
        try:
            claims = await self._claims(token)
        except _NotOursError as error:
            return Unknown(str(error))
        except KeysUnavailableError as error:
            return Undecided("the keys of the tokens' issuer can't be read", str(error))
        caller = f"jwt:{claims.get('sub', '')}"
        name = self._settings.apps_claim
        apps = _apps(claims, name)
        if apps is None:
            return Forbidden(
                caller, f"the token names no apps: its claim {name} must be an app id, or a list of them"
            )
        return of_apps(caller, apps, call=call, source="the token")

    async def follow(self) -> None:
        """Keep the issuer's keys fresh."""
        await self._jwks.follow()

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
