"""Manifest and playlist are written by one attempt alone, and nothing is lost by a write that arrived damaged."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from egress_api.manifest import Manifest
from egress_recorder.errors import ObjectChangedError, ObjectDamagedError, OutputExistsError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.owned_object import OwnedObject
from egress_recorder.recording import Recording, StoredSegment
from egress_recorder.store import Store
from support.recorder import NOW, recorder_config
from support.store_backends import KINDS, Backend, S3Backend
from support.store_faults_server import Proxy, Rule

DAMAGED_ONCE = Rule("corrupt", methods=("PUT",), times=1)

pytestmark = pytest.mark.parametrize("backend", KINDS, indirect=True)


@pytest.fixture
def store(backend: Backend, proxy: Proxy, tmp_path: Path) -> Store:
    backend.write_credentials(tmp_path / "credentials", proxy.port)
    # without a signature over the content the server takes what arrives
    more = {"unsigned_payload": "true"} if isinstance(backend, S3Backend) else {}
    return Store(backend.config(proxy.port, **more), credentials_dir=tmp_path / "credentials")


@pytest.fixture
def make_playlist(store: Store) -> Callable[[], OwnedObject]:
    async def look() -> object:
        return await store.get("out.m3u8")

    return lambda: OwnedObject(store, "out.m3u8", content_type="text/plain", look=look)  # type: ignore[arg-type]


async def content(store: Store, name: str = "out.m3u8") -> bytes:
    found = await store.get(name)
    assert found is not None
    return found.data


async def test_it_goes_on_from_what_an_earlier_attempt_left(
    store: Store, make_playlist: Callable[[], OwnedObject]
) -> None:
    await make_playlist().write(b"first", verified=False, cache_control=None)
    later = make_playlist()
    await later.write(b"second", verified=False, cache_control=None)
    await later.write(b"third", verified=True, cache_control=None)
    assert await content(store) == b"third"


async def test_a_late_write_of_an_old_version_is_refused(
    store: Store, make_playlist: Callable[[], OwnedObject]
) -> None:
    playlist = make_playlist()
    await playlist.write(b"first", verified=False, cache_control=None)
    old = dict(playlist.version or {})
    await playlist.write(b"the end", verified=True, cache_control=None)
    with pytest.raises(ObjectChangedError):
        await store.put("out.m3u8", b"late", content_type="text/plain", only_over=old)
    assert await content(store) == b"the end"


async def test_a_damaged_write_is_found_and_written_over(
    store: Store, proxy: Proxy, make_playlist: Callable[[], OwnedObject]
) -> None:
    playlist = make_playlist()
    await proxy.set(DAMAGED_ONCE)
    with pytest.raises(ObjectDamagedError):
        await playlist.write(b"the end", verified=True, cache_control=None)
    await playlist.write(b"the end", verified=True, cache_control=None)
    assert await content(store) == b"the end"


async def test_a_lost_answer_is_looked_for_and_nothing_written_twice(
    proxy: Proxy, make_playlist: Callable[[], OwnedObject]
) -> None:
    playlist = make_playlist()
    await proxy.set(Rule("lost-answer", methods=("PUT",)))
    with pytest.raises(Exception, match="did not write"):
        await playlist.write(b"the end", verified=True, cache_control=None)
    writes = [seen for seen in proxy.seen if seen.method == "PUT"]
    await playlist.write(b"the end", verified=True, cache_control=None)
    assert [seen for seen in proxy.seen if seen.method == "PUT"] == writes


def book(attempt: int, earlier: Manifest | None = None) -> Recording:
    return Recording(recorder_config(attempt=attempt), created_at=NOW, earlier=earlier)


async def test_a_claim_that_arrives_damaged_loses_nothing_of_earlier_attempts(
    store: Store, proxy: Proxy, tmp_path: Path
) -> None:
    first = book(1)
    for number in range(3):
        started = NOW + timedelta(seconds=4 * number)
        first.add(tmp_path / "seg", size_bytes=5, started_at=started, seconds=4.0)
        first.mark_stored(number, StoredSegment(name=f"out_{number:06d}.ts", sha256="", uploaded_at=NOW))
    await ManifestStore(store, recorder_config()).write(first.manifest())

    second = ManifestStore(store, recorder_config(attempt=2))
    earlier = await second.read()
    await proxy.set(DAMAGED_ONCE)
    with pytest.raises(ObjectDamagedError):
        await second.write(book(2, earlier).manifest())
    again = await second.read()
    assert again is not None
    assert len(again.segments) == 3
    await second.write(book(2, again).manifest())
    assert len(Manifest.model_validate_json(await content(store, "manifest.json")).segments) == 3


async def test_damage_in_our_own_manifest_is_mended_and_anothers_is_left_alone(
    store: Store, proxy: Proxy
) -> None:
    manifest = ManifestStore(store, recorder_config())
    await manifest.write(book(1).manifest())
    await proxy.set(DAMAGED_ONCE)
    with pytest.raises(ObjectDamagedError):
        await manifest.write(book(1).manifest(complete=True))
    with pytest.raises(OutputExistsError):
        await ManifestStore(store, recorder_config(attempt=2)).read()
    await manifest.write(book(1).manifest(complete=True))
    assert Manifest.model_validate_json(await content(store, "manifest.json")).complete
