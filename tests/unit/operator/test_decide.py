"""The table of states, row by row, and what must hold for every sequence of them."""

from datetime import timedelta

import pytest

from egress_api.results import LiveReport, Outcome
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_operator.decide import decide
from egress_operator.decision import Decision, Facts
from egress_operator.draft import PAGE_CONDITIONS, status_patch
from egress_operator.endings import backoff_seconds
from egress_operator.pod_state import PodView
from support.operator_parts import (
    NOW,
    RECORDING,
    SETTINGS,
    STOPPING,
    Row,
    actions_text,
    at,
    ended,
    pod,
    running,
    status,
    task,
)
from support.operator_rows import ROWS
from support.summaries import failed, live, playlist, summary


def decided(row: Row) -> Decision:
    return decide(row.task, row.pod, now=row.now, settings=row.settings, facts=row.facts)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.was} {row.when}")
def test_row_of_the_table(row: Row) -> None:
    decision = decided(row)

    got = (decision.status.state, decision.status.reason, actions_text(decision))
    assert got == (row.state, row.reason, row.does)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.was} {row.when}")
def test_a_second_look_writes_nothing_more(row: Row) -> None:
    first = decided(row)
    again = row.task.model_copy(update={"status": first.status})
    if first.status.attempt != max(row.task.status.attempt, 1):
        return  # the Pod of the row is no longer the attempt's
    if first.status.verdict is not None and row.facts.refusal is not None and not row.task.status.verdict:
        return  # what the row's Pod was refused for is not the next one's

    second = decide(again, row.pod, now=row.now, settings=row.settings, facts=row.facts)

    assert status_patch(first.status, second.status) == {}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.was} {row.when}")
def test_every_end_is_told_by_state_conditions_and_time(row: Row) -> None:
    got = decided(row).status
    if not got.state.terminal or row.task.status.state.terminal:
        return
    stopped = got.state is State.STOPPED
    conditions = {c.type: c.status is ConditionStatus.TRUE for c in got.conditions}

    assert got.stopped_at == row.now
    assert got.message
    assert conditions[ConditionType.COMPLETE] is stopped
    assert conditions[ConditionType.FAILED] is not stopped
    assert conditions[ConditionType.RECORDING] is False


def test_first_sight_decides_every_condition_and_keeps_the_generation() -> None:
    got = decide(task(), None, now=NOW, settings=SETTINGS).status

    assert {c.type for c in got.conditions} == set(ConditionType) - set(PAGE_CONDITIONS)
    accepted = got.condition(ConditionType.ACCEPTED)
    assert accepted is not None
    assert accepted.status is ConditionStatus.TRUE
    assert (got.observed_generation, got.attempt, got.pod_name, got.enqueued_at) == (1, 1, "task-1", NOW)


def test_processing_begins_when_the_pod_became_ready() -> None:
    got = decide(task(status()), running(ready_at=at(42)), now=NOW, settings=SETTINGS).status

    assert got.started_at == at(42)
    assert (got.node_name, got.pod_phase, got.pod_uid) == ("node-1", "Running", "pod-1")


def test_the_end_takes_over_files_and_manifest() -> None:
    got = decide(
        task(STOPPING, stop=True), ended(summary(), deleted_at=at(200)), now=NOW, settings=SETTINGS
    ).status

    assert got.files == [playlist()]
    assert got.manifest_uri == "s3://recordings/demo/task/manifest.json"
    uploaded = got.condition(ConditionType.UPLOADED)
    assert uploaded is not None
    assert uploaded.status is ConditionStatus.TRUE


def test_files_seen_last_are_kept_when_the_end_was_never_told() -> None:
    got = decide(task(STOPPING, stop=True), None, now=NOW, settings=SETTINGS).status

    assert got.files == RECORDING.files
    assert "as last seen" in got.message


def _with_live(report: LiveReport) -> Decision:
    return decide(task(RECORDING), running(), now=NOW, settings=SETTINGS, facts=Facts(live=report))


def test_a_little_growth_of_a_file_is_not_written() -> None:
    assert _with_live(live(seconds=33)).status.files == RECORDING.files


def test_half_a_minute_of_growth_is_written() -> None:
    assert _with_live(live(seconds=34)).status.files == [playlist(seconds=34)]


def test_a_report_of_another_attempt_is_not_ours() -> None:
    assert _with_live(live(attempt=2, seconds=99)).status.files == RECORDING.files


def test_the_pause_doubles_up_to_a_minute() -> None:
    assert [backoff_seconds(n) for n in (1, 2, 3, 6, 7, 50)] == [1, 2, 4, 32, 60, 60]


