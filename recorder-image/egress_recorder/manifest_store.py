"""manifest.json in the store: read, claimed, written, and never over a later attempt's.

Where the store has conditional writes (S3, GCS, Azure) every write names the version it replaces, so two
attempts can't both believe they own the recording. On plain files it reads before it writes.
"""

import asyncio
from typing import Final

from pydantic import ValidationError

from egress_api.constants import MANIFEST_NAME
from egress_api.manifest import Manifest
from egress_api.recorder import RecorderConfig
from egress_recorder.errors import (
    FencedError,
    ObjectChangedError,
    ObjectExistsError,
    OutputExistsError,
    StoreUnreachableError,
)
from egress_recorder.store import Store, Version

_TRIES: Final = 5


class ManifestStore:
    """The manifest object of one task, as one attempt sees it."""

    def __init__(self, store: Store, config: RecorderConfig) -> None:
        self._store = store
        self._config = config
        self._version: Version | None = None
        self._conditional = True
        self._lock = asyncio.Lock()

    async def read(self) -> Manifest | None:
        """Return the manifest of earlier attempts, or None when the folder is new.

        Raises:
            OutputExistsError: it is another task's.
            FencedError: it is a later attempt's.
            StoreError: it could not be read.
        """
        found = await self._store.get(MANIFEST_NAME)
        if found is None:
            self._version = None
            return None
        manifest = check_ours(found.data, self._config, url=self._store.url)
        # Only now: knowing another attempt's version would be leave to overwrite it.
        self._version = found.version
        return manifest

    async def write(self, data: bytes) -> None:
        """Replace the manifest.

        Raises:
            OutputExistsError, FencedError, StoreError: as `read`; nothing was written then.
        """
        async with self._lock:
            for _ in range(_TRIES):
                try:
                    if self._conditional:
                        self._version = await self._put(data)
                    else:
                        await self.read()
                        await self._put(data, overwrite=True)
                except (ObjectExistsError, ObjectChangedError):
                    # Either somebody else wrote it, or we did and the answer was lost.
                    await self.read()
                except NotImplementedError:
                    self._conditional = False
                else:
                    return
        raise StoreUnreachableError(
            f"{MANIFEST_NAME} in {self._store.url} changed with every try to write it."
        )

    async def _put(self, data: bytes, *, overwrite: bool = False) -> Version:
        return await self._store.put(
            MANIFEST_NAME,
            data,
            content_type="application/json",
            cache_control="no-cache",
            only_over=None if overwrite else self._version,
            create=not overwrite and self._version is None,
        )


def check_ours(data: bytes, config: RecorderConfig, *, url: str) -> Manifest:
    """Return the manifest in `data` if this attempt may go on from it.

    Raises:
        OutputExistsError: it is no manifest that this version reads, or another task's.
        FencedError: a later attempt wrote it.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        raise OutputExistsError(
            f"{url} already holds a {MANIFEST_NAME} that this recorder can't read; it is left as it is. "
            "Start another task, with a name of its own."
        ) from None
    if manifest.task_uid != config.task_uid:
        raise OutputExistsError(
            f"{url} already holds the recording of another task ({manifest.task_id}, UID {manifest.task_uid}); "
            "it is left as it is. Start another task with a name of its own, or move the old recording away."
        )
    if manifest.attempt > config.attempt:
        raise FencedError(
            f"Attempt {manifest.attempt} has taken this recording over; attempt {config.attempt} ends."
        )
    return manifest
