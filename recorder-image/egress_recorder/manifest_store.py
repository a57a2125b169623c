"""manifest.json in the store: read, claimed, written, and never over a later attempt's.

In: the manifest's bytes. Out: the object, each time verified, for the next attempt goes on from it. `OwnedObject`
holds that only one attempt writes; here is what tells ours from another's.
"""

from pydantic import ValidationError

from egress_api.constants import MANIFEST_NAME
from egress_api.manifest import Manifest
from egress_api.recorder import RecorderConfig
from egress_recorder.adoption import FACT_KEY
from egress_recorder.errors import FencedError, OutputExistsError, StoreUnreachableError
from egress_recorder.owned_object import OwnedObject
from egress_recorder.store import Store, StoredObject


class ManifestStore:
    """The manifest object of one task, as one attempt sees it."""

    def __init__(self, store: Store, config: RecorderConfig) -> None:
        self._store = store
        self._config = config
        self._fact = (FACT_KEY, f"manifest-v1;{config.task_uid};{config.attempt}")
        self._object = OwnedObject(
            store, MANIFEST_NAME, content_type="application/json", look=self._look, fact=self._fact
        )
        self._earlier: Manifest | None = None
        """What was read before anything was written: a first write that arrives damaged must not lose it."""
        self._written = False

    async def read(self) -> Manifest | None:
        """Return the manifest of this or earlier attempts, or None when there is none to go on from.

        Raises:
            OutputExistsError: it is another task's.
            FencedError: it is a later attempt's.
            StoreError: it could not be read.
        """
        _, manifest = await self._read()
        return manifest

    async def write(self, data: bytes) -> None:
        """Replace the manifest.

        Raises:
            OutputExistsError, FencedError: as `read`; nothing was written then.
            StoreError: it may or may not have been written; writing again is safe. Before the first write has worked,
                though, only after reading again: an earlier attempt may have written meanwhile.
        """
        await self._object.write(data, verified=True, cache_control="no-cache")
        self._written, self._earlier = True, None

    async def _look(self) -> StoredObject | None:
        known = self._object.version
        found, manifest = await self._read()
        if not found or not manifest or self._written or found.version == known:
            return found
        # What is to be written was made from what was there before: it lacks what that attempt has listed since.
        if manifest.attempt < self._config.attempt:
            raise StoreUnreachableError(
                f"Attempt {manifest.attempt} still writes to {self._store.url}; what it has added is read first."
            )
        return found

    async def _read(self) -> tuple[StoredObject | None, Manifest | None]:
        found = await self._store.get(MANIFEST_NAME)
        manifest = self._ours(found) if found else None
        if not self._written:
            self._earlier = manifest
        # Only now: knowing another attempt's version would be leave to overwrite it.
        self._object.version = found.version if found else None
        return found, manifest

    def _ours(self, found: StoredObject) -> Manifest | None:
        try:
            return check_ours(found.data, self._config, url=self._store.url)
        except (OutputExistsError, FencedError):
            # A write of this attempt that did not arrive whole: no reason to give the recording up.
            if found.facts.get(FACT_KEY) == self._fact[1]:
                return self._earlier
            raise


def check_ours(data: bytes, config: RecorderConfig, *, url: str) -> Manifest:
    """Return the manifest in `data` if this attempt may go on from it.

    Raises:
        OutputExistsError: it is no manifest that this version reads, or another task's.
        FencedError: a later attempt wrote it.
    """
    try:
        # Also within `video` and `audio`, which are strict for users: a newer recorder may have said more.
        manifest = Manifest.model_validate_json(data, extra="ignore")
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
