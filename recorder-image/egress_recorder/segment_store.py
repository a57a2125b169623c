"""One segment's way into the store: written once, verified, never over anything of somebody else's.

In: a name, the bytes, and the facts that go with them. Out: an object that holds these bytes, under that name, or
under another one where the name is taken. What a lost answer or a damaged transfer left of an earlier try is told from
another attempt's object by the facts beside its content.
"""

import secrets
from dataclasses import dataclass

from egress_recorder.adoption import FACT_KEY
from egress_recorder.errors import (
    ObjectChangedError,
    ObjectDamagedError,
    ObjectExistsError,
    StoreUnreachableError,
)
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.store import Store, Version


@dataclass(slots=True)
class SegmentWrite:
    """A segment to be stored, and what earlier tries have found out."""

    name: str
    """May change: the name that counts is the one after the last try."""
    data: bytes
    fact: str
    damaged: Version | None = None
    """An object of ours under that name which is to be written over."""
    in_doubt: bool = False
    """Whether it is not known what came of the last try."""


class SegmentStore:
    """Writes segments into one task's folder."""

    def __init__(self, store: Store, *, manifest: ManifestStore) -> None:
        self._store = store
        self._manifest = manifest
        self._can_create = True
        self._can_replace = True

    async def put(self, write: SegmentWrite) -> None:
        """Try once; when it returns, the segment is in the store under `write.name` and verified.

        Raises:
            RecorderError: it is not, or it is not known; trying again is safe.
        """
        if write.in_doubt:
            there = await self._store.get(write.name, size=len(write.data))
            if there is not None and there.data == write.data:
                return
        write.in_doubt = True
        while True:
            try:
                version = await self._write(write)
                await self._store.verify(write.name, write.data, version)
            except ObjectDamagedError as error:
                write.damaged = error.version
                raise
            except (ObjectExistsError, ObjectChangedError):
                if await self._is_there(write):
                    return
                write.name = f"{write.name.removesuffix('.ts')}-{secrets.token_hex(3)}.ts"
            except NotImplementedError:
                # Plain files have the one and not the other, some S3 servers have neither.
                if write.damaged is None:
                    self._can_create = False
                else:
                    self._can_replace = False
            else:
                return

    async def _write(self, write: SegmentWrite) -> Version:
        if not (self._can_create if write.damaged is None else self._can_replace):
            # Without a condition, so: is the folder still ours?
            await self._manifest.read()
        return await self._store.put(
            write.name,
            write.data,
            content_type="video/mp2t",
            fact=(FACT_KEY, write.fact),
            lasting=True,
            only_over=write.damaged if self._can_replace else None,
            create=write.damaged is None and self._can_create,
        )

    async def _is_there(self, write: SegmentWrite) -> bool:
        """Look at what has the name already: these bytes, or somebody else's (False).

        Raises:
            ObjectDamagedError: it is ours, and not what was written.
            RecorderError: another attempt has taken over, or the store can't tell.
        """
        await self._manifest.read()
        write.damaged = None
        there = await self._store.get(write.name, size=len(write.data))
        if there is None:
            raise StoreUnreachableError(f"{write.name} is being written by another request.")
        if there.data == write.data:
            return True
        if there.facts.get(FACT_KEY) == write.fact:
            write.damaged = there.version
            raise ObjectDamagedError(
                f"{write.name} is in {self._store.url} with other bytes than were written.",
                version=there.version,
            )
        return False
