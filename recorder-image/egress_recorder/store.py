"""The task's folder in the object store (`s3://`, `gs://`, `az://`, `file://`).

A thin layer over obstore: few retries inside it (it repeats a request with the same credentials), because
the callers retry for as long as it takes; a deadline for every request; every error becomes one of
`errors.py`. Credentials that change while it runs are taken from then on. What was written can be verified:
an ETag that is the MD5 of the bytes proves them, everything else is read back and compared.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import obstore
from obstore import exceptions
from obstore.store import from_url

from egress_api import store_answers
from egress_api.credentials import read_credentials, state_of
from egress_api.recorder import StoreConfig
from egress_recorder.errors import (
    ObjectChangedError,
    ObjectDamagedError,
    ObjectExistsError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)

_CONNECT_TIMEOUT: Final = "5s"
_BASE_SECONDS: Final = 15.0
_SLOWEST_BYTES_PER_SECOND: Final = 65_536
_RETRY: Final = {"max_retries": 1, "retry_timeout": timedelta(seconds=10)}
_PART_BYTES: Final = 8 << 20
_PARTS_AT_ONCE: Final = 2
_MOST_PARTS: Final = 9_000
"""S3 takes 10,000."""
_READ_BYTES: Final = 1 << 20
_MD5: Final = re.compile(r'^"?([0-9a-f]{32})"?$')

T = TypeVar("T")
Version = dict[str, Any]
"""Identifies one version of an object: its ETag, and the version where the store has those."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was read."""

    data: bytes
    version: Version
    facts: dict[str, str]
    """Beside the content, where the store keeps such."""


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
        self._config = config
        self._place = _place(config)
        self._local = config.url.startswith("file:")
        self._credentials_dir = credentials_dir
        self._credentials = state_of(credentials_dir)
        self._store = self._open()

    @property
    def keeps_facts(self) -> bool:
        """Whether facts stay beside the content; plain files have no place for them."""
        return not self._local

    def _open(self) -> Any:
        options, client = self._config.options_with(read_credentials(self._credentials_dir))
        try:
            if self._local:
                return from_url(self.url, mkdir=True)
            return from_url(
                self.url,
                config=cast("Any", options),
                client_options=cast("Any", {**client, "connect_timeout": _CONNECT_TIMEOUT, "timeout": "1h"}),
                retry_config=cast("Any", _RETRY),
            )
        except (exceptions.BaseError, OSError, ValueError, TypeError) as error:
            raise StoreRefusedError(
                f"{self._place} can't be opened: {store_answers.first_line(error)}"
            ) from None

    def _current(self) -> Any:
        """Return the client, a new one when the credentials have changed since."""
        state = state_of(self._credentials_dir)
        if state != self._credentials:
            self._store = self._open()
            self._credentials = state
        return self._store

    async def get(self, name: str, *, size: int = 0) -> StoredObject | None:
        """Return an object, or None when there is none; `size`, where known, gives it the time it needs."""

        async def read(store: Any) -> StoredObject | None:
            try:
                found = await obstore.get_async(store, name)
            except FileNotFoundError as error:
                if not store_answers.says_no_such_object(error):
                    raise
                return None
            data = bytes(await found.bytes_async())
            return StoredObject(data, _version(found.meta), _facts(found))

        return await self._ask(read, "read", name, size=size)

    async def describe(self, name: str) -> Description:
        """Return what is known about an object beside its content."""

        async def read(store: Any) -> Description:
            found = await obstore.get_async(store, name)
            return Description(int(found.meta["size"]), found.meta["last_modified"], _facts(found))

        return await self._ask(read, "read", name)

    async def names(self) -> list[str]:
        """Return the names of all objects in the folder."""

        async def read(store: Any) -> list[str]:
            return [meta["path"] async for chunk in obstore.list(store) for meta in chunk]

        return await self._ask(read, "list", "the folder")

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
        lasting: bool = False,
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
            lasting: whether it stays as it is, so that the configured storage class is for it: most classes charge an
                object that is soon replaced for a month.

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
        if lasting and self._config.storage_class:
            attributes["Storage-Class"] = self._config.storage_class
        mode: Any = "create" if create else (only_over or "overwrite")

        async def write(store: Any) -> Any:
            return await obstore.put_async(
                store,
                name,
                content,
                mode=mode,
                use_multipart=False,
                attributes=cast("Any", None if self._local else attributes),
                tags=self._config.tags,
            )

        conditional = create or only_over is not None
        return _version(await self._ask(write, "write", name, size=len(content), conditional=conditional))

    async def put_stream(
        self,
        name: str,
        content: AsyncIterator[bytes],
        *,
        size: int,
        content_type: str,
        lasting: bool = False,
    ) -> None:
        """Write an object of any size, or replace it; nothing is there, or what was, until all of it is.

        Args:
            name: name in the folder.
            content: the bytes; what it raises is raised here, and nothing is written then.
            size: how many they are: the deadline follows from it.
            content_type: for HTTP.
            lasting: as in `put`.
        """
        attributes = {"Content-Type": content_type}
        if lasting and self._config.storage_class:
            attributes["Storage-Class"] = self._config.storage_class
        raised: list[BaseException] = []

        async def watched() -> AsyncIterator[bytes]:
            try:
                async for data in content:
                    yield data
            except BaseException as error:
                raised.append(error)
                raise

        async def write(store: Any) -> Any:
            return await obstore.put_async(
                store,
                name,
                watched(),
                use_multipart=True,
                chunk_size=max(_PART_BYTES, size // _MOST_PARTS + 1),
                max_concurrency=_PARTS_AT_ONCE,
                attributes=cast("Any", None if self._local else attributes),
                tags=self._config.tags,
            )

        try:
            await self._ask(write, "write", name, size=size)
        except StoreError:
            if raised:
                raise raised[0] from None
            raise

    async def sha256_of(self, name: str, *, size: int) -> str:
        """Read an object of so many bytes and return its SHA-256, hex."""

        async def read(store: Any) -> str:
            found, digest = await obstore.get_async(store, name), hashlib.sha256()
            async for data in found.stream(min_chunk_size=_READ_BYTES):
                digest.update(data)
            return digest.hexdigest()

        return await self._ask(read, "read", name, size=size)

    async def verify(self, name: str, content: bytes, written: Version) -> Version:
        """Make sure that an object is these bytes, and return the version that is.

        Raises:
            ObjectDamagedError: it holds something else; says which version that is.
            StoreError: it could not be found out.
        """
        if etag_proves(written, data=content):
            return written
        found = await self.get(name, size=len(content))
        if found is None:
            raise StoreUnreachableError(f"{self._place} does not have {name}, though it took it.")
        if found.data != content:
            raise ObjectDamagedError(
                f"{self._place} holds {name} with {len(found.data)} bytes that are not the {len(content)} written.",
                version=found.version,
            )
        return found.version

    async def _ask(
        self,
        request: Callable[[Any], Awaitable[T]],
        verb: str,
        name: str,
        *,
        size: int = 0,
        conditional: bool = False,
    ) -> T:
        try:
            async with asyncio.timeout(_BASE_SECONDS + size / _SLOWEST_BYTES_PER_SECOND):
                return await request(self._current())
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
            if not conditional:
                # S3's 409 to a write without a condition: another operation is under way.
                raise self._error_of(error, verb, name) from None
            found = isinstance(error, exceptions.AlreadyExistsError)
            raise (ObjectExistsError if found else ObjectChangedError)(name) from None
        except TimeoutError:
            raise StoreUnreachableError(f"{self._place} did not answer in time to {verb} {name}.") from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise self._error_of(error, verb, name) from None
        except BaseException as error:
            # pyo3 raises a panic of the Rust below as no Exception: it would end an upload without a word.
            if type(error).__name__ != "PanicException":
                raise
            raise StoreUnreachableError(
                f"The client of {self._place} failed to {verb} {name}: {error}."
            ) from None

    def _error_of(self, error: Exception, verb: str, name: str) -> StoreError:
        refused, sentence = store_answers.meaning(error, place=self._place, verb=verb, name=name)
        return StoreRefusedError(sentence) if refused else StoreUnreachableError(sentence)


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


def _facts(found: Any) -> dict[str, str]:
    return {str(key): value for key, value in found.attributes.items()}


def _place(config: StoreConfig) -> str:
    endpoint = next((v for k, v in config.options.items() if k.lower().endswith("endpoint")), None)
    return f"The store {config.url}" + (f" at {endpoint}" if endpoint else "")
