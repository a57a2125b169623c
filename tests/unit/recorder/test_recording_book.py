"""The book of a recording: whatever order uploads end in, lists are in order and name only what is stored."""

from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from egress_api.manifest import End, Manifest
from egress_api.states import GapReason, State
from egress_api.status import FileKind, OutputFile
from egress_recorder.recording import Recording, SpooledSegment, StoredSegment
from support.recorder import NOW, recorder_config

SHA = "0" * 64
END = End(state=State.STOPPED, reason="StopRequested", message="Stopped as asked.", at=NOW)


def new(earlier: Manifest | None = None, **changes: object) -> Recording:
    return Recording(recorder_config(**changes), created_at=NOW, earlier=earlier)


def add(book: Recording, size: int = 100) -> SpooledSegment:
    return book.add(Path("seg.ts"), size_bytes=size, started_at=NOW, seconds=4.0)


def store(book: Recording, segment: SpooledSegment, name: str | None = None) -> None:
    book.mark_stored(segment.number, StoredSegment(name=name or segment.name, sha256=SHA, uploaded_at=NOW))


def names(book: Recording) -> list[str]:
    return [line for line in book.playlist(ended=False).decode().splitlines() if not line.startswith("#")]


def manifest(book: Recording) -> Manifest:
    return Manifest.model_validate_json(book.manifest())


def test_a_segment_is_listed_only_when_all_before_it_are_stored() -> None:
    book = new()
    first, second, third = add(book), add(book), add(book)
    store(book, third)
    store(book, second)
    assert names(book) == []
    assert (book.pending, book.pending_bytes) == (1, 100)
    store(book, first)
    assert names(book) == ["out_000000.ts", "out_000001.ts", "out_000002.ts"]
    assert (book.pending, book.pending_bytes) == (0, 0)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_any_order_of_uploads_and_losses_gives_a_playlist_in_order(order: list[int], lost: set[int]) -> None:
    book = new()
    segments = [add(book) for _ in range(12)]
    seen = b""
    for number in order:
        if number in lost:
            book.mark_lost(number)
        else:
            store(book, segments[number])
        assert book.playlist(ended=False).startswith(seen)
        seen = book.playlist(ended=False)
    kept = [segments[n].name for n in range(12) if n not in lost]
    assert names(book) == kept
    written = manifest(book)
    assert [segment.index for segment in written.segments] == list(range(len(kept)))
    assert book.lost == len(lost)
    # Where something is missing the timeline jumps, except before the first segment.
    after_gap = [n for n in range(1, 12) if n not in lost and n - 1 in lost and set(range(n)) - lost]
    jumps = [segment.name for segment in written.segments if segment.discontinuity]
    assert jumps == [segments[n].name for n in after_gap]


def test_giving_up_lists_what_is_stored_behind_a_gap() -> None:
    book = new()
    first, _, third = add(book), add(book), add(book)
    store(book, first)
    store(book, third)
    assert book.give_up_pending() == 1
    assert names(book) == ["out_000000.ts", "out_000002.ts"]
    assert [s.discontinuity for s in manifest(book).segments] == [False, True]


def test_the_manifest_joined_from_texts_is_the_model() -> None:
    book = new()
    for _ in range(3):
        store(book, add(book, size=200))
    book.first_frame_at = NOW
    read = Manifest.model_validate_json(book.manifest(complete=True, end=END, playlist_sha256=SHA))
    assert (read.complete, read.reason, read.attempt, read.first_frame_at) == (True, "StopRequested", 1, NOW)
    assert read.end == END
    assert read.files[0].model_dump() == {
        "name": "out.m3u8",
        "uri": "file:///nowhere/out.m3u8",
        "kind": "playlist",
        "size_bytes": 600,
        "duration_seconds": 12.0,
        "sha256": SHA,
    }
    assert [s.name for s in read.segments] == ["out_000000.ts", "out_000001.ts", "out_000002.ts"]


def test_an_empty_recording_has_no_files() -> None:
    book = new()
    assert book.files() == []
    assert manifest(book).segments == []


def test_a_new_timeline_is_marked_once_and_never_on_the_first_segment() -> None:
    book = new()
    book.begin_timeline(GapReason.CAPTURE_RESTARTED)
    store(book, add(book))
    book.begin_timeline(GapReason.SOURCE_LOST)
    book.begin_timeline(GapReason.CAPTURE_RESTARTED)
    store(book, add(book))
    store(book, add(book))
    assert [(s.discontinuity, s.gap_reason) for s in manifest(book).segments] == [
        (False, None),
        (True, GapReason.SOURCE_LOST),
        (False, None),
    ]


