"""Closed segments into the store, then into manifest and playlist, for as long as it takes.

In: spooled segments, in order. Out: verified objects; a manifest and a playlist that list them in order.
Capture never waits for it, and while recording it never gives up: whatever the store says may be mended. The
manifest is always written before the playlist: what players can see, the next attempt can go on from.

It must not overwrite what others wrote: a segment is written only where there is no object yet, or over one of
ours that arrived damaged; and when a later attempt has taken over, nothing at all is written any more (`fatal`).
"""

import asyncio
import contextlib
import hashlib
from typing import Final

from egress_api.manifest import End
from egress_recorder import backoff
from egress_recorder.adoption import fact_of
from egress_recorder.backoff import SharedBackoff
from egress_recorder.context import Context
from egress_recorder.errors import RecorderError, StoreError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.owned_object import OwnedObject
from egress_recorder.recording import EVIDENCE, Recording, SpooledSegment, StoredSegment
from egress_recorder.segment_store import SegmentStore, SegmentWrite
from egress_recorder.store import Store, StoredObject
from egress_recorder.tracing import UploadSpans

_HURRIED_PAUSE: Final = 2.0
_READ_TRIES: Final = 4
"""Of a spooled file: too many open files, or a disk that stutters, is over in a second or two."""
_SEGMENTS_PER_STEP: Final = 900
"""Every so many segments (an hour of 4 s) the lists are written one segment more rarely: they grow, and
writing them each time would in the end cost more than the media. Not on plain files, where it costs little."""


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
        self._segments = SegmentStore(store, manifest=manifest)
        self._playlist = OwnedObject(
            store,
            recording.playlist_name,
            content_type="application/vnd.apple.mpegurl",
            look=self._look_at_playlist,
        )
        self._backoff = SharedBackoff(clock=context.clock, ceiling=context.settings.upload_backoff_seconds)
        self._published, self._paused_published = recording.listed, recording.paused
        self._spans = UploadSpans(context.span)
        self.last_error: StoreError | None = None
        """Why the newest try failed; None once one has worked."""
        self.fatal: RecorderError | None = None
        """What forbids every further write."""

    def submit(self, segment: SpooledSegment) -> None:
        """Take a closed segment."""
        self._queue.put_nowait(segment)

    def pause_changed(self) -> None:
        """See to it that the manifest knows of a pause: whoever goes on from it must not take that for a loss."""
        self._changed.set()

    def hurry(self) -> None:
        """Shorten the pauses between tries: the recording has ended."""
        self._backoff.hurry(ceiling=_HURRIED_PAUSE)

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
        listed, paused = self._recording.listed, self._recording.paused
        # Both of the same instant: more is listed while the manifest is written, and a playlist that is ahead
        # of it would be cut short by the next attempt.
        manifest, playlist = self._recording.manifest(), self._recording.playlist(ended=False)
        await self._manifest.write(manifest)
        if listed:
            await self._playlist.write(playlist, verified=False, cache_control="no-cache")
        self._published, self._paused_published = listed, paused

    async def put_evidence(self) -> None:
        """Store what shows why a page failed.

        Raises:
            RecorderError: what went wrong; nothing is retried here.
        """
        for name, kind, data in self._recording.evidence:
            # Without a condition, so: is the folder still ours?
            await self._manifest.read()
            version = await self._store.put(name, data, content_type=EVIDENCE[kind][1])
            await self._store.verify(name, data, version)
            self._recording.mark_evidence(name, kind, data)

    async def finish(self, *, complete: bool, end: End) -> None:
        """Write the last playlist, and the manifest that says so; no playlist where nothing was recorded.

        Raises:
            RecorderError: what went wrong; nothing is retried here, and doing it again is safe.
        """
        try:
            await self._finish(complete=complete, end=end)
        except StoreError as error:
            self.last_error = error
            raise
        self.last_error = None

    async def _finish(self, *, complete: bool, end: End) -> None:
        self._spans.flush()
        await self.put_evidence()
        if self._recording.listed != self._published:
            await self._manifest.write(self._recording.manifest())
            # Not to be written again over the complete one, whose answer may get lost.
            self._published = self._recording.listed
        else:
            # A later attempt's playlist must not be ended by us.
            await self._manifest.read()
        sha256 = None
        if self._recording.listed:
            playlist = self._recording.playlist(ended=True)
            sha256 = hashlib.sha256(playlist).hexdigest()
            # It is there already when this is the end of the end: a file has been made meanwhile.
            if sha256 != self._live.playlist_sha256:
                await self._playlist.write(playlist, verified=True, cache_control=None)
        await self._manifest.write(
            self._recording.manifest(complete=complete, end=end, playlist_sha256=sha256)
        )
        self._live.playlist_sha256 = sha256

    async def _work(self) -> None:
        while self.fatal is None:
            await self._upload(await self._queue.get())

    async def _upload(self, segment: SpooledSegment) -> None:
        if not self._recording.waits(segment.number):
            return
        began = self._clock.now()
        data = await self._read(segment)
        if data is None:
            self._recording.mark_lost(segment.number)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        write = SegmentWrite(segment.name, data, fact_of(segment, self._config, sha256=sha256))
        while not await self._put(segment, write):
            # It may have been dropped while it waited, or all is over.
            if self.fatal is not None or not self._recording.waits(segment.number):
                return
        self._recording.mark_stored(
            segment.number, StoredSegment(name=write.name, sha256=sha256, uploaded_at=self._clock.now())
        )
        self._spans.stored(write.name, size_bytes=len(data), began=began)
        self._live.uploaded += 1
        self._live.uploaded_bytes += len(data)
        self._changed.set()
        with contextlib.suppress(OSError):
            segment.path.unlink()

    async def _read(self, segment: SpooledSegment) -> bytes | None:
        """Read a spooled segment; None when it is gone, or can't be read however often it is tried."""
        for tries in range(1, _READ_TRIES + 1):
            try:
                return await asyncio.to_thread(segment.path.read_bytes)
            except OSError as error:
                self._log.error("segment-unread", name=segment.name, tries=tries, error=str(error))
                if isinstance(error, FileNotFoundError):
                    break
                await asyncio.sleep(backoff.pause(tries))
        return None

    async def _put(self, segment: SpooledSegment, write: SegmentWrite) -> bool:
        """Try once to store a segment, when it is its turn; say whether it is there and verified."""
        try:
            async with self._backoff.turn():
                if self.fatal is not None or not self._recording.waits(segment.number):
                    return False
                await self._segments.put(write)
        except RecorderError as error:
            self._note_failure(error, what=write.name)
            return False
        self.last_error = None
        return True

    async def _publish_while_recording(self) -> None:
        while self.fatal is None:
            await self._changed.wait()
            self._changed.clear()
            if not self._is_worth_publishing():
                continue
            try:
                async with self._backoff.turn():
                    await self.publish()
            except RecorderError as error:
                self._note_failure(error, what="manifest and playlist")
                self._changed.set()
            else:
                self.last_error = None

    def _is_worth_publishing(self) -> bool:
        book, new = self._recording, self._recording.listed - self._published
        if book.paused or self._paused_published:
            # Nothing more may come for a long time.
            return new > 0 or (book.listed > 0 and book.paused != self._paused_published)
        # Without its facts a segment that no list names is found by nobody.
        return new > (book.listed // _SEGMENTS_PER_STEP if self._store.keeps_facts else 0)

    async def _look_at_playlist(self) -> StoredObject | None:
        # Its name alone says nothing: whose the folder is stands in the manifest.
        await self._manifest.read()
        return await self._store.get(self._recording.playlist_name)

    def _note_failure(self, error: RecorderError, *, what: str) -> None:
        """Decide what an error means: the end for good, or another try."""
        if not isinstance(error, StoreError):
            self.fatal = error
            self._log.error("upload-forbidden", what=what, error=str(error))
            return
        self.last_error = error
        self._live.upload_failures += 1
        self._spans.failed()
        self._log.warning("upload-failed", what=what, tries=self._backoff.tries, error=str(error))
