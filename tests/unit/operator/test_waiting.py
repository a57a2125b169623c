"""What a task that waits says of itself, what becomes of that when its turn has come, and Pods that go through Kueue."""

from dataclasses import replace
from typing import Any

import pytest

from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_operator.decide import decide
from egress_operator.decision import Facts, Turn
from egress_operator.draft import status_patch
from egress_operator.failures import classify
from egress_operator.pod_state import PodView
from egress_operator.pods import build_pod
from egress_operator.queue_settings import AppQueue, QueueSettings
from egress_operator.waiting import ordinal
from support.operator_parts import NOW, SETTINGS, at, task
from support.operator_queue_rows import FULL, GRANTED, LIMITED, OF_APP, QUIET, RATE, WAITS


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st")],
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text


@pytest.mark.parametrize(
    ("turn", "says"),
    [
        (FULL, "waits for a place: 12th of 40; 5 of 5 recordings run"),
        (OF_APP, "waits for a place of app demo: 3rd of 7; 2 of 2 recordings of the app run"),
        (RATE, "waits for its start: 1st of 1; recordings begin at 0.5 a second (queue.startsPerSecond)"),
    ],
    ids=lambda value: value.reason if isinstance(value, Turn) else "",
)
def test_who_waits_says_for_what_and_where_it_stands(turn: Turn, says: str) -> None:
    got = decide(task(), None, now=NOW, settings=LIMITED, facts=Facts(turn=turn))

    assert (got.status.state, got.status.reason, got.status.message) == (State.ENQUEUED, turn.reason, says)
    assert (got.status.queue_position, got.status.attempt, got.status.pod_name) == (turn.position, 0, None)
    accepted = got.status.condition(ConditionType.ACCEPTED)
    assert accepted is not None
    assert accepted.status is ConditionStatus.TRUE
    assert got.requeue_after == 200, "the enqueue timeout"


@pytest.mark.parametrize(
    ("turn", "says"),
    [
        (
            FULL,
            "as many tasks record as may (5); status.queuePosition is its place in the line of all that wait for a place",
        ),
        (
            OF_APP,
            (
                "as many tasks of app demo record as may (2); status.queuePosition is its place in the line of those of app "
                "demo that wait"
            ),
        ),
        (
            RATE,
            (
                "as many recordings begin as may (0.5 a second); status.queuePosition is its place in the line of all that wait "
                "for their start"
            ),
        ),
    ],
    ids=lambda value: value.reason if isinstance(value, Turn) else "",
)
def test_a_condition_says_why_there_is_no_pod_and_what_the_position_means(turn: Turn, says: str) -> None:
    got = decide(task(), None, now=NOW, settings=LIMITED, facts=Facts(turn=turn)).status
    condition = got.condition(ConditionType.POD_SCHEDULED)
    assert condition is not None
    assert (condition.status, condition.reason) == (ConditionStatus.FALSE, turn.reason)
    assert condition.message == f"the Pod is created when it is the task's turn: {says}"


def test_another_position_leaves_the_conditions_as_they_are_until_the_turn_comes() -> None:
    first = decide(task(), None, now=NOW, settings=LIMITED, facts=Facts(turn=FULL)).status
    nearer = decide(
        task(first), None, now=at(30), settings=LIMITED, facts=Facts(turn=replace(FULL, position=3))
    ).status
    assert (nearer.queue_position, nearer.conditions) == (3, first.conditions)
    begun = decide(task(nearer), None, now=at(60), settings=LIMITED, facts=Facts(turn=GRANTED)).status
    condition = begun.condition(ConditionType.POD_SCHEDULED)
    assert condition is not None
    assert (condition.status, condition.reason, condition.message) == (
        ConditionStatus.UNKNOWN,
        "Accepted",
        "it was the task's turn",
    )


def test_before_the_operator_has_counted_nothing_is_written() -> None:
    new = task()
    got = decide(new, None, now=NOW, settings=LIMITED, facts=Facts(turn=QUIET))
    assert got.status == new.status
    assert got.actions == ()


