"""A store that fails while there is recorded, and while there is finished: a real S3 server behind a proxy that is told
what to do to requests. Whatever it was: when it is over, every segment is in the store, in order, and verified.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog

from egress_api.manifest import Manifest
from egress_api.states import Reason
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.ending import Ending
from egress_recorder.finalizing import Finalizing
from egress_recorder.live import Live
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.people import People
from egress_recorder.recording import Recording
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal
from egress_recorder.store import Store
from egress_recorder.uploader import Uploader
from support import s3_server, store_faults
from support.recorder import NOW, recorder_config
from support.s3_server import S3Server, options_for, write_keys
from support.store_faults_server import Proxy, Rule

CEILING = 0.2
REQUESTS_PER_TRY = 2
"""obstore asks a second time by itself."""


@dataclass(frozen=True)
class Row:
    """A fault, and what it does to uploads: `stops` them, `hangs` them, or they go on."""

    name: str
    rule: Rule
    then: str = "stops"
    options: tuple[tuple[str, str], ...] = ()


ROWS = [
    Row("nobody listens", store_faults.DOWN),
    Row("503 SlowDown", store_faults.SLOW_DOWN),
    Row("500", store_faults.INTERNAL_ERROR),
    Row("credentials expired", store_faults.EXPIRED),
    Row("credentials unknown", store_faults.WRONG_KEY),
    Row("no bucket", store_faults.NO_BUCKET),
    Row("insufficient storage", Rule("status", status=507, code="XMinioStorageFull", message="No room.")),
    Row("reset in the middle", store_faults.RESET),
    Row("reset at once", Rule("close")),
    Row("every answer lost", Rule("lost-answer")),
    Row("answers to writes lost", Rule("lost-answer", methods=("PUT",)), then="goes on"),
    Row("answers to lists lost", Rule("lost-answer", methods=("PUT",), key=r"m3u8|json"), then="goes on"),
    Row("never an answer", store_faults.BLACK_HOLE, then="hangs"),
    Row("late answers", Rule("delay", seconds=0.2), then="goes on"),
    Row("slow", Rule("slow", bytes_per_second=100_000), then="goes on"),
    Row("damaged on the way, found by the server", Rule("corrupt", methods=("PUT",))),
    Row(
        "damaged on the way, found by reading",
        Rule("corrupt", methods=("PUT",)),
        options=(("unsigned_payload", "true"),),
    ),
    Row("another checksum is said", Rule("wrong-etag", methods=("PUT",)), then="goes on"),
]


class World:
    """An uploader before a store that can be made to fail."""

    def __init__(self, folder: Path, proxy: Proxy, *, attempt: int = 1, **options: str) -> None:
        self.folder = folder
        store = {"url": "s3://recordings/t1/", "options": options_for(proxy.port, **options)}
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
        finalizing = Finalizing(self.context, recording=self.recording, uploader=self.uploader)
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


@pytest.fixture
async def make_world(tmp_path: Path, proxy: Proxy) -> AsyncIterator[Callable[..., World]]:
    made: list[World] = []
    write_keys(tmp_path / "credentials")

    def make(**options: str) -> World:
        made.append(World(tmp_path, proxy, **options))
        return made[-1]

    yield make
    for world in made:
        await world.stop()


class Player:
    """Looks at the playlist all the time, as those who play it do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen: list[str] = []
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(FileNotFoundError):
                text = self._path.read_text()
                if not self.seen or text != self.seen[-1]:
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


@pytest.fixture
async def player(s3: S3Server) -> AsyncIterator[Player]:
    made = Player(s3.bucket / "t1" / "out.m3u8")
    yield made
    await made.leave()


def check_complete(world: World, folder: Path) -> None:
    """Everything that was recorded is in the store as the manifest says, and is listed in order."""
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


async def let_it_fail(world: World, proxy: Proxy, row: Row) -> None:
    """Wait until the fault has done what it does; whatever waits is not asked for by each for itself."""
    match row.then:
        case "stops":
            began, before = time.monotonic(), len(proxy.seen)
            failures = world.failures
            await until(lambda: world.failures >= failures + 8)
            assert world.uploader.last_error is not None
            assert world.recording.pending_bytes > 0
            tries = (time.monotonic() - began) / (CEILING / 2) + world.context.settings.upload_parallel + 2
            # a try may take a second look at what it meets
            assert len(proxy.seen) - before <= tries * (REQUESTS_PER_TRY + 2)
        case "hangs":
            await until(lambda: any(seen.fault == "black-hole" for seen in proxy.seen))
            assert world.recording.pending_bytes > 0


async def begun(make_world: Callable[..., World], proxy: Proxy, row: Row) -> World:
    """Record a little into a store that works, then have it fail."""
    world = make_world(**dict(row.options))
    await world.start()
    world.record(3)
    await until(lambda: world.recording.listed == 3)
    await proxy.set(row.rule)
    return world


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_store_that_fails_while_there_is_recorded_gets_everything_later(
    make_world: Callable[..., World], proxy: Proxy, s3: S3Server, player: Player, row: Row
) -> None:
    world = await begun(make_world, proxy, row)
    world.record(6)
    await let_it_fail(world, proxy, row)
    if row.then != "goes on":
        await proxy.set()
    world.record(2)
    await until(lambda: world.recording.listed == 11)
    await proxy.set()
    ending, uploaded = await world.finish()
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    check_complete(world, s3.bucket / "t1")
    player.check()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_store_that_fails_while_there_is_finished_gets_everything_before_the_end(
    make_world: Callable[..., World], proxy: Proxy, s3: S3Server, player: Player, row: Row
) -> None:
    world = await begun(make_world, proxy, row)
    world.record(4)
    finishing = asyncio.create_task(world.finish())
    await let_it_fail(world, proxy, row)
    if row.then != "goes on":
        assert not finishing.done()
        await proxy.set()
    ending, uploaded = await finishing
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    check_complete(world, s3.bucket / "t1")
    player.check()


