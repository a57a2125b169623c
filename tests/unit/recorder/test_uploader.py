"""The way of a segment into the store, against obstore's in-memory store, which has conditional writes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
import structlog
from obstore.store import MemoryStore

from egress_api.manifest import End, Manifest
from egress_api.states import Reason, State
from egress_recorder import uploader
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.ending import Ending
from egress_recorder.errors import FencedError, StoreUnreachableError
from egress_recorder.finalizing import Finalizing
from egress_recorder.live import Live
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.packaging import Packaging
from egress_recorder.people import People
from egress_recorder.recording import Recording, SpooledSegment, StoredSegment
from egress_recorder.segment_store import SegmentStore, SegmentWrite
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal
from egress_recorder.store import Store, Version
from egress_recorder.uploader import Uploader
from support.recorder import NOW, recorder_config

STOPPED = End(state=State.STOPPED, reason=Reason.STOP_REQUESTED, at=NOW)


class WatchedStore(Store):
    """The real thing, noting each write, and failing as often as it is told."""

    def __init__(self, tmp_path: Path) -> None:
        config = recorder_config(store={"url": tmp_path.joinpath("store").as_uri()}).store
        super().__init__(config, credentials_dir=tmp_path / "none")
        self._store = MemoryStore()
        self._local = False
        self.written: list[str] = []
        self.failures = 0
        self.answers_lost = 0
        self.meanwhile: Callable[[], object] | None = None

    async def put(self, name: str, content: bytes, **how: object) -> Version:
        if self.failures:
            self.failures -= 1
            raise StoreUnreachableError("not now")
        version = await super().put(name, content, **how)  # type: ignore[arg-type]
        self.written.append(name)
        if self.meanwhile is not None and name == "manifest.json":
            self.meanwhile()
        if self.answers_lost:
            self.answers_lost -= 1
            raise StoreUnreachableError("the answer was lost")
        return version


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await what():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class World:
    """An uploader with everything around it."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        config = recorder_config(finalize_seconds=4)
        self.store = WatchedStore(tmp_path)
        self.manifest = ManifestStore(self.store, config)
        self.recording = Recording(config, created_at=NOW)
        self.live = Live(config=config, people=People(now=0.0), beat_at=0.0, recording=self.recording)
        self.context = Context(
            config=config,
            settings=Settings(upload_backoff_seconds=0.05),
            clock=SystemClock(),
            live=self.live,
            stop=StopSignal(),
            log=structlog.get_logger(),
        )
        self.uploader = Uploader(
            self.context, store=self.store, manifest=self.manifest, recording=self.recording
        )

    def close_segment(self, content: bytes | None = b"media") -> SpooledSegment:
        path = self.tmp_path / f"seg_{time.monotonic_ns()}.ts"
        if content is not None:
            path.write_bytes(content)
        segment = self.recording.add(path, size_bytes=len(content or b""), started_at=NOW, seconds=4.0)
        self.uploader.submit(segment)
        return segment

    async def until_published(self, listed: int) -> Manifest:
        async def published() -> bool:
            found = await self.store.get("out.m3u8")
            return found is not None and found.data.count(b"#EXTINF") >= listed

        await until(published)
        manifest = await self.manifest.read()
        assert manifest is not None
        return manifest


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    running = asyncio.create_task(made.uploader.run())
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_segment_is_stored_before_the_manifest_and_that_before_the_playlist(world: World) -> None:
    segment = world.close_segment()
    await world.until_published(1)
    assert world.store.written == ["out_000000.ts", "manifest.json", "out.m3u8"]
    assert not segment.path.exists()


async def test_a_store_that_fails_is_asked_again_until_it_takes_everything(world: World) -> None:
    world.store.failures = 7
    for _ in range(4):
        world.close_segment()
    manifest = await world.until_published(4)
    assert [s.name for s in manifest.segments] == [f"out_{n:06d}.ts" for n in range(4)]
    assert (world.live.upload_failures, world.live.uploaded) == (7, 4)