def test_a_look_without_news_writes_nothing() -> None:
    waits = task(WAITS.model_copy(update={"observed_generation": 1}))
    got = decide(waits, None, now=NOW, settings=LIMITED, facts=Facts(turn=QUIET))
    assert status_patch(waits.status, got.status) == {}


def test_a_look_without_news_takes_note_of_another_spec() -> None:
    got = decide(task(WAITS, pause=True), None, now=NOW, settings=LIMITED, facts=Facts(turn=QUIET))
    assert got.status.observed_generation == 2
    assert got.status.queue_position == 2


def test_whose_turn_has_come_waits_no_more_and_was_accepted_when_it_was_first_seen() -> None:
    got = decide(task(WAITS), None, now=NOW, settings=LIMITED, facts=Facts(turn=GRANTED)).status
    assert (got.attempt, got.queue_position, got.enqueued_at) == (1, None, WAITS.enqueued_at)
    assert (got.reason, got.message) == ("Accepted", "it was the task's turn")


def test_who_has_waited_in_vain_ends_without_a_position_and_with_what_it_waited_for() -> None:
    got = decide(task(WAITS), None, now=at(300), settings=LIMITED, facts=Facts(turn=QUIET)).status
    assert (got.state, got.reason, got.queue_position) == (State.TIMEOUT, "QueueFull", None)
    assert got.message == (
        "not recording 300 s after it was created (enqueueTimeoutSeconds): waits for a place"
    )


# Kueue.

QUEUES = SETTINGS.model_copy(
    update={"queue": QueueSettings(queue_name="all", apps={"demo": AppQueue(queue_name="team-a")})}
)


@pytest.mark.parametrize(
    ("settings", "spec", "finish_only", "queue"),
    [
        (SETTINGS, {}, False, None),
        (SETTINGS, {"queue_name": "own"}, False, "own"),
        (QUEUES, {}, False, "team-a"),
        (QUEUES, {"app_id": "other"}, False, "all"),
        (QUEUES, {"queue_name": "own"}, False, "own"),
        (QUEUES, {"queue_name": "own"}, True, None),
    ],
    ids=["none", "asked", "of the app", "of all", "asked wins", "to close a playlist"],
)
def test_a_pod_goes_through_the_queue_that_is_asked_for_or_set(
    settings: Any,
    spec: dict[str, Any],
    finish_only: bool,  # noqa: FBT001 - a table's column
    queue: str | None,
) -> None:
    pod = build_pod(task(**spec), attempt=1, settings=settings, finish_only=finish_only)
    assert pod["metadata"]["labels"].get("kueue.x-k8s.io/queue-name") == queue


def view(*, gates: tuple[str, ...] = (), **status: Any) -> PodView:
    meta = {"name": "task-1", "namespace": "media", "uid": "u"}
    spec = {"schedulingGates": [{"name": gate} for gate in gates]}
    return PodView.from_resource({"metadata": meta, "spec": spec, "status": status})


def test_a_gated_pod_says_who_holds_it_back() -> None:
    kueue = view(gates=("kueue.x-k8s.io/admission",)).blocked()
    other = view(gates=("example.com/wait",)).blocked()
    assert (kueue.reason, kueue.message) == (
        Reason.QUEUE_GATED,
        "Kueue holds the recorder's Pod back until its queue has room",
    )
    assert other.message == "scheduling gates keep the recorder's Pod from a node: example.com/wait"
    assert view().blocked().reason is Reason.POD_PENDING


def test_a_preemption_by_kueue_is_nobodys_fault_and_says_why() -> None:
    target = {
        "type": "TerminationTarget",
        "status": "True",
        "reason": "WorkloadEvicted",
        "message": "Preempted to accommodate a workload",
    }
    pod = view(phase="Failed", conditions=[target])
    assert pod.preempted
    deleted = PodView(**{**vars(pod), "deleted_at": NOW})
    end = classify(deleted, None, now=NOW)
    assert (end.reason, end.platform) == (Reason.PREEMPTED, True)
    assert end.message == "Kueue took the Pod's place away: Preempted to accommodate a workload"
