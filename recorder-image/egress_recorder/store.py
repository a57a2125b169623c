"""The task's folder in the object store (`s3://`, `gs://`, `az://`, `file://`), and what its errors mean.

A thin layer over obstore: few retries inside it (it repeats a request with the same credentials), because
the callers retry for as long as it takes; a deadline for every request; every error becomes one of
`errors.py`, with the store's own code and sentence but never its raw answer, in which S3 repeats parts of
the signed request.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import obstore
from obstore import exceptions
from obstore.store import from_url

from egress_api.recorder import StoreConfig
from egress_recorder.errors import (
    ObjectChangedError,
    ObjectExistsError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)

_CLIENT_OPTIONS: Final = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "user_agent",
    }
)
"""Options of obstore's HTTP client. It panics when they stand among the store's (0.12.1)."""
_CONNECT_TIMEOUT: Final = "5s"
_BASE_SECONDS: Final = 15.0
_SLOWEST_BYTES_PER_SECOND: Final = 65_536
_RETRY: Final = {"max_retries": 1, "retry_timeout": timedelta(seconds=10)}
_SERVER_FAULT: Final = 500
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429})
_MISSING_SPACE_OR_RIGHTS: Final = re.compile(r"os error (1|13|30)\)")

_STATUS: Final = re.compile(r"status code: (\d{3})([^:\n]*)")
_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,300})</Message>")
_RETRY_WORDS: Final = re.compile(r" in [\d.]+[mµn]?s(, after \d+ retries.*?)?(?= +- )")
_CAUSE: Final = re.compile(r'(?:message|error): "([^"]{1,200})"')
_MD5: Final = re.compile(r'^"?([0-9a-f]{32})"?$')

T = TypeVar("T")
Version = dict[str, Any]
"""Identifies one version of an object: its ETag, and the version where the store has those."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was read."""

    data: bytes
    version: Version


@dataclass(frozen=True, slots=True)
class Description:
    """What is known about an object beside its content."""

    size: int
    modified: datetime
    facts: dict[str, str]