def test_the_oldest_that_is_not_on_its_way_is_dropped() -> None:
    book = new()
    segments = [add(book) for _ in range(5)]
    store(book, segments[2])
    assert [dropped.number for _ in range(2) if (dropped := book.drop_oldest(spare=1))] == [1, 3]
    assert (book.pending, book.waits(0), book.waits(1), book.waits(4)) == (2, True, False, True)
    for segment in (segments[0], segments[4]):
        store(book, segment)
    assert names(book) == ["out_000000.ts", "out_000002.ts", "out_000004.ts"]
    assert [s.gap_reason for s in manifest(book).segments] == [
        None,
        GapReason.SPOOL_FULL,
        GapReason.SPOOL_FULL,
    ]
    assert (book.dropped, book.dropped_seconds, book.lost) == (2, 8.0, 0)
    assert book.drop_oldest(spare=0) is None


def test_with_little_left_even_what_is_on_its_way_is_dropped() -> None:
    book = new()
    first, second = add(book), add(book)
    assert book.drop_oldest(spare=3) == first
    store(book, first)
    book.mark_lost(first.number)
    store(book, second)
    assert (names(book), book.lost) == (["out_000001.ts"], 0)


def test_what_reached_the_store_although_it_was_dropped_is_listed() -> None:
    book = new()
    first, second = add(book), add(book)
    assert book.drop_oldest(spare=1) == second
    store(book, second)
    store(book, first)
    assert names(book) == ["out_000000.ts", "out_000001.ts"]
    assert book.gaps == []


def test_all_bytes_are_those_listed_and_those_on_their_way() -> None:
    book = new()
    store(book, add(book, size=10))
    second = add(book, size=20)
    store(book, add(book, size=30))
    assert (book.total_bytes, book.pending_bytes) == (60, 20)
    book.mark_lost(second.number)
    assert (book.total_bytes, book.pending_bytes) == (40, 0)


def test_the_next_attempt_goes_on_with_bytes_numbers_and_times() -> None:
    book = new()
    book.first_frame_at = NOW
    for _ in range(2):
        store(book, add(book))
    resumed = Recording(
        recorder_config(attempt=2), created_at=NOW + timedelta(hours=1), earlier=manifest(book)
    )
    assert resumed.playlist(ended=False) == book.playlist(ended=False)
    assert resumed.first_frame_at == NOW
    assert resumed.listed_seconds == 8.0
    segment = add(resumed)
    assert (segment.name, segment.gap_reason) == ("out_000002.ts", GapReason.RECORDER_REPLACED)
    store(resumed, segment)
    read = manifest(resumed)
    assert (read.attempt, read.created_at, read.segments[2].attempt) == (2, NOW, 2)


def test_numbers_go_on_behind_renamed_and_left_objects() -> None:
    book = new()
    store(book, add(book))
    store(book, add(book), name="out_000001-a1b2c3.ts")
    resumed = new(manifest(book), attempt=2)
    resumed.skip("out_000005.ts")
    assert add(resumed).name == "out_000006.ts"


def film(book: Recording) -> OutputFile:
    return OutputFile(
        name="out.mp4",
        uri="file:///nowhere/out.mp4",
        kind=FileKind.VIDEO,
        size_bytes=9,
        duration_seconds=book.listed_seconds,
    )


def test_an_mp4_is_unmade_until_it_is_made_of_all_that_is_listed() -> None:
    book = new(format="mp4")
    assert book.unmade == {}
    store(book, add(book))
    assert list(book.unmade) == ["out.mp4"]
    book.mark_made(film(book))
    assert (book.unmade, [file.name for file in book.files()]) == ({}, ["out.m3u8", "out.mp4"])
    store(book, add(book))
    assert (list(book.unmade), [file.name for file in book.files()]) == (["out.mp4"], ["out.m3u8"])


def test_a_later_attempt_knows_what_an_earlier_one_has_made() -> None:
    book = new(format="mp4")
    store(book, add(book))
    book.mark_made(film(book))
    later = new(manifest(book), format="mp4", attempt=2)
    assert (later.unmade, [file.name for file in later.files()]) == ({}, ["out.m3u8", "out.mp4"])
    store(later, add(later))
    assert list(later.unmade) == ["out.mp4"]


def test_who_wants_the_playlist_alone_has_nothing_to_make() -> None:
    book = new()
    store(book, add(book))
    assert book.unmade == {}
    assert book.would_write("out.mp4")


def test_the_listed_segments_come_back_as_they_were_listed() -> None:
    book = new()
    segments = [add(book) for _ in range(3)]
    for segment in segments:
        store(book, segment)
    assert list(book.segments()) == manifest(book).segments
