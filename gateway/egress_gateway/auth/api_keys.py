"""Mode `apiKeys`: keys that an administrator hands out, each for some apps.

In: a folder as a Secret is mounted, a file per key; its name is the key's, its text {"hash": "sha256:…", "apps": […]}.
Out: verdicts. The folder is read again when it changes, so that a key comes and goes without a restart.

Keys are kept as plain SHA-256. A slow hash (scrypt, argon2) makes guessing a password dear; a key has 256 random
bits, which nobody guesses at any price, and every call would pay for it.
"""

import asyncio
import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from egress_gateway.auth.settings import ApiKeySettings, AuthMode
from egress_gateway.auth.verdicts import Call, Credentials, Unknown, Verdict, is_api_key, of_apps
from egress_gateway.errors import ConfigError
from egress_gateway.logs import get_logger

_HASH_PREFIX = "sha256:"
_APP = r"^(\*|[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)$"
_MAX_BYTES = 65_536

log = get_logger(__name__)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hash: Annotated[str, StringConstraints(pattern=rf"^{_HASH_PREFIX}[0-9a-f]{{64}}$")]
    apps: list[Annotated[str, StringConstraints(pattern=_APP)]] = Field(min_length=1)


@dataclass(frozen=True)
class _Key:
    name: str
    digest: bytes
    apps: frozenset[str]


class ApiKeys:
    """The keys of one folder."""

    name = AuthMode.API_KEYS.value
    hint = "X-API-Key: KEY (or Authorization: Bearer KEY) with an API key"

    def __init__(self, settings: ApiKeySettings) -> None:
        """Read the folder.

        Raises:
            ConfigError: when it is not there.
        """
        self._folder = settings.folder
        self._reload_seconds = settings.reload_seconds
        self._keys: list[_Key] = []
        self._seen: object = None
        try:
            self._read(_look(self._folder))
        except OSError as error:
            raise ConfigError(
                f"the API keys can't be read ({error}): mount the Secret with the keys at {self._folder}, or "
                "set apiKeys.folder in EGRESS_GATEWAY_AUTH"
            ) from error

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        """Say whether the key is known, and for the app of the call."""
        presented = credentials.api_key
        if presented is None and credentials.bearer is not None and is_api_key(credentials.bearer):
            presented = credentials.bearer
        if presented is None:
            return Unknown()
        if not is_api_key(presented):
            return Unknown("what is in X-API-Key is not an API key: those begin with egk_")
        digest = hashlib.sha256(presented.encode()).digest()
        found: _Key | None = None
        for key in self._keys:  # all of them, so that the time tells nothing
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            return Unknown("the API key is not known, or no longer")
        return of_apps(f"apiKeys:{found.name}", found.apps, call=call, source=f"the API key {found.name}")

    async def follow(self) -> None:
        """Look at the folder again and again."""
        while True:
            await asyncio.sleep(self._reload_seconds)
            self.reload()

    def reload(self) -> None:
        """Read the folder if it has changed; while it can't be read at all, the keys stay as they were."""
        try:
            seen = _look(self._folder)
            if seen != self._seen:
                self._read(seen)
        except OSError as error:
            log.error("the API keys can't be read again; those that were read last hold", error=str(error))  # noqa: TRY400 - the sentence says it all

    def _read(self, seen: object) -> None:
        keys: dict[bytes, _Key] = {}
        for path in _files(self._folder):
            key = _read_key(path)
            if key is not None and key.digest in keys:
                log.error(
                    "two API keys are the same; the first holds", key=key.name, same_as=keys[key.digest].name
                )
            elif key is not None:
                keys[key.digest] = key
        self._keys = list(keys.values())
        self._seen = seen
        write = log.info if keys else log.warning
        write("API keys are read", keys=sorted(key.name for key in self._keys))


def _files(folder: Path) -> list[Path]:
    # A mounted Secret has its versions in hidden folders; the names of its keys are links into the newest.
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())


def _look(folder: Path) -> object:
    """Return what is different whenever a file has changed."""
    stats = [(path.name, path.stat()) for path in _files(folder)]
    return [(name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in stats]


def _read_key(path: Path) -> _Key | None:
    """Return the key of a file, or None, and say why, where it has none that can be read."""
    try:
        with path.open("rb") as file:
            entry = _Entry.model_validate_json(file.read(_MAX_BYTES), strict=True)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        log.error("an API key can't be read and does not hold", key=path.name, error=why)  # noqa: TRY400 - as above
        return None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        log.error(  # noqa: TRY400 - as above
            'an API key does not hold: its text must be {"hash": "sha256:…", "apps": ["APP"]}',
            key=path.name,
            wrong=wrong,
        )
        return None
    digest = bytes.fromhex(entry.hash.removeprefix(_HASH_PREFIX))
    return _Key(path.name, digest, frozenset(entry.apps))
