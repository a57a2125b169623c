"""The Event of a change of state, whole."""

import pytest

from egress_api.states import Reason, State
from egress_operator.events import build_event, worth_an_event
from support.operator_rows import NOW, RECORDING, status, task


def test_the_whole_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTNAME", "operator-1")
    ended = RECORDING.model_copy(
        update={"state": State.FAILED, "reason": Reason.OOM_KILLED, "message": "used too much"}
    )

    assert build_event(task().metadata, ended, now=NOW) == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"task.{int(NOW.timestamp() * 1_000_000):x}", "namespace": "media"},
        "eventTime": "2026-11-23T05:13:02.000000Z",
        "type": "Warning",
        "reason": "OOMKilled",
        "action": "FAILED",
        "note": "FAILED: used too much",
        "regarding": {
            "apiVersion": "egress-operator.dev/v1alpha1",
            "kind": "EgressTask",
            "name": "task",
            "namespace": "media",
            "uid": "task-uid",
        },
        "reportingController": "egress-operator",
        "reportingInstance": "operator-1",
    }


def test_a_new_state_and_a_new_attempt_are_told_and_nothing_else() -> None:
    first = status()

    assert worth_an_event(None, first)
    assert worth_an_event(first, RECORDING)
    assert worth_an_event(first, status(attempt=2))
    assert not worth_an_event(first, status(reason=Reason.UNSCHEDULABLE))
    assert not worth_an_event(status(attempt=0), first)
