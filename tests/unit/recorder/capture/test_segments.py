from pathlib import Path

import pytest

from egress_recorder.capture.events import SegmentClosed
from egress_recorder.capture.segments import SegmentLedger
from egress_recorder.capture.timing import SECOND

FRAME = SECOND // 30
SPOOL = Path("/spool")


@pytest.fixture
def said() -> list[SegmentClosed]:
    return []


@pytest.fixture
def ledger(said: list[SegmentClosed]) -> SegmentLedger:
    return SegmentLedger(emit=said.append, wall_clock=lambda at: 1700.0 + at / SECOND, frame_duration=FRAME)


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
    ledger.finish_cut(1.25)
    assert [(event.path, event.duration) for event in said] == [("a.ts", 4.0), ("b.ts", 1.25)]
