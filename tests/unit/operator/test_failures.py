"""What the end of a Pod means: rule by rule, and which wins where two fit."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_api.results import TerminationSummary
from egress_api.states import Reason
from egress_operator.failures import RULES, classify, summary_of
from egress_operator.pod_state import PodView
from support.operator_parts import NOW, ended, running
from support.summaries import failed, summary

LONG_AGO = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("view", "reason", "platform"),
    [
        (running(deleted_at=LONG_AGO), Reason.NODE_LOST, True),
        (ended(exit_code=137, reason="Terminated"), Reason.NODE_SHUTDOWN, True),
        (ended(exit_code=137, reason="NodeShutdown"), Reason.NODE_SHUTDOWN, True),
        (ended(exit_code=137, reason="NodeLost"), Reason.NODE_LOST, True),
        (ended(exit_code=137, disruption="DeletionByTaintManager"), Reason.NODE_LOST, True),
        (ended(exit_code=137, disruption="DeletionByPodGC"), Reason.NODE_LOST, True),
        (ended(exit_code=137, reason="Evicted"), Reason.POD_EVICTED, True),
        (ended(exit_code=137, disruption="EvictionByEvictionAPI", deleted_at=NOW), Reason.POD_EVICTED, True),
        (ended(exit_code=137, disruption="PreemptionByScheduler", deleted_at=NOW), Reason.POD_EVICTED, True),
        (ended(exit_code=1, reason="UnexpectedAdmissionError"), Reason.POD_EVICTED, True),
        (ended(exit_code=1, reason="OutOfcpu"), Reason.POD_EVICTED, True),
        (ended(exit_code=137, why="OOMKilled"), Reason.OOM_KILLED, False),
        (ended(exit_code=0, why="OOMKilled"), Reason.OOM_KILLED, False),
        (ended(exit_code=137, reason="DeadlineExceeded"), Reason.RECORDER_FAILED, False),
        (ended(exit_code=137, deleted_at=NOW), Reason.POD_DELETED, True),
        (ended(exit_code=3), Reason.RECORDER_FAILED, False),
        (ended(exit_code=0), Reason.RECORDER_FAILED, False),
    ],
)
def test_without_a_summary_the_first_rule_that_fits_speaks(
    view: PodView,
    reason: Reason,
    platform: bool,  # noqa: FBT001 - a table's column
) -> None:
    end = classify(view, None, now=NOW)

    assert (end.reason, end.platform) == (reason, platform)
    assert end.message


def test_the_last_words_in_the_log_are_shown_where_there_is_no_summary() -> None:
    end = classify(ended("Traceback:\n  no such device", exit_code=3), None, now=NOW)

    assert end.message == "the recorder ended with exit code 3: …Traceback: no such device"


def test_the_log_of_a_recorder_that_was_killed_explains_nothing() -> None:
    end = classify(ended('{"event": "joined"}', exit_code=137), None, now=NOW)

    assert end.message == "the recorder was killed (exit code 137) and left no summary"


def test_a_recorders_own_failure_is_believed_before_anything_else() -> None:
    words = failed(Reason.STORE_REFUSED)
    end = classify(ended(words, exit_code=1, reason="Evicted"), words, now=NOW)

    assert (end.reason, end.retryable, end.message) == ("StoreRefused", False, "as the recorder said")


def test_a_recording_that_was_complete_is_complete_whoever_deleted_the_pod() -> None:
    words = summary(reason=Reason.SOURCE_CLOSED)

    assert classify(ended(words, deleted_at=NOW), words, now=NOW).complete


def test_ended_as_asked_although_nobody_is_seen_to_have_asked() -> None:
    words = summary()
    end = classify(ended(words), words, now=NOW)

    assert (end.reason, end.platform, end.complete) == (Reason.POD_DELETED, True, False)


def test_ended_in_order_at_the_pods_last_deadline_is_the_longest_duration() -> None:
    words = summary()
    end = classify(ended(words, reason="DeadlineExceeded"), words, now=NOW)

    assert (end.reason, end.complete) == (Reason.MAX_DURATION_REACHED, True)


def test_the_words_of_another_attempt_are_foreign() -> None:
    assert summary_of(ended(summary(attempt=1), attempt=2), attempt=2) is None


@given(st.text())
def test_any_text_may_stand_where_the_summary_should(text: str) -> None:
    view = ended(text, exit_code=1)

    assert classify(view, summary_of(view, attempt=1), now=NOW).reason == Reason.RECORDER_FAILED


@given(st.integers(0, 500))
def test_a_summary_cut_anywhere_is_survived(length: int) -> None:
    text = summary().to_message()
    found = summary_of(ended(text[: min(length, len(text) - 1)]), attempt=1)

    assert found is None
    assert isinstance(summary_of(ended(text), attempt=1), TerminationSummary)


def test_the_last_rule_always_fits() -> None:
    assert RULES[-1].fits(running(), NOW)
