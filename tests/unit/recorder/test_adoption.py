"""Segments in the store that no manifest lists yet, against obstore's own in-memory store, which keeps facts."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from obstore.store import LocalStore, MemoryStore

from egress_api.manifest import Manifest
from egress_api.states import GapReason
from egress_recorder.adoption import FACT_KEY, adopt_unlisted, fact_of, segment_of
from egress_recorder.recording import Recording, StoredSegment
from egress_recorder.store import Description, Store
from support.recorder import NOW, recorder_config

CONFIG = recorder_config()
LATER = recorder_config(attempt=2)
SHA = "a" * 64


def make_store(tmp_path: Path, kind: type[MemoryStore] | type[LocalStore]) -> Store:
    store = Store(recorder_config(store={"url": tmp_path.as_uri()}).store, credentials_dir=tmp_path / "none")
    if kind is MemoryStore:
        store._store = MemoryStore()
        store._local = False
    return store


async def recorded(
    store: Store,
    *,
    listed: int,
    stored: int,
    skip: frozenset[int] = frozenset(),
    jumps: Mapping[int, GapReason] = MappingProxyType({}),
) -> Manifest:
    """Record `stored` segments of which the manifest lists the first `listed`."""
    book = Recording(CONFIG, created_at=NOW)
    text = book.manifest()
    for number in range(stored):
        if number in jumps:
            book.begin_timeline(jumps[number])
        segment = book.add(Path("x"), size_bytes=3, started_at=NOW, seconds=4.0)
        if number not in skip:
            await store.put(
                segment.name,
                b"abc",
                content_type="video/mp2t",
                fact=(FACT_KEY, fact_of(segment, CONFIG, sha256=SHA)),
            )
        book.mark_stored(number, StoredSegment(name=segment.name, sha256=SHA, uploaded_at=NOW))
        if number < listed:
            text = book.manifest()
    return Manifest.model_validate_json(text)


async def adopt(store: Store, earlier: Manifest) -> tuple[tuple[int, int], Recording]:
    book = Recording(LATER, created_at=NOW, earlier=earlier)
    return await adopt_unlisted(store, book, LATER, earlier=earlier), book


async def test_stored_segments_that_were_not_listed_are_listed_by_the_next_attempt(tmp_path: Path) -> None:
    store = make_store(tmp_path, MemoryStore)
    counts, book = await adopt(store, await recorded(store, listed=2, stored=4))
    assert counts == (2, 0)
    segments = Manifest.model_validate_json(book.manifest()).segments
    assert [(s.index, s.name, s.attempt, s.sha256, s.size_bytes, s.discontinuity) for s in segments[2:]] == [
        (2, "out_000002.ts", 1, SHA, 3, False),
        (3, "out_000003.ts", 1, SHA, 3, False),
    ]
    assert book.add(Path("x"), size_bytes=1, started_at=NOW, seconds=4.0).name == "out_000004.ts"


async def test_a_segment_behind_a_missing_one_is_listed_behind_a_discontinuity(tmp_path: Path) -> None:
    store = make_store(tmp_path, MemoryStore)
    counts, book = await adopt(store, await recorded(store, listed=1, stored=3, skip=frozenset({1})))
    assert counts == (1, 0)
    segments = Manifest.model_validate_json(book.manifest()).segments
    assert [(s.name, s.discontinuity, s.gap_reason) for s in segments] == [
        ("out_000000.ts", False, None),
        ("out_000002.ts", True, GapReason.RECORDER_REPLACED),
    ]


async def test_why_the_timeline_jumped_before_it_is_known_again(tmp_path: Path) -> None:
    store = make_store(tmp_path, MemoryStore)
    counts, book = await adopt(
        store, await recorded(store, listed=1, stored=3, jumps={2: GapReason.SOURCE_LOST})
    )
    assert counts == (2, 0)
    segments = Manifest.model_validate_json(book.manifest()).segments
    assert [s.gap_reason for s in segments] == [None, None, GapReason.SOURCE_LOST]
    assert [gap.reason for gap in book.gaps] == [GapReason.SOURCE_LOST]


async def test_what_an_overtaken_attempt_still_stored_is_not_listed(tmp_path: Path) -> None:
    store = make_store(tmp_path, MemoryStore)
    earlier = await recorded(store, listed=2, stored=4)
    counts, book = await adopt(store, earlier.model_copy(update={"attempt": 2}))
    assert (counts, book.listed) == ((0, 2), 2)
    assert book.add(Path("x"), size_bytes=1, started_at=NOW, seconds=4.0).name == "out_000004.ts"


async def test_what_the_playlist_has_passed_is_not_listed_behind_it(tmp_path: Path) -> None:
    store = make_store(tmp_path, MemoryStore)
    earlier = await recorded(store, listed=4, stored=4)
    without_second = [segment for segment in earlier.segments if segment.name != "out_000001.ts"]
    counts, book = await adopt(store, earlier.model_copy(update={"segments": without_second}))
    assert (counts, book.listed) == ((0, 1), 3)


async def test_on_plain_files_they_are_left_under_their_names(tmp_path: Path) -> None:
    store = make_store(tmp_path, LocalStore)
    counts, book = await adopt(store, await recorded(store, listed=2, stored=4))
    assert counts == (0, 2)
    assert book.listed == 2
    assert book.add(Path("x"), size_bytes=1, started_at=NOW, seconds=4.0).name == "out_000004.ts"


async def test_a_fact_of_another_task_is_not_believed() -> None:
    book = Recording(CONFIG, created_at=NOW)
    segment = book.add(Path("x"), size_bytes=3, started_at=NOW, seconds=4.0)
    about = Description(3, NOW, {FACT_KEY: fact_of(segment, CONFIG, sha256=SHA)})
    assert segment_of(segment.name, about, CONFIG) is not None
    assert segment_of(segment.name, about, recorder_config(task_uid="another")) is None
    # As a recorder wrote it that knew no reasons.
    text = fact_of(segment, CONFIG, sha256=SHA).replace(";0;", ";1;")
    old = segment_of(segment.name, Description(3, NOW, {FACT_KEY: text}), CONFIG)
    assert old is not None
    assert (old.discontinuity, old.gap_reason) == (True, None)
    assert segment_of(segment.name, Description(3, NOW, {FACT_KEY: "v2;who knows"}), CONFIG) is None