def test_a_failure_is_retried_after_its_pause() -> None:
    unreachable = ended(failed(Reason.SOURCE_UNREACHABLE, retryable=True, attempt=2), attempt=2, exit_code=1)
    got = decide(task(status(attempt=2)), unreachable, now=NOW, settings=SETTINGS)

    assert got.status.retry_at == NOW + timedelta(seconds=2)
    assert got.requeue_after == 2
    assert (got.status.attempt, got.status.pod_uid, got.status.free_restarts) == (3, None, 0)


@pytest.mark.parametrize(("seconds", "pause"), [(9, 1), (10, 0)])
def test_a_recorder_that_had_recorded_for_a_while_is_followed_at_once(seconds: int, pause: int) -> None:
    killed = ended(exit_code=137, why="OOMKilled")
    got = decide(task(RECORDING), killed, now=at(1 + seconds), settings=SETTINGS)

    assert got.status.retry_at == (at(1 + seconds + pause) if pause else None)
    assert ("create 2" in actions_text(got)) is (pause == 0)


def test_a_free_restart_is_counted_apart() -> None:
    evicted = ended(exit_code=137, reason="Evicted")
    got = decide(task(status()), evicted, now=NOW, settings=SETTINGS).status

    assert (got.attempt, got.free_restarts) == (2, 1)


def test_a_waiting_task_is_looked_at_again_at_its_deadline() -> None:
    got = decide(task(status()), running(ready=False), now=NOW, settings=SETTINGS)

    assert got.requeue_after == 200


def test_patience_with_an_image_ends_on_time() -> None:
    got = decide(task(status()), pod(waiting="ImagePullBackOff"), now=NOW, settings=SETTINGS)

    assert got.requeue_after == 55


@pytest.mark.parametrize(
    ("its", "nothing_left"),
    [(None, True), (running(), False), (running(deleted_at=at(90)), False), (ended(summary()), True)],
    ids=["no Pod", "records", "is ending", "has ended"],
)
def test_what_is_left_of_a_task_that_is_being_deleted(its: PodView | None, nothing_left: bool) -> None:  # noqa: FBT001 - a table's column
    gone = task(RECORDING)
    gone = gone.model_copy(update={"metadata": gone.metadata.model_copy(update={"deletion_timestamp": NOW})})
    assert decide(gone, its, now=NOW, settings=SETTINGS).nothing_left is nothing_left


def test_a_task_that_is_being_deleted_has_its_recorder_end_whoever_holds_the_task() -> None:
    gone = task(RECORDING)
    gone = gone.model_copy(update={"metadata": gone.metadata.model_copy(update={"deletion_timestamp": NOW})})

    alive = decide(gone, running(), now=NOW, settings=SETTINGS)
    ending = decide(gone, running(deleted_at=at(90)), now=NOW, settings=SETTINGS)
    foreign = decide(gone, running(owner_uid="other"), now=NOW, settings=SETTINGS)
    over = decide(gone, ended(summary(), deleted_at=at(90)), now=NOW, settings=SETTINGS)

    assert (alive.status, actions_text(alive)) == (RECORDING, "delete 1")
    assert (ending.status, ending.actions) == (RECORDING, ())
    assert foreign.actions == ()
    assert (over.status, actions_text(over)) == (RECORDING, "release 1")


@pytest.mark.parametrize(
    ("exit_code", "words"), [(137, "had not finished after 120 s"), (139, "exit code 139")]
)
def test_a_recorder_that_did_not_end_properly_is_said_to_be_killed_only_if_it_was(
    exit_code: int, words: str
) -> None:
    got = decide(
        task(STOPPING, stop=True),
        ended(exit_code=exit_code, deleted_at=at(99)),
        now=NOW,
        settings=SETTINGS,
    )

    verdict = got.status.verdict
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (State.FAILED, "RecorderFailed")
    assert words in verdict.message
    assert words in got.status.message


def test_a_summary_whose_reason_is_no_word_still_ends_the_task() -> None:
    words = summary().model_copy(update={"reason": "not a word!", "outcome": Outcome.FAILED})
    got = decide(task(RECORDING), ended(words, exit_code=1), now=NOW, settings=SETTINGS)

    assert (got.status.state, got.status.reason) == (State.FAILED, "RecorderFailed")


def test_the_refusal_of_a_page_names_the_setting() -> None:
    row = next(row for row in ROWS if row.reason == "LayoutNotSupported")

    assert "recorder.web.image" in decided(row).status.message


def test_a_message_too_long_for_a_status_is_cut() -> None:
    got = decide(
        task(status()), pod(waiting="ErrImagePull", waiting_message="x" * 3000), now=NOW, settings=SETTINGS
    )

    assert len(got.status.message) == 1024