@pytest.mark.parametrize("name", ["manifest.json", "out.m3u8"])
@pytest.mark.parametrize(
    "rule",
    [store_faults.RESET, Rule("lost-answer"), store_faults.SLOW_DOWN, Rule("corrupt")],
    ids=lambda rule: rule.fault,
)
async def test_the_end_is_written_again_until_it_is_there_as_it_should_be(
    make_world: Callable[..., World], proxy: Proxy, s3: S3Server, rule: Rule, name: str
) -> None:
    world = make_world(unsigned_payload="true")
    await world.start()
    world.record(2)
    await until(lambda: b"out_000001" in _read(s3, "out.m3u8"))
    await proxy.set(replace(rule, methods=("PUT",), key=name, times=5))
    ending, uploaded = await world.finish()
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    assert [seen.fault for seen in proxy.seen].count(rule.fault) >= 1
    check_complete(world, s3.bucket / "t1")


async def test_a_bucket_that_was_away_is_used_again(make_world: Callable[..., World], s3: S3Server) -> None:
    world = make_world()
    await world.start()
    world.record(2)
    await until(lambda: world.recording.listed == 2)
    away = s3.bucket.rename(s3.bucket.with_name("away"))
    world.record(3)
    await until(lambda: "NoSuchBucket" in str(world.uploader.last_error))
    assert world.recording.pending == 3
    away.rename(s3.bucket)
    _, uploaded = await world.finish()
    assert uploaded
    check_complete(world, s3.bucket / "t1")


async def test_new_credentials_are_taken_when_they_come(
    make_world: Callable[..., World], s3: S3Server, tmp_path: Path
) -> None:
    world = make_world()
    await world.start()
    world.record(2)
    await until(lambda: world.recording.listed == 2)
    s3.stop()
    s3.start(keys=("AKNEXT", "the-next-secret"))
    world.record(3)
    await until(lambda: "No user exists with the provided access key" in str(world.uploader.last_error))
    assert world.recording.listed == 2
    write_keys(tmp_path / "credentials", ("AKNEXT", "the-next-secret"))
    await until(lambda: world.recording.listed == 5)
    _, uploaded = await world.finish()
    assert uploaded
    check_complete(world, s3.bucket / "t1")


async def test_a_secret_with_an_option_that_is_none_is_mended_like_everything_else(
    make_world: Callable[..., World], s3: S3Server, tmp_path: Path
) -> None:
    world = make_world()
    await world.start()
    tmp_path.joinpath("credentials", "no_such_option").write_text("x")
    world.record(2)
    await until(lambda: "can't be opened" in str(world.uploader.last_error))
    tmp_path.joinpath("credentials", "no_such_option").unlink()
    _, uploaded = await world.finish()
    assert uploaded
    check_complete(world, s3.bucket / "t1")


async def test_a_server_without_md5_is_read_back(tmp_path: Path) -> None:
    with s3_server.serving(tmp_path / "other", options=("--data-integrity-etag",)) as s3:
        proxy = Proxy(("127.0.0.1", s3.port))
        await proxy.start()
        write_keys(tmp_path / "credentials")
        world = World(tmp_path, proxy)
        await world.start()
        await proxy.set(Rule("corrupt", methods=("PUT",), key=r"000001\.ts", times=1))
        world.record(3)
        _, uploaded = await world.finish()
        await world.stop()
        await proxy.stop()
        assert uploaded
        check_complete(world, s3.bucket / "t1")
        assert any(seen.method == "GET" and "000000.ts" in seen.path for seen in proxy.seen)


async def test_what_was_dropped_from_a_full_spool_is_not_uploaded_and_stops_nothing(
    make_world: Callable[..., World], proxy: Proxy, s3: S3Server
) -> None:
    world = make_world()
    await world.start()
    await proxy.set(store_faults.SLOW_DOWN)
    world.record(8)
    await until(lambda: world.failures >= 3)
    # three are on their way; the four behind them go, then one that a worker holds
    for spare in (3, 3, 3, 3, 0):
        dropped = world.recording.drop_oldest(spare=spare)
        assert dropped is not None
        dropped.path.unlink()
    assert world.recording.pending == 3
    await proxy.set()
    _, uploaded = await world.finish()
    assert uploaded
    manifest = Manifest.model_validate_json(_read(s3, "manifest.json"))
    assert [segment.name for segment in manifest.segments] == [f"out_{n:06d}.ts" for n in (1, 2, 7)]
    names = {path.name for path in s3.bucket.joinpath("t1").glob("*.ts")}
    assert names == {segment.name for segment in manifest.segments}


def _read(s3: S3Server, name: str) -> bytes:
    path = s3.bucket / "t1" / name
    return path.read_bytes() if path.exists() else b""
