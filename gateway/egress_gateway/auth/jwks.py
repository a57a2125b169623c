"""The public keys of an issuer (a JWK Set, RFC 7517), from a URL or a file, kept fresh.

In: key ids and algorithms that tokens name. Out: keys. A key that is known is never waited for; an unknown one has
the set read again, but not more often than `retry_seconds` lets it, whatever tokens name. Symmetric keys are passed
over: a public set that held one would let everybody sign.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import certifi
import jwt

from egress_gateway.auth.settings import JwtSettings
from egress_gateway.errors import GatewayError
from egress_gateway.logs import get_logger

_OF_RSA: Final[tuple[str, ...]] = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_OF_CURVE: Final[dict[str, tuple[str, ...]]] = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
}
ALGORITHMS: Final = frozenset({*_OF_RSA, *(name for names in _OF_CURVE.values() for name in names)})
_MAX_BYTES = 1_048_576

log = get_logger(__name__)


class KeysUnavailableError(GatewayError):
    """The issuer's keys can't be read, and none that were read before hold any more."""


class KeySet:
    """The keys of one reading."""

    def __init__(self, keys: list[tuple[str | None, jwt.PyJWK]]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len({key_id for key_id, _ in self._keys})

    @classmethod
    def read(cls, text: bytes) -> "KeySet":
        """Return the keys of a JWK Set that can check signatures.

        Raises:
            ValueError: when there are none.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("it is not JSON") from error
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise ValueError('it is not a JWK Set: {"keys": [...]}')  # noqa: TRY004 - bad input, as the others
        found = [key for data in listed if isinstance(data, dict) for key in _keys_of(data)]
        if not found:
            raise ValueError("it holds no public key for signatures (RSA, EC or Ed25519)")
        return cls(found)

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key; a token that names none gets the only one of its algorithm."""
        fitting = [
            key
            for known, key in self._keys
            if key.algorithm_name == algorithm and (key_id is None or known == key_id)
        ]
        return fitting[0] if len(fitting) == 1 or (fitting and key_id is not None) else None


class Jwks:
    """The keys of one issuer."""

    def __init__(self, settings: JwtSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._source = settings.jwks_url or str(settings.jwks_file)
        self._keys: KeySet | None = None
        self._read_at = 0.0
        self._tried_at: float | None = None
        self._trouble = "they have not been read yet"
        self.readings = 0
        """How often they have been read: what was checked by keys of an earlier reading is to be checked again."""
        self._reading = asyncio.Lock()
        if self._source.startswith("http://"):
            log.warning(
                "the issuer's keys come without TLS: whoever stands between can sign tokens",
                source=self._source,
            )

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key that a token names, None where the issuer has no such key.

        Raises:
            KeysUnavailableError: when the issuer's keys are not known.
        """
        keys = self._holding()
        found = keys.find(key_id, algorithm) if keys else None
        if found is not None:
            return found
        async with self._reading:
            if self._may_try():
                await self._read()
        keys = self._holding()
        if keys is None:
            raise KeysUnavailableError(f"the keys at {self._source} can't be read: {self._trouble}")
        return keys.find(key_id, algorithm)

    async def follow(self) -> None:
        """Read the keys now and again, so that new ones are there before tokens name them, and withdrawn ones go."""
        while True:
            async with self._reading:
                read = await self._read()
            pause = self._settings.refresh_seconds if read else self._settings.retry_seconds
            await asyncio.sleep(pause)

    def _holding(self) -> KeySet | None:
        old = self._clock() - self._read_at
        return self._keys if old <= self._settings.keep_seconds else None

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._settings.retry_seconds

    async def _read(self) -> bool:
        self._tried_at = self._clock()
        try:
            keys = KeySet.read(await self._text())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._trouble = str(error) or type(error).__name__
            log.warning("the issuer's keys can't be read", source=self._source, reason=self._trouble)
            return False
        if self._keys is None:
            log.info("the issuer's keys are read", source=self._source, keys=len(keys))
        self._keys, self._read_at, self._trouble = keys, self._clock(), ""
        self.readings += 1
        return True

    async def _text(self) -> bytes:
        if self._settings.jwks_file:
            with self._settings.jwks_file.open("rb") as file:
                return file.read(_MAX_BYTES)
        # A connection every few minutes: none is kept open for it.
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(
                self._source,
                allow_redirects=False,
                headers={"Accept": "application/json"},
                ssl=_trust(self._settings.ca_file),
            ) as answer,
        ):
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise ValueError(f"the answer is {answer.status}")
            text = bytearray()
            async for part in answer.content.iter_chunked(65_536):
                text += part
                if len(text) > _MAX_BYTES:
                    raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
            return bytes(text)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    # Read each time: a CA that is renewed is taken without a restart.
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    context = ssl.create_default_context()
    # A slim image has no certificates of its own.
    context.load_verify_locations(certifi.where())
    return context


def _keys_of(data: dict[str, Any]) -> list[tuple[str | None, jwt.PyJWK]]:
    """Return a key once for each algorithm that it may be used with."""
    key_id = data.get("kid")
    try:
        return [(key_id, jwt.PyJWK(data, algorithm)) for algorithm in _algorithms(data)]
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("a key of the issuer's is passed over", kid=key_id, reason=type(error).__name__)
        return []


def _algorithms(data: dict[str, Any]) -> tuple[str, ...]:
    if data.get("use", "sig") != "sig":
        return ()
    match data:
        case {"kty": "RSA"}:
            fitting = _OF_RSA
        case {"kty": "EC" | "OKP", "crv": str(curve)}:
            fitting = _OF_CURVE.get(curve, ())
        case _:
            return ()
    return tuple(name for name in fitting if data.get("alg", name) == name)
