"""The Events of what changes in a task, whole."""

from itertools import pairwise
from typing import Any

import pytest

from egress_api.states import GapReason, Reason, State
from egress_api.status import EgressTaskStatus, Gap
from egress_operator.events import events_of, worth_a_line, worth_an_event
from support.operator_parts import NOW, RECORDING, STOPPING, at, status, task


def _changed(**fields: Any) -> EgressTaskStatus:
    return RECORDING.model_copy(update=fields)


def _event(*, micros: int = 0, **words: str) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"task.{int(NOW.timestamp() * 1_000_000) + micros:x}", "namespace": "media"},
        "eventTime": f"2026-11-23T05:13:02.{micros:06}Z",
        "regarding": {
            "apiVersion": "egress-operator.dev/v1alpha1",
            "kind": "EgressTask",
            "name": "task",
            "namespace": "media",
            "uid": "task-uid",
        },
        "reportingController": "egress-operator",
        "reportingInstance": "operator-1",
        **words,
    }


def test_the_whole_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "operator-1")
    ended = _changed(state=State.FAILED, reason=Reason.OOM_KILLED, message="used too much")

    assert events_of(task().metadata, RECORDING, ended, now=NOW) == [
        _event(type="Warning", reason="OOMKilled", action="FAILED", note="FAILED: used too much")
    ]


def test_what_is_missing_is_told_once_and_a_pause_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "operator-1")
    gap = Gap(started_at=at(40), seconds=1.25, reason=GapReason.CAPTURE_RESTARTED)
    pause = Gap(started_at=at(60), seconds=9, reason=GapReason.PAUSED)
    known = _changed(gaps=[gap], lost_seconds=1.25)
    more = _changed(gaps=[gap.model_copy(update={"seconds": 8.0}), pause], lost_seconds=8.0)
    words = {
        "type": "Warning",
        "reason": "GapFound",
        "action": "GapFound",
        "note": "missing in the recording: 1.2 s from 2026-11-23T05:12:02Z (CaptureRestarted)",
    }

    assert events_of(task().metadata, RECORDING, known, now=NOW) == [_event(**words)]
    assert events_of(task().metadata, known, more, now=NOW) == []


def test_two_events_of_one_look_have_two_names() -> None:
    gap = Gap(started_at=at(40), seconds=3, reason=GapReason.RECORDER_REPLACED)
    events = events_of(task().metadata, status(), status(attempt=2, gaps=[gap]), now=NOW)

    assert [event["action"] for event in events] == ["ENQUEUED", "GapFound"]
    assert len({event["metadata"]["name"] for event in events}) == 2


def test_a_life_that_goes_as_asked_has_lines_in_the_log_and_no_events() -> None:
    life = [None, status(), RECORDING, STOPPING, _changed(state=State.STOPPED)]

    for before, after in pairwise(life):
        assert after is not None
        assert worth_a_line(before, after)
        assert not worth_an_event(before, after)
        assert events_of(task().metadata, before, after, now=NOW) == []


def test_a_bad_end_and_a_new_attempt_are_told_once() -> None:
    first = status()

    for told in (status(attempt=2), status(State.FAILED), status(State.TIMEOUT)):
        assert worth_an_event(first, told)
        assert not worth_an_event(told, told)
    assert worth_an_event(None, status(State.FAILED))
    assert not worth_an_event(first, status(reason=Reason.UNSCHEDULABLE))
    assert not worth_a_line(first, status(reason=Reason.UNSCHEDULABLE))
    assert not worth_an_event(status(attempt=0), first)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (Reason.RECORDING, Reason.PAUSED, True),
        (Reason.PAUSED, Reason.PAUSED, False),
        (Reason.PAUSED, Reason.RECORDING, True),
        (Reason.PAUSED, Reason.POD_DELETED, False),
        (Reason.POD_DELETED, Reason.RECORDING, False),
        (Reason.STOPPING, Reason.CLOSING, True),
        (Reason.CLOSING, Reason.CLOSING, False),
    ],
)
def test_a_pause_its_end_and_a_closing_are_told_once(
    before: Reason,
    after: Reason,
    told: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert worth_an_event(_changed(reason=before), _changed(reason=after)) is told
