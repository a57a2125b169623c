"""What is missing in a recording: told from its segments, the same for whoever goes on with it."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_api.manifest import Manifest
from egress_api.states import GapReason
from egress_api.status import Gap
from egress_recorder.gaps import Gaps
from egress_recorder.recording import Recording, StoredSegment
from support.recorder import NOW, recorder_config

LENGTH = 4.0
CRASH, REPLACED = GapReason.CAPTURE_RESTARTED, GapReason.RECORDER_REPLACED
LOST, FULL, PAUSED = GapReason.SEGMENT_LOST, GapReason.SPOOL_FULL, GapReason.PAUSED


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def gap(seconds: float, length: float, reason: GapReason) -> Gap:
    return Gap(started_at=at(seconds), seconds=length, reason=reason)


def listed(gaps: Gaps, seconds: float, reason: GapReason | None = None) -> GapReason | None:
    return gaps.listed(at(seconds), LENGTH, reason=reason)


def missing(gaps: Gaps, seconds: float, reason: GapReason, before: GapReason | None = None) -> None:
    gaps.missing(at(seconds), LENGTH, reason=reason, before=before)


def test_segments_that_follow_on_one_another_leave_no_gap() -> None:
    gaps = Gaps()
    assert [listed(gaps, 4.0 * n + 0.0004 * n) for n in range(5)] == [None] * 5
    assert (gaps.all, gaps.lost_seconds) == ([], 0.0)


def test_a_gap_lasts_from_the_end_of_one_segment_to_the_next_ones_first_frame() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    assert listed(gaps, 5.25, CRASH) is CRASH
    assert (gaps.all, gaps.lost_seconds) == ([gap(4, 1.25, CRASH)], 1.25)


def test_a_clock_that_was_set_back_gives_a_gap_of_no_length() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    listed(gaps, 3.0, CRASH)
    assert gaps.all == [gap(4, 0, CRASH)]


def test_lost_segments_are_one_gap_that_is_known_before_the_next_is_listed() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    missing(gaps, 4, FULL)
    missing(gaps, 8, FULL)
    assert (gaps.all, gaps.lost_seconds) == ([gap(4, 8, FULL)], 8.0)
    assert listed(gaps, 12) is FULL
    assert gaps.all == [gap(4, 8, FULL)]


def test_what_was_lost_before_anything_was_listed_is_a_gap_too() -> None:
    gaps = Gaps()
    missing(gaps, 0, FULL)
    listed(gaps, 4)
    assert gaps.all == [gap(0, 4, FULL)]


def test_losses_that_follow_on_one_another_have_the_longest_ones_reason() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    missing(gaps, 4, LOST)
    assert listed(gaps, 9, CRASH) is LOST
    assert gaps.all == [gap(4, 5, LOST)]


def test_a_pause_is_a_gap_and_no_loss() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(4.02))
    gaps.pause_ended(at(64))
    assert listed(gaps, 64.03, PAUSED) is PAUSED
    assert (gaps.all, gaps.lost_seconds) == ([gap(4, 60.03, PAUSED)], 0.0)


def test_a_pause_within_a_loss_is_taken_out_of_it() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(6))
    gaps.pause_ended(at(60))
    assert listed(gaps, 63, CRASH) is PAUSED
    assert gaps.all == [gap(4, 2, CRASH), gap(6, 54, PAUSED), gap(60, 3, CRASH)]
    assert gaps.lost_seconds == 5.0


def test_a_capture_that_died_during_a_pause_adds_no_loss() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(4.01))
    gaps.pause_began(at(30))
    gaps.pause_ended(at(60))
    gaps.pause_ended(at(61))
    listed(gaps, 60.1, CRASH)
    assert (gaps.all, gaps.lost_seconds) == ([gap(4, 56.1, PAUSED)], 0.0)


def test_a_loss_beside_a_pause_is_counted_alone() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(8))
    gaps.pause_ended(at(100))
    missing(gaps, 4, FULL)
    listed(gaps, 100, PAUSED)
    assert gaps.all == [gap(4, 4, FULL), gap(8, 92, PAUSED)]
    assert gaps.lost_seconds == 4.0


def test_a_pause_that_lasts_is_kept_for_the_next_attempt() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(4.01))
    assert gaps.all == []
    after = Gaps()
    listed(after, 0)
    after.resume(gaps.to_keep())
    assert after.paused
    after.pause_ended(at(50))
    listed(after, 52, REPLACED)
    assert after.all == [gap(4, 46, PAUSED), gap(50, 2, REPLACED)]


def test_a_segment_that_an_attempt_made_after_its_pause_ends_it_for_the_next() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(4))
    listed(gaps, 10, PAUSED)
    assert not gaps.paused
    assert gaps.all == [gap(4, 6, PAUSED)]


def test_a_loss_at_the_end_grows_until_the_next_attempt_records() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    missing(gaps, 4, LOST)
    after = Gaps()
    listed(after, 0)
    after.resume(gaps.to_keep())
    assert after.all == gaps.all
    assert listed(after, 18, REPLACED) is REPLACED
    assert after.all == [gap(4, 14, REPLACED)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["listed", "jump", "lost", "pause"]),
        st.integers(300, 90_000).map(lambda milliseconds: milliseconds / 1000),
        st.sampled_from([CRASH, GapReason.SOURCE_LOST, FULL, LOST]),
    ),
    max_size=30,
)


@given(STEPS, st.integers(0, 30))
def test_any_course_is_accounted_for_to_the_millisecond_also_over_attempts(
    steps: list[tuple[str, float, GapReason]], cut: int
) -> None:
    book = Recording(recorder_config(), created_at=NOW)
    clock, wanted_lost, wanted_paused = NOW, 0.0, 0.0

    def record(seconds: float) -> None:
        nonlocal clock
        segment = book.add(Path("x"), size_bytes=1, started_at=clock, seconds=seconds)
        book.mark_stored(segment.number, StoredSegment(name=segment.name, sha256="0" * 64, uploaded_at=NOW))
        clock += timedelta(seconds=seconds)

    record(LENGTH)
    for number, (what, seconds, reason) in enumerate(steps):
        if number == cut:
            earlier = Manifest.model_validate_json(book.manifest())
            book = Recording(recorder_config(attempt=2), created_at=NOW, earlier=earlier)
            assert book.manifest().partition(b'"gaps"')[2] == earlier_text(earlier)
        match what:
            case "listed":
                record(seconds)
            case "jump":
                book.begin_timeline(reason)
                clock += timedelta(seconds=seconds)
                wanted_lost += seconds
                record(1.0)
            case "lost":
                lost = book.add(Path("x"), size_bytes=1, started_at=clock, seconds=seconds)
                book.mark_lost(lost.number, reason)
                clock += timedelta(seconds=seconds)
                wanted_lost += seconds
            case "pause":
                book.pause_began(clock)
                clock += timedelta(seconds=seconds)
                book.pause_ended(clock)
                wanted_paused += seconds
                book.begin_timeline(PAUSED)
                record(1.0)
    paused = sum(gap.seconds for gap in book.gaps if gap.reason is PAUSED)
    assert book.lost_seconds == pytest.approx(wanted_lost, abs=0.002 * len(steps))
    assert paused == pytest.approx(wanted_paused, abs=0.002 * len(steps))
    segments = Manifest.model_validate_json(book.manifest()).segments
    for before, segment in pairwise(segments):
        assert segment.discontinuity == (segment.gap_reason is not None)
        assert segment.discontinuity or segment.started_at - before.started_at == timedelta(
            seconds=before.duration_seconds
        )


def earlier_text(manifest: Manifest) -> bytes:
    """Return what the manifest says from its gaps on."""
    head = manifest.model_dump_json(by_alias=True, include={"gaps", "lost_seconds"})[1:-1]
    body = ",\n".join(segment.model_dump_json(by_alias=True) for segment in manifest.segments)
    return f'{head},"segments":[\n{body}\n]}}\n'.encode().removeprefix(b'"gaps"')


def test_a_pause_behind_the_last_listed_segment_is_known_to_whoever_goes_on() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(8))
    gaps.pause_ended(at(20))
    # What was recorded before it and behind it is on a disk that is gone.
    after = Gaps()
    listed(after, 0)
    after.resume(gaps.to_keep())
    assert listed(after, 30, REPLACED) is PAUSED
    assert after.all == [gap(4, 4, REPLACED), gap(8, 12, PAUSED), gap(20, 10, REPLACED)]


def test_a_segment_before_such_a_pause_may_still_be_found() -> None:
    gaps = Gaps()
    listed(gaps, 0)
    gaps.pause_began(at(8))
    after = Gaps()
    listed(after, 0)
    after.resume(gaps.to_keep())
    listed(after, 4)
    after.pause_ended(at(20))
    listed(after, 25, REPLACED)
    assert after.all == [gap(8, 12, PAUSED), gap(20, 5, REPLACED)]