async def test_a_write_whose_answer_was_lost_is_recognised_as_ours(world: World) -> None:
    world.store.answers_lost = 1
    world.close_segment()
    manifest = await world.until_published(1)
    assert [s.name for s in manifest.segments] == ["out_000000.ts"]


async def test_an_object_of_somebody_else_is_never_overwritten(world: World) -> None:
    await world.store.put("out_000000.ts", b"theirs", content_type="video/mp2t")
    world.close_segment()
    (segment,) = (await world.until_published(1)).segments
    assert segment.name.startswith("out_000000-")
    theirs, ours = await world.store.get("out_000000.ts"), await world.store.get(segment.name)
    assert theirs is not None
    assert ours is not None
    assert (theirs.data, ours.data) == (b"theirs", b"media")


async def test_a_segment_that_can_not_be_read_leaves_a_gap_and_no_queue(world: World) -> None:
    world.close_segment()
    world.close_segment(content=None)
    world.close_segment()
    manifest = await world.until_published(2)
    assert [(s.name, s.discontinuity) for s in manifest.segments] == [
        ("out_000000.ts", False),
        ("out_000002.ts", True),
    ]
    assert world.recording.lost == 1


async def test_a_segment_that_can_not_be_read_for_a_moment_is_read_again(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        segment = world.close_segment(None)
        segment.path.mkdir()  # no file, and not gone either

        async def tried() -> bool:
            return any(line["event"] == "segment-unread" for line in logs)

        await until(tried)
    segment.path.rmdir()
    segment.path.write_bytes(b"media")
    manifest = await world.until_published(1)
    assert (len(manifest.segments), world.recording.lost) == (1, 0)


async def test_a_panic_below_is_a_store_that_did_not_answer(world: World) -> None:
    class PanicException(BaseException):
        pass

    async def panic(_: object) -> None:
        raise PanicException("unwrap")

    with pytest.raises(StoreUnreachableError, match="unwrap"):
        await world.store._ask(panic, "read", "x")


async def test_nothing_is_written_once_a_later_attempt_has_taken_over(world: World) -> None:
    world.close_segment()
    await world.until_published(1)
    later = recorder_config(attempt=2)
    theirs = ManifestStore(world.store, later)
    await theirs.read()
    await theirs.write(Recording(later, created_at=NOW).manifest())
    world.close_segment()

    async def gave_up() -> bool:
        return world.uploader.fatal is not None

    await until(gave_up)
    assert isinstance(world.uploader.fatal, FencedError)
    written = list(world.store.written)
    world.close_segment()
    with pytest.raises(FencedError):
        await world.uploader.finish(complete=True, end=STOPPED)
    assert world.store.written == written


async def test_the_end_writes_the_playlist_and_then_a_manifest_that_names_its_bytes(world: World) -> None:
    world.close_segment()
    await world.until_published(1)
    world.store.written.clear()
    await world.uploader.finish(complete=True, end=STOPPED)
    assert world.store.written == ["out.m3u8", "manifest.json"]
    manifest = await world.manifest.read()
    assert manifest is not None
    assert (manifest.complete, manifest.reason) == (True, "StopRequested")
    assert manifest.files[0].sha256 == world.live.playlist_sha256


async def test_an_overtaken_attempt_with_nothing_new_does_not_end_the_other_ones_playlist(
    world: World,
) -> None:
    world.close_segment()
    await world.until_published(1)
    later = recorder_config(attempt=2)
    theirs = ManifestStore(world.store, later)
    await theirs.read()
    await theirs.write(Recording(later, created_at=NOW).manifest())
    world.store.written.clear()
    with pytest.raises(FencedError):
        await world.uploader.finish(complete=True, end=STOPPED)
    assert world.store.written == []


@pytest.mark.parametrize("signals", [1, 2])
async def test_a_sigterm_while_the_lists_are_closed_bounds_how_long_that_is_tried(
    world: World, signals: int
) -> None:
    world.close_segment()
    await world.until_published(1)
    world.store.failures = 1_000_000
    idle = asyncio.create_task(asyncio.sleep(0))
    parts = {"recording": world.recording, "uploader": world.uploader}
    finalizing = Finalizing(world.context, packaging=mock.Mock(spec=Packaging), **parts)
    ended = asyncio.create_task(
        finalizing.run(Ending.stopped(Reason.SOURCE_CLOSED, "The channel was closed."), uploading=idle)
    )

    async def tried() -> bool:
        return world.store.failures < 999_998

    await until(tried)
    for _ in range(signals):
        world.context.stop.ask(now=world.context.clock.monotonic())
    async with asyncio.timeout(8):
        ending, uploaded = await ended
    assert (ending.reason, uploaded) == (Reason.STORE_UNREACHABLE, False)
    assert "could not be closed: not now" in ending.message


async def test_an_end_without_segments_writes_no_playlist(world: World) -> None:
    await world.uploader.finish(complete=True, end=STOPPED)
    assert world.store.written == ["manifest.json"]


async def test_the_playlist_never_lists_what_the_manifest_before_it_does_not(tmp_path: Path) -> None:
    world = World(tmp_path)

    def list_another() -> None:
        segment = world.recording.add(tmp_path, size_bytes=1, started_at=NOW, seconds=4.0)
        stored = StoredSegment(name=segment.name, sha256="0" * 64, uploaded_at=NOW)
        world.recording.mark_stored(segment.number, stored)

    list_another()
    world.store.meanwhile = list_another
    await world.uploader.publish()
    playlist, manifest = await world.store.get("out.m3u8"), await world.manifest.read()
    assert playlist is not None
    assert manifest is not None
    assert (playlist.data.count(b"#EXTINF"), len(manifest.segments), world.recording.listed) == (1, 1, 2)


async def test_the_manifest_knows_of_a_pause_at_once_though_no_segment_comes(world: World) -> None:
    world.close_segment()
    await world.until_published(1)

    async def kept(seconds: list[float]) -> bool:
        manifest = await world.manifest.read()
        return manifest is not None and [gap.seconds for gap in manifest.gaps] == seconds

    world.recording.pause_began(NOW + timedelta(seconds=4))
    world.uploader.pause_changed()
    await until(lambda: kept([0.0]))
    world.recording.pause_ended(NOW + timedelta(seconds=60))
    world.uploader.pause_changed()
    await until(lambda: kept([56.0]))


async def test_the_last_segments_before_a_pause_are_listed_though_lists_are_written_rarely(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "_SEGMENTS_PER_STEP", 1)
    for _ in range(2):
        world.close_segment()
    world.recording.pause_began(NOW + timedelta(seconds=8))
    world.uploader.pause_changed()
    await world.until_published(2)


async def test_on_plain_files_every_segment_is_listed_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "_SEGMENTS_PER_STEP", 1)
    monkeypatch.setattr(world.store, "_local", True)
    for number in range(3):
        world.close_segment()
        await world.until_published(number + 1)


class Unconditional(WatchedStore):
    """A store that can neither create only nor replace a version."""

    async def put(self, name: str, content: bytes, **how: object) -> Version:
        if how.get("create") or how.get("only_over"):
            raise NotImplementedError
        return await super().put(name, content, **how)


async def test_without_conditional_writes_an_overtaken_attempt_overwrites_no_segment(tmp_path: Path) -> None:
    store = Unconditional(tmp_path)
    config, later = recorder_config(), recorder_config(attempt=2)
    manifest = ManifestStore(store, config)
    await manifest.write(Recording(config, created_at=NOW).manifest())
    segments = SegmentStore(store, manifest=manifest)
    await segments.put(SegmentWrite("out_000000.ts", b"ours", "v1"))
    theirs = ManifestStore(store, later)
    await theirs.read()
    await theirs.write(Recording(later, created_at=NOW).manifest())
    with pytest.raises(FencedError):
        await segments.put(SegmentWrite("out_000000.ts", b"late", "v1"))
    found = await store.get("out_000000.ts")
    assert found is not None
    assert found.data == b"ours"
