"""A recorder's uploads before a store that can be made to fail, a player that looks on, and what must be there in the end."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from egress_api.manifest import Manifest
from egress_api.recorder import StoreConfig
from egress_api.states import Reason
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.ending import Ending
from egress_recorder.finalizing import Finalizing
from egress_recorder.live import Live
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.packaging import Packaging
from egress_recorder.people import People
from egress_recorder.recording import Recording
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal
from egress_recorder.store import Store
from egress_recorder.uploader import Uploader
from support.recorder import NOW, recorder_config
from support.store_backends import Backend

CEILING = 0.2
"""Seconds of the longest pause between two tries."""


class World:
    """An uploader before a store that can be made to fail."""

    def __init__(self, folder: Path, store: StoreConfig, *, attempt: int = 1) -> None:
        self.folder = folder
        config = recorder_config(store=store, attempt=attempt, finalize_seconds=60)
        self.store = Store(config.store, credentials_dir=folder / "credentials")
        self.manifest = ManifestStore(self.store, config)
        self.recording = Recording(config, created_at=NOW)
        self.context = Context(
            config=config,
            settings=Settings(upload_backoff_seconds=CEILING),
            clock=SystemClock(),
            live=Live(config=config, people=People(now=0.0), beat_at=0.0, recording=self.recording),
            stop=StopSignal(),
            log=structlog.get_logger(),
        )
        self.uploader = Uploader(
            self.context, store=self.store, manifest=self.manifest, recording=self.recording
        )
        self.contents: list[bytes] = []
        self._uploading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Claim the folder, and begin to upload."""
        await self.manifest.write(self.recording.manifest())
        self._uploading = asyncio.create_task(self.uploader.run())

    async def stop(self) -> None:
        """End the uploads, if they still run."""
        if self._uploading is not None:
            self._uploading.cancel()
            await asyncio.wait({self._uploading})

    def record(self, segments: int) -> None:
        """Close so many segments."""
        for _ in range(segments):
            number = len(self.contents)
            content = f"segment {number} ".encode() * 1500
            path = self.folder / f"seg_{number}.ts"
            path.write_bytes(content)
            self.contents.append(content)
            self.uploader.submit(
                self.recording.add(path, size_bytes=len(content), started_at=NOW, seconds=4.0)
            )

    async def finish(self) -> tuple[Ending, bool]:
        assert self._uploading is not None
        packaging = Packaging(
            self.context, store=self.store, manifest=self.manifest, recording=self.recording
        )
        finalizing = Finalizing(
            self.context, recording=self.recording, uploader=self.uploader, packaging=packaging
        )
        ending = Ending.stopped(Reason.STOP_REQUESTED, "Stopped as asked.")
        return await finalizing.run(ending, uploading=self._uploading)

    @property
    def failures(self) -> int:
        return self.context.live.upload_failures


async def until(what: Callable[[], bool], *, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while True:
        if what():
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class Player:
    """Looks at the playlist all the time, as those who play it do."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.seen: list[str] = []
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            text = (await asyncio.to_thread(self._backend.read, "out.m3u8")).decode()
            if text and (not self.seen or text != self.seen[-1]):
                self.seen.append(text)
            await asyncio.sleep(0.003)

    async def leave(self) -> None:
        self._looking.cancel()
        await asyncio.wait({self._looking})

    def check(self) -> None:
        """Each playlist that was seen is the one before with more behind it; the end is said once."""
        for before, after in zip(self.seen, self.seen[1:], strict=False):
            assert after.startswith(before), "a playlist may only grow"
        assert not any("#EXT-X-ENDLIST" in text for text in self.seen[:-1])


class Volume:
    """A volume's folder, to look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self, _: Path) -> Path:
        return self.folder


def check_complete(world: World, backend: Backend | Volume) -> None:
    """Everything that was recorded is in the store as the manifest says, and is listed in order."""
    folder = backend.fetch(world.folder)
    manifest = Manifest.model_validate_json(folder.joinpath("manifest.json").read_bytes())
    assert manifest.complete
    assert [segment.index for segment in manifest.segments] == list(range(len(world.contents)))
    for segment, content in zip(manifest.segments, world.contents, strict=True):
        assert folder.joinpath(segment.name).read_bytes() == content
        assert (segment.size_bytes, segment.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    playlist = folder.joinpath("out.m3u8").read_bytes()
    listed = [line for line in playlist.decode().splitlines() if line and not line.startswith("#")]
    assert listed == [segment.name for segment in manifest.segments]
    assert playlist.count(b"#EXT-X-ENDLIST") == 1
    assert b"#EXT-X-DISCONTINUITY\n" not in playlist
    assert manifest.files[0].sha256 == hashlib.sha256(playlist).hexdigest()
    names = {path.name for path in folder.iterdir()}
    assert names == {"manifest.json", "out.m3u8", *listed}, "nothing is left of tries that failed"
    assert world.recording.lost == 0
    assert world.uploader.last_error is None