class Store:
    """The folder of one task.

    Args:
        config: URL and options.
        credentials_dir: a file per secret option, may be missing.

    Raises:
        StoreRefusedError: when the options make no store.
    """

    def __init__(self, config: StoreConfig, *, credentials_dir: Path) -> None:
        self.url = config.url
        self._place = _place(config)
        self._local = config.url.startswith("file:")
        options = {**config.options, **read_credentials(credentials_dir)}
        client = {key: options.pop(key) for key in list(options) if key in _CLIENT_OPTIONS}
        try:
            if self._local:
                self._store = from_url(config.url, mkdir=True)
            else:
                self._store = from_url(
                    config.url,
                    config=cast("Any", options),
                    client_options=cast(
                        "Any", {**client, "connect_timeout": _CONNECT_TIMEOUT, "timeout": "1h"}
                    ),
                    retry_config=cast("Any", _RETRY),
                )
        except (exceptions.BaseError, OSError, ValueError, TypeError) as error:
            raise StoreRefusedError(f"{self._place} can't be opened: {_first_line(error)}") from None

    async def get(self, name: str) -> StoredObject | None:
        """Return an object, or None when there is none."""

        async def read() -> StoredObject | None:
            try:
                found = await obstore.get_async(self._store, name)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
            data = bytes(await found.bytes_async())
            return StoredObject(data, _version(found.meta))

        return await self._ask(read(), "read", name)

    async def describe(self, name: str) -> Description:
        """Return what is known about an object beside its content."""

        async def read() -> Description:
            found = await obstore.get_async(self._store, name)
            facts = {str(key): value for key, value in found.attributes.items()}
            return Description(int(found.meta["size"]), found.meta["last_modified"], facts)

        return await self._ask(read(), "read", name)

    async def size(self, name: str) -> int:
        """Return an object's size in bytes."""
        return int((await self._ask(obstore.head_async(self._store, name), "read", name))["size"])

    async def names(self) -> list[str]:
        """Return the names of all objects in the folder."""

        async def read() -> list[str]:
            return [meta["path"] async for chunk in obstore.list(self._store) for meta in chunk]

        return await self._ask(read(), "list", "the folder")

    async def put(
        self,
        name: str,
        content: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        fact: tuple[str, str] | None = None,
        only_over: Version | None = None,
        create: bool = False,
    ) -> Version:
        """Write an object in one request and return its version.

        Args:
            name: name in the folder.
            content: the bytes; the deadline follows from their number.
            content_type: for HTTP.
            cache_control: for HTTP.
            fact: a key and a value to keep beside the content, where the store can.
            only_over: write only if the object still is this version.
            create: write only if there is no such object.

        Raises:
            ObjectExistsError: with `create`.
            ObjectChangedError: with `only_over`.
            NotImplementedError: when the store has no conditional writes.
        """
        attributes = {"Content-Type": content_type}
        if cache_control:
            attributes["Cache-Control"] = cache_control
        if fact:
            attributes[fact[0]] = fact[1]
        mode: Any = "create" if create else (only_over or "overwrite")
        written = await self._ask(
            obstore.put_async(
                self._store,
                name,
                content,
                mode=mode,
                use_multipart=False,
                attributes=cast("Any", None if self._local else attributes),
            ),
            "write",
            name,
            size=len(content),
            conditional=create or only_over is not None,
        )
        return _version(written)

    async def _ask(
        self, answer: Awaitable[T], verb: str, name: str, *, size: int = 0, conditional: bool = False
    ) -> T:
        try:
            async with asyncio.timeout(_BASE_SECONDS + size / _SLOWEST_BYTES_PER_SECOND):
                return await answer
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
            if not conditional:
                # S3's 409 to a write without a condition: another operation is under way.
                raise self._meaning(error, verb, name) from None
            found = isinstance(error, exceptions.AlreadyExistsError)
            raise (ObjectExistsError if found else ObjectChangedError)(name) from None
        except TimeoutError:
            raise StoreUnreachableError(f"{self._place} did not answer in time to {verb} {name}.") from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise self._meaning(error, verb, name) from None

    def _meaning(self, error: Exception, verb: str, name: str) -> StoreError:
        text = str(error)
        status = _STATUS.search(text)
        code, said = _CODE.search(text), _MESSAGE.search(text)
        words = f"{code.group(1)}: {said.group(1).rstrip('.')}" if code and said else _first_line(error)
        number = int(status.group(1)) if status else 0
        if status and number < _SERVER_FAULT and number not in _PASSING_STATUS:
            what = f"{number}{status.group(2).rstrip()}"
            return StoreRefusedError(
                f"{self._place} refused to {verb} {name} ({what}, {words}). "
                "Check that the bucket exists, and the region, credentials and rights (read, write, list)."
            )
        if _MISSING_SPACE_OR_RIGHTS.search(text) or "BadScheme" in text:
            hint = " A plain http:// endpoint needs the option allow_http." if "BadScheme" in text else ""
            return StoreRefusedError(f"{self._place} refused to {verb} {name}: {words}.{hint}")
        return StoreUnreachableError(f"{self._place} did not {verb} {name}: {words}.")


def read_credentials(folder: Path) -> dict[str, str]:
    """Return the secret options: file name → content. Kubernetes' own dot files are left out."""
    if not folder.is_dir():
        return {}
    return {
        entry.name: entry.read_text().strip()
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith(".") and entry.is_file()
    }


def etag_proves(version: Version, *, data: bytes) -> bool:
    """Say whether the store's ETag shows that it holds these bytes.

    S3 answers a single PUT with the MD5 of what it received. Some ETags are none (other stores, some
    encryption): then this is False and proves nothing.
    """
    match = _MD5.match(version.get("e_tag") or "")
    return match is not None and match.group(1) == hashlib.md5(data, usedforsecurity=False).hexdigest()


def _version(given: Any) -> Version:
    # obstore takes no None where it gives one.
    return {key: given[key] for key in ("e_tag", "version") if given[key] is not None}


def _place(config: StoreConfig) -> str:
    endpoint = next((v for k, v in config.options.items() if k.lower().endswith("endpoint")), None)
    return f"The store {config.url}" + (f" at {endpoint}" if endpoint else "")


def _first_line(error: BaseException) -> str:
    line = str(error).partition("\n")[0] or type(error).__name__
    # obstore puts the server's whole body on that line, and its own bookkeeping.
    line = _RETRY_WORDS.sub("", line.partition(": <?xml")[0])[:300]
    # "Connection refused" and the like stand only in the part for debugging.
    cause = _CAUSE.search(str(error).partition("Debug source:")[2])
    return f"{line} ({cause.group(1)})" if cause and cause.group(1) not in line else line
