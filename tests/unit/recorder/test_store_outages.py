"""A store that fails while there is recorded, and while there is finished: a real server behind a proxy that is told
what to do to requests. Whatever it was: when it is over, every segment is in the store, in order, and verified.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from egress_api.manifest import Manifest
from egress_api.recorder import StoreConfig
from egress_api.states import Reason
from support import s3_server, store_faults
from support.s3_server import S3Server, write_keys
from support.store_backends import KINDS, SIGNED, Backend, S3Backend
from support.store_faults_server import Proxy, Rule
from support.store_world import CEILING, Player, Volume, World, check_complete, until

UNSIGNED = {"unsigned_payload": "true"}
"""S3's server does not find out then what the way has damaged; Azure's never does."""
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
        options=tuple(UNSIGNED.items()),
    ),
    Row("another checksum is said", Rule("wrong-etag", methods=("PUT",)), then="goes on"),
]


@pytest.fixture
async def make_world(tmp_path: Path, proxy: Proxy, backend: Backend) -> AsyncIterator[Callable[..., World]]:
    made: list[World] = []
    backend.write_credentials(tmp_path / "credentials", proxy.port)

    def make(**options: str) -> World:
        made.append(World(tmp_path, backend.config(proxy.port, **options)))
        return made[-1]

    yield make
    for world in made:
        await world.stop()


@pytest.fixture
async def player(backend: Backend) -> AsyncIterator[Player]:
    made = Player(backend)
    yield made
    await made.leave()


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


async def begun(make_world: Callable[..., World], proxy: Proxy, backend: Backend, row: Row) -> World:
    """Record a little into a store that works, then have it fail."""
    world = make_world(**dict(row.options) if isinstance(backend, S3Backend) else {})
    await world.start()
    world.record(3)
    await until(lambda: world.recording.listed == 3)
    await proxy.set(row.rule)
    return world


@pytest.mark.parametrize("backend", KINDS, indirect=True)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_store_that_fails_while_there_is_recorded_gets_everything_later(
    make_world: Callable[..., World], proxy: Proxy, backend: Backend, player: Player, row: Row
) -> None:
    world = await begun(make_world, proxy, backend, row)
    world.record(6)
    await let_it_fail(world, proxy, row)
    if row.then != "goes on":
        await proxy.set()
    world.record(2)
    await until(lambda: world.recording.listed == 11)
    await proxy.set()
    ending, uploaded = await world.finish()
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    check_complete(world, backend)
    player.check()


@pytest.mark.parametrize("backend", SIGNED, indirect=True)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_store_that_fails_while_there_is_finished_gets_everything_before_the_end(
    make_world: Callable[..., World], proxy: Proxy, backend: Backend, player: Player, row: Row
) -> None:
    world = await begun(make_world, proxy, backend, row)
    world.record(4)
    finishing = asyncio.create_task(world.finish())
    await let_it_fail(world, proxy, row)
    if row.then != "goes on":
        assert not finishing.done()
        await proxy.set()
    ending, uploaded = await finishing
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    check_complete(world, backend)
    player.check()


@pytest.mark.parametrize("backend", SIGNED, indirect=True)
@pytest.mark.parametrize("name", ["manifest.json", "out.m3u8"])
@pytest.mark.parametrize(
    "rule",
    [store_faults.RESET, Rule("lost-answer"), store_faults.SLOW_DOWN, Rule("corrupt")],
    ids=lambda rule: rule.fault,
)
async def test_the_end_is_written_again_until_it_is_there_as_it_should_be(
    make_world: Callable[..., World], proxy: Proxy, backend: Backend, rule: Rule, name: str
) -> None:
    world = make_world(**UNSIGNED if isinstance(backend, S3Backend) else {})
    await world.start()
    world.record(2)
    await until(lambda: b"out_000001" in backend.read("out.m3u8"))
    await proxy.set(replace(rule, methods=("PUT",), key=name, times=5))
    ending, uploaded = await world.finish()
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    assert [seen.fault for seen in proxy.seen].count(rule.fault) >= 1
    check_complete(world, backend)


async def test_a_bucket_that_was_away_is_used_again(
    make_world: Callable[..., World], backend: Backend, s3: S3Server
) -> None:
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
    check_complete(world, backend)


@pytest.mark.parametrize("phase", ["while there is recorded", "while there is finished"])
async def test_a_volume_that_was_away_gets_everything_later(tmp_path: Path, phase: str) -> None:
    folder = tmp_path / "volume" / "t1"
    world = World(tmp_path, StoreConfig(url=f"{folder.as_uri()}/"))
    await world.start()
    world.record(3)
    await until(lambda: world.recording.listed == 3)
    away = folder.parent.rename(tmp_path / "away")
    folder.parent.write_text("no folder, as where nothing is mounted")
    world.record(4)
    finishing = asyncio.create_task(world.finish()) if phase.endswith("finished") else None
    failures = world.failures
    await until(lambda: world.failures >= failures + 4)
    assert "did not" in str(world.uploader.last_error)
    folder.parent.unlink()
    away.rename(folder.parent)
    ending, uploaded = await (finishing or world.finish())
    await world.stop()
    assert (ending.reason, uploaded) == (Reason.STOP_REQUESTED, True)
    check_complete(world, Volume(folder))


async def test_new_credentials_are_taken_when_they_come(
    make_world: Callable[..., World], backend: Backend, s3: S3Server, tmp_path: Path
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
    check_complete(world, backend)


async def test_a_secret_with_an_option_that_is_none_is_mended_like_everything_else(
    make_world: Callable[..., World], backend: Backend, s3: S3Server, tmp_path: Path
) -> None:
    world = make_world()
    await world.start()
    tmp_path.joinpath("credentials", "no_such_option").write_text("x")
    world.record(2)
    await until(lambda: "can't be opened" in str(world.uploader.last_error))
    tmp_path.joinpath("credentials", "no_such_option").unlink()
    _, uploaded = await world.finish()
    assert uploaded
    check_complete(world, backend)


async def test_a_server_without_md5_is_read_back(tmp_path: Path) -> None:
    with s3_server.serving(tmp_path / "other", options=("--data-integrity-etag",)) as s3:
        proxy = Proxy(("127.0.0.1", s3.port))
        await proxy.start()
        write_keys(tmp_path / "credentials")
        backend = S3Backend(s3)
        world = World(tmp_path, backend.config(proxy.port))
        await world.start()
        await proxy.set(Rule("corrupt", methods=("PUT",), key=r"000001\.ts", times=1))
        world.record(3)
        _, uploaded = await world.finish()
        await world.stop()
        await proxy.stop()
        assert uploaded
        check_complete(world, backend)
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
    manifest = Manifest.model_validate_json(S3Backend(s3).read("manifest.json"))
    assert [segment.name for segment in manifest.segments] == [f"out_{n:06d}.ts" for n in (1, 2, 7)]
    names = {path.name for path in s3.bucket.joinpath("t1").glob("*.ts")}
    assert names == {segment.name for segment in manifest.segments}
