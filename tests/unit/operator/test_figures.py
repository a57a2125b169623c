"""Which figures of a recording are news, and that no gap that was told is forgotten."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_api.states import GapReason
from egress_api.status import MAX_GAPS, Gap
from egress_operator.figures import (
    BACKLOG_BYTES,
    gaps_to_write,
    losses,
    merged_gaps,
    pending_to_write,
    worth_writing,
)
from support.summaries import START, playlist

MIB = 1 << 20


def gap(at: float, seconds: float = 1.0, reason: GapReason = GapReason.CAPTURE_RESTARTED) -> Gap:
    return Gap(started_at=START + timedelta(seconds=at), seconds=seconds, reason=reason)


def test_a_file_that_grows_a_little_is_not_worth_writing() -> None:
    old = [playlist(seconds=10)]

    assert not worth_writing(old, [playlist(seconds=39)])
    assert worth_writing(old, [playlist(seconds=40)])
    assert worth_writing(old, [])
    assert worth_writing(old, [playlist(seconds=10).model_copy(update={"sha256": "0" * 64})])


def test_a_report_without_gaps_takes_none_away() -> None:
    assert merged_gaps([gap(1), gap(5)], []) == [gap(1), gap(5)]


def test_a_message_that_was_cut_lacks_the_oldest() -> None:
    assert merged_gaps([gap(1), gap(5)], [gap(5), gap(9)]) == [gap(1), gap(5), gap(9)]


def test_a_gap_may_grow_over_others() -> None:
    # The oldest of a full spool were dropped, and with them what had been recorded between two gaps.
    assert merged_gaps([gap(1), gap(5), gap(9)], [gap(3, 8.0)]) == [gap(1), gap(3, 8.0)]


def test_of_many_gaps_the_newest_are_kept() -> None:
    many = [gap(second) for second in range(MAX_GAPS + 3)]

    assert merged_gaps(many[:4], many[3:]) == many[3:]


@given(st.lists(st.integers(0, 300), unique=True, max_size=40), st.integers(0, 40))
def test_whatever_is_cut_of_a_report_nothing_is_lost_and_the_order_is_times(
    starts: list[int], cut: int
) -> None:
    every = [gap(second) for second in sorted(starts)]

    assert merged_gaps(every, every[cut:]) == every
    assert merged_gaps(every[: len(every) // 2], every[min(cut, len(every) // 2) :]) == every


def test_pauses_are_no_losses() -> None:
    assert losses([gap(1), gap(2, reason=GapReason.PAUSED)]) == [gap(1)]


@pytest.mark.parametrize(
    ("old", "new", "lost", "news"),
    [
        ([], [gap(1)], 1.0, True),
        ([gap(1)], [gap(1), gap(5)], 2.0, True),
        ([gap(1)], [gap(1, reason=GapReason.SPOOL_FULL)], 1.0, True),
        ([gap(1)], [gap(1, 5.0)], 5.0, False),
        ([gap(1)], [gap(1, 31.0)], 31.0, True),
        ([gap(1)], [gap(1)], 1.0, False),
    ],
)
def test_another_gap_is_news_and_one_that_grows_now_and_then(
    old: list[Gap],
    new: list[Gap],
    lost: float,
    news: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert gaps_to_write(old, new, old_lost=float(len(old)), new_lost=lost) is news


@pytest.mark.parametrize(
    ("old", "new", "failing", "lasting", "want"),
    [
        (0, 900_000, False, True, 0),
        (0, 8 * MIB, False, False, 0),
        (0, 8 * MIB, False, True, 8 * MIB),
        (0, 1000, True, False, 1000),
        (8 * MIB, 15 * MIB, True, True, 8 * MIB),
        (8 * MIB, 16 * MIB, True, True, 16 * MIB),
        (8 * MIB, 5 * MIB, False, True, 8 * MIB),
        (8 * MIB, 4 * MIB, False, True, 4 * MIB),
        (8 * MIB, 5 * MIB, False, False, 8 * MIB),
        (8 * MIB, BACKLOG_BYTES - 1, False, True, 0),
        (8 * MIB, 0, True, False, 0),
        (0, 0, True, True, 0),
    ],
)
def test_bytes_that_wait_are_written_when_they_last_or_uploads_fail_and_then_by_doublings(
    old: int,
    new: int,
    failing: bool,  # noqa: FBT001 - a table's column
    lasting: bool,  # noqa: FBT001 - a table's column
    want: int,
) -> None:
    assert pending_to_write(old, new, failing=failing, lasting=lasting) == want


@given(st.lists(st.integers(1, 1 << 40), min_size=1))
def test_an_outage_of_any_length_takes_few_writes(waits: list[int]) -> None:
    shown, writes = 0, 0
    for pending in sorted(waits):
        now = pending_to_write(shown, pending, failing=True, lasting=True)
        writes, shown = writes + (now != shown), now

    assert writes <= 41
    assert shown <= max(waits) < 2 * shown + 1
