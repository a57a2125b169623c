"""What the recorder asks of a store, of each kind that it can be tested against: the server itself, nothing between."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from egress_api.manifest import Manifest
from egress_recorder.adoption import FACT_KEY, fact_of
from egress_recorder.claim import claim
from egress_recorder.errors import (
    FencedError,
    ObjectChangedError,
    ObjectDamagedError,
    ObjectExistsError,
    OutputExistsError,
    StoreRefusedError,
)
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import Recording, StoredSegment
from egress_recorder.segment_store import SegmentStore, SegmentWrite
from egress_recorder.store import Store, etag_proves
from support.recorder import NOW, recorder_config, recorder_context
from support.store_backends import KINDS, SIGNED, Backend

every_kind = pytest.mark.parametrize("backend", KINDS, indirect=True)

MEDIA = {"content_type": "video/mp2t"}
SHA = "a" * 64


@pytest.fixture
def open_store(backend: Backend, tmp_path: Path) -> Callable[..., Store]:
    backend.write_credentials(tmp_path / "credentials")

    def opened(**changes: str) -> Store:
        config = backend.config(backend.port).model_copy(update=changes)
        return Store(config, credentials_dir=tmp_path / "credentials")

    return opened


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


async def in_pieces(data: bytes, *, fails_with: Exception | None = None) -> AsyncIterator[bytes]:
    """Give bytes as a program does that makes them, in pieces of any size; at the end it may fail."""
    for start in range(0, len(data), 700_001):
        yield data[start : start + 700_001]
    if fails_with is not None:
        raise fails_with


@every_kind
async def test_an_object_of_many_parts_is_whole_and_is_replaced_whole(store: Store) -> None:
    for fill in (b"first", b"other"):
        data = fill * (18_000_000 // len(fill))  # more than two parts
        await store.put_stream("a.mp4", in_pieces(data), size=len(data), content_type="video/mp4")
        found = await store.get("a.mp4", size=len(data))
        assert found is not None
        assert found.data == data
        assert await store.sha256_of("a.mp4", size=len(data)) == hashlib.sha256(data).hexdigest()


@every_kind
@pytest.mark.parametrize("fault", [FencedError("another has it"), StoreRefusedError("no")], ids=repr)
async def test_what_fails_while_it_is_made_leaves_what_was_there(store: Store, fault: Exception) -> None:
    await store.put("a.mp4", b"before", content_type="video/mp4")
    pieces = in_pieces(bytes(12_000_000), fails_with=fault)
    with pytest.raises(type(fault), match=str(fault)):
        await store.put_stream("a.mp4", pieces, size=12_000_000, content_type="video/mp4")
    found = await store.get("a.mp4")
    assert found is not None
    assert found.data == b"before"
    assert await store.names() == ["a.mp4"]


@every_kind
async def test_of_many_who_create_one_object_one_succeeds(store: Store) -> None:
    contents = [f"{number}".encode() for number in range(6)]
    results = await asyncio.gather(
        *(store.put("a.ts", each, create=True, **MEDIA) for each in contents), return_exceptions=True
    )
    won = [content for content, result in zip(contents, results, strict=True) if isinstance(result, dict)]
    assert len(won) == 1
    assert sum(isinstance(result, ObjectExistsError) for result in results) == len(contents) - 1
    found = await store.get("a.ts")
    assert found is not None
    assert found.data == won[0]


@every_kind
async def test_a_write_over_a_version_wants_that_version_and_no_other(store: Store) -> None:
    first = await store.put("m", b"1", **MEDIA)
    found = await store.get("m")
    assert found is not None
    assert found.version == first, "as it was said when it was written, so it is when it is read"
    second = await store.put("m", b"2", only_over=first, **MEDIA)
    assert second != first
    with pytest.raises(ObjectChangedError):
        await store.put("m", b"3", only_over=first, **MEDIA)
    with pytest.raises(ObjectChangedError):
        await store.put("none", b"3", only_over=first, **MEDIA)
    assert await store.names() == ["m"]


@every_kind
async def test_facts_stay_beside_the_content_and_replace_those_before(store: Store) -> None:
    for fact in ("v1;one", "v1;two"):
        await store.put("a.ts", b"abc", fact=(FACT_KEY, fact), cache_control="no-cache", **MEDIA)
        about = await store.describe("a.ts")
        assert about.size == 3
        assert about.facts[FACT_KEY] == fact
        assert (about.facts["Content-Type"], about.facts["Cache-Control"]) == ("video/mp2t", "no-cache")


@every_kind
async def test_what_was_written_is_verified_by_its_md5_or_by_reading_it(
    store: Store, backend: Backend
) -> None:
    written = await store.put("a.ts", b"abc", **MEDIA)
    assert etag_proves(written, data=b"abc") is backend.says_md5
    assert await store.verify("a.ts", b"abc", written) == written
    with pytest.raises(ObjectDamagedError) as caught:
        await store.verify("a.ts", b"abd", written)
    assert caught.value.version == written


@every_kind
async def test_a_list_has_what_was_written_a_moment_ago_and_nothing_of_the_neighbours(
    store: Store, open_store: Callable[..., Store]
) -> None:
    names = [f"out_{number:06d}.ts" for number in range(40)]
    neighbour = open_store(url=store.url.removesuffix("/") + "0/")
    await neighbour.put("theirs.ts", b"x", **MEDIA)
    await asyncio.gather(*(store.put(name, b"x", create=True, **MEDIA) for name in names))
    assert sorted(await store.names()) == names


@every_kind
async def test_no_object_is_none_and_no_bucket_is_refused_by_name(
    store: Store, open_store: Callable[..., Store]
) -> None:
    assert await store.get("none.ts") is None
    assert await store.names() == []
    scheme = store.url.partition(":")[0]
    nowhere = open_store(url=f"{scheme}://nowhere-to-be-found/t1/")
    for ask in (
        lambda: nowhere.get("a.ts"),
        nowhere.names,
        lambda: nowhere.put("a.ts", b"x", **MEDIA),
        lambda: nowhere.put("a.ts", b"x", create=True, **MEDIA),
    ):
        with pytest.raises(StoreRefusedError, match=r"nowhere-to-be-found.*Check that the bucket exists"):
            await ask()


@pytest.mark.parametrize("backend", SIGNED, indirect=True)
async def test_a_wrong_key_is_refused_and_nothing_secret_said(
    backend: Backend, tmp_path: Path, open_store: Callable[..., Store]
) -> None:
    backend.write_credentials(tmp_path / "credentials")
    secret = tmp_path / "credentials" / backend.secret_option
    wrong = "d3JvbmcgaW4gYWxsIHdheXM="
    secret.unlink()
    secret.write_text(wrong)
    with pytest.raises(StoreRefusedError, match="refused to write") as caught:
        await open_store().put("a.ts", b"x", **MEDIA)
    assert "403" in str(caught.value)
    assert wrong not in str(caught.value)
    assert "\n" not in str(caught.value)


@every_kind
async def test_a_segment_under_a_name_that_is_taken_gets_another(store: Store) -> None:
    config = recorder_config()
    manifest = ManifestStore(store, config)
    await manifest.write(Recording(config, created_at=NOW).manifest())
    await store.put("out_000000.ts", b"theirs", **MEDIA)
    write = SegmentWrite("out_000000.ts", b"ours", "v1;ours")
    await SegmentStore(store, manifest=manifest).put(write)
    assert write.name != "out_000000.ts"
    for name, content in (("out_000000.ts", b"theirs"), (write.name, b"ours")):
        found = await store.get(name)
        assert found is not None
        assert found.data == content


@every_kind
async def test_the_next_attempt_goes_on_lists_what_was_not_listed_and_fences_the_last_one_off(
    store: Store,
) -> None:
    config, later = recorder_config(), recorder_config(attempt=2)
    book, old = Recording(config, created_at=NOW), ManifestStore(store, config)
    for number in range(4):
        segment = book.add(
            Path("x"), size_bytes=3, started_at=NOW + timedelta(seconds=4 * number), seconds=4.0
        )
        fact = fact_of(segment, config, sha256=SHA)
        await store.put(segment.name, b"abc", create=True, fact=(FACT_KEY, fact), **MEDIA)
        book.mark_stored(number, StoredSegment(name=segment.name, sha256=SHA, uploaded_at=NOW))
        if number == 1:
            await old.write(book.manifest())
    new = ManifestStore(store, later)
    resumed = await claim(recorder_context(later), store=store, manifest=new)
    assert [
        (s.name, s.attempt, s.sha256) for s in Manifest.model_validate_json(resumed.manifest()).segments
    ] == [(f"out_{number:06d}.ts", 1, SHA) for number in range(4)]
    with pytest.raises(FencedError, match="Attempt 2"):
        await old.write(book.manifest())
    with pytest.raises(OutputExistsError):
        await ManifestStore(store, recorder_config(task_uid="another")).read()


@every_kind
async def test_a_folder_that_holds_somebody_elses_recording_is_not_claimed(store: Store) -> None:
    await store.put("out_000007.ts", b"theirs", **MEDIA)
    manifest = ManifestStore(store, recorder_config())
    context = recorder_context(recorder_config())
    with pytest.raises(OutputExistsError, match=r"already holds out_000007\.ts"):
        await claim(context, store=store, manifest=manifest)
