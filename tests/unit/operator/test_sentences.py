"""What a user reads while it records: where, and what is not as one would wish."""

from typing import Any

import pytest

from egress_api.results import LiveReport
from egress_api.states import GapReason, Reason
from egress_api.status import Gap
from egress_operator.decide import decide
from egress_operator.decision import Facts
from egress_operator.sentences import size
from support.operator_parts import NOW, RECORDING, SETTINGS, at, ended, page_task, running, task
from support.summaries import live

GAPS = [
    Gap(started_at=at(20), seconds=1.25, reason=GapReason.CAPTURE_RESTARTED),
    Gap(started_at=at(40), seconds=30, reason=GapReason.PAUSED),
]


def _message(report: LiveReport | None, **facts: Any) -> str:
    got = decide(task(RECORDING), running(), now=NOW, settings=SETTINGS, facts=Facts(live=report, **facts))
    return got.status.message


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (None, ""),
        (live(participants=2), ""),
        (live(), "; nobody who is to be recorded sends picture or sound"),
        (live(participants=1, gaps=GAPS, lost_seconds=1.25), "; 1.2 s are missing in 1 gap"),
        (
            live(participants=1, upload_error="no answer", pending_bytes=2_000_000),
            "; uploads fail (StoreUnreachable), 1.9MiB wait in the recorder",
        ),
        (live(participants=1, upload_error="no answer"), "; uploads fail (StoreUnreachable)"),
        (live(participants=1, pending_bytes=2_000_000), ""),
    ],
)
def test_it_says_where_it_records_and_what_is_wrong(report: LiveReport | None, words: str) -> None:
    assert _message(report) == f"recording on node node-1{words}"


def test_a_slow_store_is_said_once_the_backlog_lasts() -> None:
    report = live(participants=1, pending_bytes=40_000_000)

    assert _message(report, backlog_lasts=True).endswith("; the store is slow, 38.1MiB wait in the recorder")


def test_what_a_lost_recorder_left_undone_is_no_failing_upload_of_the_next_one() -> None:
    lost = decide(task(RECORDING), ended(exit_code=137), now=NOW, settings=SETTINGS).status
    got = decide(task(lost), running(2), now=NOW, settings=SETTINGS).status

    assert got.message == "recording on node node-1, attempt 2"


def _stopped(report: LiveReport) -> str:
    told = running(can_be_told_to_stop=True, told_to_stop=True, told_to_stop_at=at(95))
    got = decide(task(RECORDING, stop=True), told, now=NOW, settings=SETTINGS, facts=Facts(live=report))
    return got.status.message


def test_a_stop_that_the_store_holds_up_says_what_waits_for_how_long_and_what_can_be_done() -> None:
    report = live(upload_error="no", upload_reason=Reason.STORE_REFUSED, pending_bytes=2_000_000)

    assert _stopped(report) == (
        "the recording has ended, but uploads fail (StoreRefused), 1.9MiB wait: the recorder stays until everything is "
        "stored, at most 60 minutes; to give it up, delete the task"
    )
    assert _stopped(live()) == "the recorder is ending the recording and uploading the rest"


def test_a_pause_is_said() -> None:
    assert _message(live(participants=1, paused=True)) == "paused on node node-1"


def test_nobody_is_missed_on_a_page() -> None:
    got = decide(
        page_task(RECORDING), running(), now=NOW, settings=SETTINGS, facts=Facts(live=live(participants=0))
    )

    assert got.status.message == "recording on node node-1"


def test_the_sentence_of_a_failing_upload_is_not_written_again_for_each_try() -> None:
    first = decide(
        task(RECORDING),
        running(),
        now=NOW,
        settings=SETTINGS,
        facts=Facts(live=live(upload_error="request 1", pending_bytes=3_000_000)),
    )
    again = decide(
        task(first.status),
        running(),
        now=NOW,
        settings=SETTINGS,
        facts=Facts(
            live=live(
                upload_error="request 2",
                pending_bytes=4_000_000,
                upload_reason=Reason.STORE_UNREACHABLE,
            )
        ),
    )

    assert again.status == first.status


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (1_048_575, "1.0MiB"), (5 * 1024**3, "5.0GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
