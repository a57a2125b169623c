"""An object that is written again and again by the one attempt that owns the recording: manifest, playlist.

In: its bytes. Out: the object, verified where that is asked for. Where the store has conditional writes (S3, GCS,
Azure) every write names the version it replaces. So two attempts can't both believe that they own it, and a write that
was given up, because its answer did not come, can't land behind a later one. On plain files it reads before it writes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from egress_recorder.errors import (
    ObjectChangedError,
    ObjectDamagedError,
    ObjectExistsError,
    StoreUnreachableError,
)
from egress_recorder.store import Store, StoredObject, Version

_TRIES: Final = 5


class OwnedObject:
    """One such object.

    Args:
        store: where it is.
        name: its name there.
        content_type: for HTTP.
        look: reads what is there now, None when there is nothing; raises when the recording isn't ours.
        fact: a key and a value to keep beside the content.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        content_type: str,
        look: Callable[[], Awaitable[StoredObject | None]],
        fact: tuple[str, str] | None = None,
    ) -> None:
        self._store = store
        self._name = name
        self._content_type = content_type
        self._look = look
        self._fact = fact
        self._conditional = True
        self._lock = asyncio.Lock()
        self._in_doubt = False
        """Whether it is not known what came of the last write."""
        self.version: Version | None = None
        """What is there, as far as is known."""

    async def write(self, data: bytes, *, verified: bool, cache_control: str | None) -> None:
        """Replace it.

        Raises:
            RecorderError: nothing was written, or it is not known; writing again is safe.
        """
        async with self._lock:
            if self._in_doubt and await self._is_there(data):
                return
            self._in_doubt = True
            await self._replace(data, verified=verified, cache_control=cache_control)
            self._in_doubt = False

    async def _replace(self, data: bytes, *, verified: bool, cache_control: str | None) -> None:
        for _ in range(_TRIES):
            try:
                written = await self._put(data, cache_control)
            except (ObjectExistsError, ObjectChangedError):
                # Either somebody else wrote it, or we did and the answer was lost.
                if await self._is_there(data):
                    return
            except NotImplementedError:
                self._conditional = False
            else:
                self.version = written
                if verified:
                    await self._verify(data, written)
                return
        raise StoreUnreachableError(f"{self._name} in {self._store.url} changed with every try to write it.")

    async def _is_there(self, data: bytes) -> bool:
        there = await self._look()
        self.version = there.version if there else None
        return there is not None and there.data == data

    async def _put(self, data: bytes, cache_control: str | None) -> Version:
        if not self._conditional:
            await self._look()
        return await self._store.put(
            self._name,
            data,
            content_type=self._content_type,
            cache_control=cache_control,
            fact=self._fact,
            only_over=self.version if self._conditional else None,
            create=self._conditional and self.version is None,
        )

    async def _verify(self, data: bytes, written: Version) -> None:
        try:
            self.version = await self._store.verify(self._name, data, written)
        except ObjectDamagedError as error:
            self.version = error.version
            raise
