from pathlib import Path

import pytest

from egress_recorder.capture.events import SegmentClosed, SegmentOpened
from egress_recorder.capture.segments import SegmentLedger
from egress_recorder.capture.timing import SECOND

FRAME = SECOND // 30
SPOOL = Path("/spool")


@pytest.fixture
def said() -> list[SegmentClosed]:
    return []


@pytest.fixture
def begun() -> list[SegmentOpened]:
    return []


@pytest.fixture
def ledger(said: list[SegmentClosed], begun: list[SegmentOpened]) -> SegmentLedger:
    def emit(event: SegmentOpened | SegmentClosed) -> None:
        match event:
            case SegmentOpened():
                begun.append(event)
            case SegmentClosed():
                said.append(event)

    return SegmentLedger(emit=emit, wall_clock=lambda at: 1700.0 + at / SECOND, frame_duration=FRAME)


def test_a_segment_lasts_until_the_next_one_begins(ledger: SegmentLedger, said: list[SegmentClosed]) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.closed(SPOOL / "a.ts")
    assert said == []
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    assert said == [SegmentClosed(path="a.ts", index=0, duration=4.0, started_at=1700.0)]


def test_the_last_segment_ends_with_its_last_frame(ledger: SegmentLedger, said: list[SegmentClosed]) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    ledger.frame(5 * SECOND)
    ledger.frame(5 * SECOND - FRAME)  # encoders may hand frames over out of order
    ledger.closed(SPOOL / "a.ts")
    ledger.closed(SPOOL / "b.ts")
    ledger.finish()
    assert [(event.path, event.index, event.duration) for event in said] == [
        ("a.ts", 0, 4.0),
        ("b.ts", 1, 1.033333),
    ]
    assert said[1].started_at == 1704.0


def test_a_segment_that_is_not_closed_is_not_reported(
    ledger: SegmentLedger, said: list[SegmentClosed]
) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    ledger.closed(SPOOL / "a.ts")
    ledger.finish()
    assert [event.path for event in said] == ["a.ts"]
    assert ledger.open_path == "b.ts"
    assert not ledger.all_closed


def test_segments_are_reported_in_order_and_once(ledger: SegmentLedger, said: list[SegmentClosed]) -> None:
    for index in range(3):
        ledger.opened(path=SPOOL / f"{index}.ts", starts=index * SECOND)
    ledger.closed(SPOOL / "1.ts")
    ledger.closed(SPOOL / "0.ts")
    ledger.closed(SPOOL / "0.ts")
    assert [event.index for event in said] == [0, 1]


def test_nothing_captured_is_nothing_reported(ledger: SegmentLedger, said: list[SegmentClosed]) -> None:
    ledger.finish()
    assert said == []
    assert ledger.all_closed


def test_after_a_failure_no_file_counts_as_complete_but_a_cut_one_is_reported_with_what_it_holds(
    ledger: SegmentLedger, said: list[SegmentClosed]
) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.closed(SPOOL / "a.ts")
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    ledger.freeze()
    ledger.closed(SPOOL / "b.ts")
    assert ledger.open_path == "b.ts"
    ledger.finish_cut("b.ts", 1.25)
    assert [(event.path, event.duration) for event in said] == [("a.ts", 4.0), ("b.ts", 1.25)]


def test_a_segment_is_announced_when_it_begins(ledger: SegmentLedger, begun: list[SegmentOpened]) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    assert begun == [
        SegmentOpened(path="a.ts", index=0, started_at=1700.0),
        SegmentOpened(path="b.ts", index=1, started_at=1704.0),
    ]


def test_what_a_pause_leaves_out_bounds_its_neighbours_and_is_not_reported(
    ledger: SegmentLedger, said: list[SegmentClosed], begun: list[SegmentOpened]
) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "left_out_0.ts", starts=3 * SECOND, kept=False)
    ledger.closed(SPOOL / "a.ts")
    ledger.opened(path=SPOOL / "left_out_1.ts", starts=5 * SECOND, kept=False)
    ledger.closed(SPOOL / "left_out_0.ts")
    ledger.opened(path=SPOOL / "b.ts", starts=6 * SECOND)
    ledger.closed(SPOOL / "left_out_1.ts")
    ledger.opened(path=SPOOL / "c.ts", starts=10 * SECOND)
    ledger.closed(SPOOL / "b.ts")
    assert [(event.path, event.index, event.jump) for event in begun] == [
        ("a.ts", 0, False),
        ("b.ts", 1, True),
        ("c.ts", 2, False),
    ]
    assert said == [
        SegmentClosed(path="a.ts", index=0, duration=3.0, started_at=1700.0),
        SegmentClosed(path="b.ts", index=1, duration=4.0, started_at=1706.0, jump=True),
    ]


def test_a_recording_that_ends_paused_ends_where_the_pause_began(
    ledger: SegmentLedger, said: list[SegmentClosed]
) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "left_out_0.ts", starts=3 * SECOND, kept=False)
    ledger.closed(SPOOL / "a.ts")
    assert ledger.open_path is None
    assert not ledger.all_closed
    ledger.frame(9 * SECOND)
    ledger.closed(SPOOL / "left_out_0.ts")
    ledger.finish()
    assert ledger.all_closed
    assert [(event.path, event.duration) for event in said] == [("a.ts", 3.0)]


def test_a_segment_that_was_cut_while_a_pause_had_begun_ends_with_what_it_holds(
    ledger: SegmentLedger, said: list[SegmentClosed]
) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.opened(path=SPOOL / "left_out_0.ts", starts=3 * SECOND, kept=False)
    ledger.freeze()
    ledger.finish_cut("a.ts", 2.5)
    assert [(event.path, event.duration) for event in said] == [("a.ts", 2.5)]


def test_after_a_failure_no_segment_begins(ledger: SegmentLedger, begun: list[SegmentOpened]) -> None:
    ledger.opened(path=SPOOL / "a.ts", starts=0)
    ledger.freeze()
    ledger.opened(path=SPOOL / "b.ts", starts=4 * SECOND)
    assert [event.path for event in begun] == ["a.ts"]
    assert ledger.open_path == "a.ts"
