"""How a status is written: the smallest patch, and no write for nothing."""

from datetime import timedelta

from egress_api.states import ConditionStatus, ConditionType, GapReason, Reason, State
from egress_api.status import MAX_FILES, EgressTaskStatus, Gap
from egress_operator.draft import Draft, status_patch
from support.operator_parts import NOW, RECORDING, at, status
from support.summaries import live, playlist, summary


def test_what_did_not_change_is_not_written() -> None:
    assert status_patch(RECORDING, RECORDING.model_copy()) == {}


def test_a_moment_that_differs_by_less_than_a_second_did_not_change() -> None:
    moved = RECORDING.model_copy(update={"started_at": at(5) + timedelta(milliseconds=300)})

    assert status_patch(RECORDING, moved) == {}


def test_what_is_no_longer_set_is_removed() -> None:
    assert status_patch(RECORDING, RECORDING.model_copy(update={"pod_uid": None})) == {"podUid": None}


def test_lists_are_replaced_whole() -> None:
    longer = RECORDING.model_copy(update={"files": [playlist(seconds=4), playlist(seconds=8)]})
    patch = status_patch(RECORDING, longer)

    assert list(patch) == ["files"]
    assert len(patch["files"]) == 2


def test_a_first_status_is_written_whole() -> None:
    patch = status_patch(None, EgressTaskStatus())

    assert patch["state"] == "ENQUEUED"
    assert None not in patch.values()


def test_a_conditions_time_moves_with_its_status_and_not_with_its_message() -> None:
    draft = Draft(status(), now=NOW, generation=3)
    draft.condition(ConditionType.RECORDING, ConditionStatus.UNKNOWN, "Other", "other words")
    same = draft.status.condition(ConditionType.RECORDING)
    draft.condition(ConditionType.RECORDING, ConditionStatus.TRUE, "Recording")
    moved = draft.status.condition(ConditionType.RECORDING)

    assert same is not None
    assert moved is not None
    assert (same.last_transition_time, same.message, same.observed_generation) == (at(1), "other words", 3)
    assert moved.last_transition_time == NOW


def test_a_recorder_with_many_files_fills_the_list_and_no_more() -> None:
    draft = Draft(status(), now=NOW, generation=1)
    files = [playlist().model_copy(update={"name": f"{number}.m3u8"}) for number in range(70)]
    draft.report(live(files=files, files_total=70), final=True)

    assert (len(draft.status.files), draft.status.files_total) == (MAX_FILES, 70)


def test_files_stay_when_a_later_attempt_fails_before_it_knows_of_them() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(attempt=2, files=[], files_total=0), final=True)

    assert (draft.status.files, draft.status.files_total) == (RECORDING.files, 1)


def test_the_first_start_is_kept_over_later_attempts() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(joined_at=at(90)), final=True)

    assert draft.status.started_at == at(5)


GAP = Gap(started_at=at(20), seconds=1.25, reason=GapReason.CAPTURE_RESTARTED)


def test_gaps_stay_when_a_later_attempt_does_not_know_of_them() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(gaps=[GAP], lost_seconds=1.25), final=False)
    draft.report(live(attempt=2), final=True)

    assert (draft.status.gaps, draft.status.lost_seconds) == ([GAP], 1.25)


def test_a_gap_that_grows_is_written_exactly_at_the_end() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(gaps=[GAP], lost_seconds=1.25), final=False)
    longer = GAP.model_copy(update={"seconds": 9.0})
    draft.report(live(gaps=[longer], lost_seconds=9.0), final=False)
    assert draft.status.gaps == [GAP]
    draft.report(summary(gaps=[longer], lost_seconds=9.0), final=True)
    assert (draft.status.gaps, draft.status.lost_seconds) == ([longer], 9.0)


def test_a_loss_that_turns_out_to_be_part_of_a_pause_is_no_longer_one() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(gaps=[GAP], lost_seconds=1.25), final=False)
    paused = GAP.model_copy(update={"seconds": 20.0, "reason": GapReason.PAUSED})
    draft.report(live(gaps=[paused], lost_seconds=0.0), final=False)
    assert (draft.status.gaps, draft.status.lost_seconds) == ([paused], 0.0)


def _uploaded(draft: Draft) -> tuple[str, str, str]:
    found = draft.status.condition(ConditionType.UPLOADED)
    assert found is not None
    return found.status, found.reason, found.message


def test_uploads_that_fail_are_a_condition_and_so_is_that_they_work_again() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    refused = live(upload_error="access denied", upload_reason=Reason.STORE_REFUSED, pending_bytes=5_000_000)
    draft.report(refused, final=False)
    assert _uploaded(draft) == ("False", "StoreRefused", "access denied")
    assert draft.status.pending_bytes == 5_000_000
    draft.report(live(upload_error="no answer", pending_bytes=5_000_001), final=False)
    assert _uploaded(draft) == ("False", "StoreUnreachable", "no answer")
    draft.report(live(), final=False)
    assert _uploaded(draft) == ("Unknown", "Recording", "")
    assert draft.status.pending_bytes == 0


def test_a_condition_that_nothing_has_touched_stays_as_it_is() -> None:
    draft = Draft(RECORDING, now=NOW, generation=1)
    draft.report(live(), final=False)

    assert status_patch(RECORDING, draft.status).keys() == {"manifestUri", "firstFrameAt"}


def test_an_end_decides_every_condition_that_can_be_decided() -> None:
    draft = Draft(EgressTaskStatus(), now=NOW, generation=1)
    draft.begin(source="room")
    draft.finish(State.TIMEOUT, "EnqueueTimeout", "too late", uploaded=False)

    assert {c.type.value: c.status.value for c in draft.status.conditions} == {
        "Accepted": "True",
        "PodScheduled": "False",
        "Recording": "False",
        "Uploaded": "False",
        "Complete": "False",
        "Failed": "True",
    }
