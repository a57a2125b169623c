"""Closed segments into the store, then into manifest and playlist, for as long as it takes.

In: spooled segments, in order. Out: verified objects; a manifest and a playlist that list them in order.
Capture never waits for it, and while recording it never gives up. The manifest is always written before the
playlist: what players can see, the next attempt can go on from.

It must not overwrite: a segment is written only where there is no object yet, and when a later attempt has
taken over, nothing at all is written any more (`fatal`).
"""

import asyncio
import contextlib
import hashlib
import secrets
from typing import Final

from egress_recorder import backoff
from egress_recorder.adoption import FACT_KEY, fact_of
from egress_recorder.context import Context
from egress_recorder.errors import ObjectExistsError, RecorderError, StoreError, StoreUnreachableError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import EVIDENCE, Recording, SpooledSegment, StoredSegment
from egress_recorder.store import Store, Version, etag_proves

_HURRIED_PAUSE: Final = 2.0
_SEGMENTS_PER_STEP: Final = 900
"""Every so many segments (an hour of 4 s) the lists are written one segment more rarely: they grow, and
writing them each time would in the end cost more than the media."""


class Uploader:
    """The way of a recording into the store; `run` works until it is cancelled."""

    def __init__(
        self, context: Context, *, store: Store, manifest: ManifestStore, recording: Recording
    ) -> None:
        self._config = context.config
        self._settings = context.settings
        self._clock = context.clock
        self._live = context.live
        self._log = context.log
        self._store = store
        self._manifest = manifest
        self._recording = recording
        self._queue: asyncio.Queue[SpooledSegment] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._finishing = asyncio.Event()
        self._create = True
        self._published = recording.listed
        self.last_error: StoreError | None = None
        self.fatal: RecorderError | None = None
        """What forbids every further write."""

    def submit(self, segment: SpooledSegment) -> None:
        """Take a closed segment."""
        self._queue.put_nowait(segment)

    def hurry(self) -> None:
        """Shorten the pauses between tries: the recording has ended."""
        self._finishing.set()

    async def run(self) -> None:
        """Upload and publish until cancelled; a fault of our own ends the recording by `fatal`."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._settings.upload_parallel):
                    tasks.create_task(self._work())
                tasks.create_task(self._publish_while_recording())
        except* Exception as faults:  # noqa: BLE001 - logged, and the recording still ends in order
            self._log.exception("uploader-failed")
            first = faults.exceptions[0]
            self.fatal = RecorderError(f"The uploader failed unexpectedly ({type(first).__name__}: {first}).")

    async def publish(self) -> None:
        """Write the manifest, then the playlist, as they are now.

        Raises:
            RecorderError: what went wrong; nothing is retried here.
        """
        listed = self._recording.listed
        await self._manifest.write(self._recording.manifest())
        if listed:
            await self._put_playlist(self._recording.playlist(ended=False), ended=False)
        self._published = listed

    async def put_evidence(self) -> None:
        """Store what shows why a page failed.

        Raises:
            RecorderError: what went wrong; nothing is retried here.
        """
        for name, kind, data in self._recording.evidence:
            # Without a condition, so: is the folder still ours?
            await self._manifest.read()
            version = await self._store.put(name, data, content_type=EVIDENCE[kind][1])
            await self._verify(name, data, version)
            self._recording.mark_evidence(name, kind, data)

    async def finish(self, *, complete: bool, reason: str) -> None:
        """Write the last playlist, and the manifest that says so; no playlist where nothing was recorded.

        Raises:
            RecorderError: what went wrong; nothing is retried here.
        """
        await self.put_evidence()
        if self._recording.listed != self._published:
            await self._manifest.write(self._recording.manifest())
        else:
            # The playlist is written without a condition: a later attempt's must not be ended by us.
            await self._manifest.read()
        sha256 = None
        if self._recording.listed:
            playlist = self._recording.playlist(ended=True)
            await self._put_playlist(playlist, ended=True)
            sha256 = hashlib.sha256(playlist).hexdigest()
        await self._manifest.write(
            self._recording.manifest(complete=complete, reason=reason, playlist_sha256=sha256)
        )
        self._live.playlist_sha256 = sha256

    async def _work(self) -> None:
        while self.fatal is None:
            await self._upload(await self._queue.get())

    async def _upload(self, segment: SpooledSegment) -> None:
        try:
            data = await asyncio.to_thread(segment.path.read_bytes)
        except OSError as error:
            self._log.error("segment-lost", name=segment.name, error=str(error))
            self._recording.mark_lost(segment.number)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        name, tries = segment.name, 0
        while self.fatal is None:
            try:
                if await self._put_segment(name, data, fact=fact_of(segment, self._config, sha256=sha256)):
                    break
            except RecorderError as error:
                tries += 1
                await self._note_failure(error, tries, what=name)
                continue
            self._log.warning("segment-name-taken", name=name)
            name = f"{segment.name.removesuffix('.ts')}-{secrets.token_hex(3)}.ts"
        if self.fatal is not None:
            return
        self._recording.mark_stored(
            segment.number, StoredSegment(name=name, sha256=sha256, uploaded_at=self._clock.now())
        )
        self._live.uploaded += 1
        self._live.uploaded_bytes += len(data)
        self._changed.set()
        with contextlib.suppress(OSError):
            segment.path.unlink()

    async def _put_segment(self, name: str, data: bytes, *, fact: str) -> bool:
        """Write and verify one segment; False when the name is taken by other content."""
        try:
            version = await self._store.put(
                name,
                data,
                content_type="video/mp2t",
                fact=(FACT_KEY, fact),
                create=self._create,
            )
        except NotImplementedError:
            self._create = False
            return await self._put_segment(name, data, fact=fact)
        except ObjectExistsError:
            # Ours, from a try whose answer was lost; or another attempt's, which may have taken over.
            await self._manifest.read()
            there = await self._store.get(name)
            if there is None:
                raise StoreUnreachableError(f"{name} is being written by another request.") from None
            return there.data == data
        await self._verify(name, data, version)
        return True

    async def _verify(self, name: str, data: bytes, version: Version) -> None:
        if not etag_proves(version, data=data) and (size := await self._store.size(name)) != len(data):
            raise StoreUnreachableError(f"{name} has {size} bytes in the store, not {len(data)}.")

    async def _publish_while_recording(self) -> None:
        tries = 0
        while self.fatal is None:
            await self._changed.wait()
            self._changed.clear()
            if self._recording.listed - self._published < 1 + self._recording.listed // _SEGMENTS_PER_STEP:
                continue
            try:
                await self.publish()
            except RecorderError as error:
                tries += 1
                await self._note_failure(error, tries, what="manifest and playlist")
                self._changed.set()
            else:
                tries = 0

    async def _put_playlist(self, playlist: bytes, *, ended: bool) -> None:
        name = self._recording.playlist_name
        version = await self._store.put(
            name,
            playlist,
            content_type="application/vnd.apple.mpegurl",
            cache_control=None if ended else "no-cache",
        )
        if ended:
            await self._verify(name, playlist, version)

    async def _note_failure(self, error: RecorderError, tries: int, *, what: str) -> None:
        """Decide what an error means: the end for good, or another try after a pause."""
        if not isinstance(error, StoreError):
            self.fatal = error
            self._log.error("upload-forbidden", what=what, error=str(error))
            return
        self.last_error = error
        self._live.upload_failures += 1
        self._log.warning("upload-failed", what=what, tries=tries, error=str(error))
        ceiling = _HURRIED_PAUSE if self._finishing.is_set() else self._settings.upload_backoff_seconds
        # The end of the recording is worth a try at once.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(backoff.pause(tries, ceiling=ceiling)):
                await (asyncio.Event().wait() if self._finishing.is_set() else self._finishing.wait())
