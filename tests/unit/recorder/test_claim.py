"""Claiming a task's folder, against obstore's in-memory store: what is there already, and who still writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from obstore.store import MemoryStore

from egress_api.manifest import Manifest
from egress_recorder.claim import claim
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.errors import FencedError, OutputExistsError
from egress_recorder.live import Live
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.people import People
from egress_recorder.recording import Recording, StoredSegment
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal
from egress_recorder.store import Store
from support.recorder import NOW, recorder_config


def plain_files(tmp_path: Path) -> Store:
    config = recorder_config(store={"url": tmp_path.joinpath("store").as_uri()}).store
    return Store(config, credentials_dir=tmp_path / "none")


def memory_store(tmp_path: Path) -> Store:
    store = plain_files(tmp_path)
    store._store = MemoryStore()
    store._local = False
    return store


def context(attempt: int) -> Context:
    config = recorder_config(attempt=attempt)
    return Context(
        config=config,
        settings=Settings(store_patience_seconds=1, resume_patience_seconds=10),
        clock=SystemClock(),
        live=Live(config=config, people=People(now=0.0), beat_at=0.0),
        stop=StopSignal(),
        log=structlog.get_logger(),
    )


class Attempt1:
    """A recorder that lists a segment whenever it is told to."""

    def __init__(self, store: Store) -> None:
        self.book = Recording(recorder_config(), created_at=NOW)
        self.manifest = ManifestStore(store, recorder_config())

    async def lists_another(self) -> None:
        segment = self.book.add(Path("x"), size_bytes=1, started_at=NOW, seconds=4.0)
        self.book.mark_stored(segment.number, StoredSegment(name=segment.name, sha256="", uploaded_at=NOW))
        await self.manifest.write(self.book.manifest())


@pytest.mark.parametrize("make", [plain_files, memory_store], ids=["plain files", "conditional writes"])
async def test_what_an_attempt_that_is_still_there_lists_during_the_claim_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Store]
) -> None:
    store = make(tmp_path)
    old = Attempt1(store)
    await old.lists_another()
    look, looked = store.names, 0

    async def names() -> list[str]:
        nonlocal looked
        looked += 1
        found = await look()
        if looked <= 2:
            await old.lists_another()
        return found

    monkeypatch.setattr(store, "names", names)
    book = await claim(context(2), store=store, manifest=ManifestStore(store, recorder_config(attempt=2)))
    assert (looked, book.listed) == (3, 3)
    found = await store.get("manifest.json")
    assert found is not None
    written = Manifest.model_validate_json(found.data)
    assert (written.attempt, [s.name for s in written.segments]) == (
        2,
        [f"out_{number:06d}.ts" for number in range(3)],
    )
    with pytest.raises(FencedError):
        await old.lists_another()


@pytest.mark.parametrize("name", ["out.m3u8", "out_000007.ts", "out_page.png"])
@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_folder_with_somebody_elses_files_is_not_claimed(
    tmp_path: Path, name: str, attempt: int
) -> None:
    store = memory_store(tmp_path)
    await store.put(name, b"theirs", content_type="text/plain")
    manifest = ManifestStore(store, recorder_config(attempt=attempt))
    with pytest.raises(OutputExistsError, match=rf"already holds {name} and no manifest\.json"):
        await claim(context(attempt), store=store, manifest=manifest)
    assert await store.names() == [name]


@pytest.mark.parametrize("attempt", [1, 2])
async def test_files_of_another_name_are_in_nobodys_way(tmp_path: Path, attempt: int) -> None:
    store = memory_store(tmp_path)
    await store.put("README.txt", b"theirs", content_type="text/plain")
    book = await claim(
        context(attempt), store=store, manifest=ManifestStore(store, recorder_config(attempt=attempt))
    )
    assert book.listed == 0
