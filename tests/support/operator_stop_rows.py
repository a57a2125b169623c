"""The table of states: a stop of a recorder that records. Ends are in operator_end_rows.py."""

from collections.abc import Iterator
from typing import Any

from egress_api.results import LiveReport, RecorderPhase
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import EgressTaskStatus, with_condition
from egress_operator.decision import Facts
from egress_operator.pod_state import PodView
from support.operator_parts import NOW, RECORDING, STOPPING, Row, at, ended, running, task
from support.summaries import failed, live, summary


def _failing(status: EgressTaskStatus) -> EgressTaskStatus:
    """Return a status that tells of failing uploads already."""
    conditions = with_condition(
        status.conditions,
        ConditionType.UPLOADED,
        ConditionStatus.FALSE,
        reason=Reason.STORE_UNREACHABLE,
        message="no answer",
        now=at(50),
        generation=1,
    )
    return status.model_copy(update={"conditions": conditions, "pending_bytes": 3_000_000})


def report(phase: RecorderPhase = RecorderPhase.RECORDING) -> LiveReport:
    return live(
        phase=phase,
        pending_bytes=3_000_000,
        upload_error="no answer",
        upload_reason=Reason.STORE_UNREACHABLE,
    )


def untold(**changes: Any) -> PodView:
    """Return a Pod that can be told to stop."""
    return running(can_be_told_to_stop=True, **changes)


def told(seconds_ago: float, **changes: Any) -> PodView:
    since = at((NOW - at(0)).total_seconds() - seconds_ago)
    return untold(told_to_stop=True, told_to_stop_at=since, **changes)


def _telling_rows() -> Iterator[Row]:
    yield Row(
        when="stop is asked for while uploads fail",
        task=task(RECORDING, stop=True),
        pod=untold(),
        facts=Facts(live=report(), silent_seconds=0.0),
        state=State.PROCESSING,
        reason="",
        does="tell 1 to stop",
    )
    yield Row(
        when="stop is asked for while uploads fail, and the operator has just started",
        task=task(_failing(RECORDING), stop=True),
        pod=untold(),
        state=State.PROCESSING,
        reason="",
        does="tell 1 to stop",
    )
    yield Row(
        when="stop is asked for, and all is well",
        task=task(RECORDING, stop=True),
        pod=untold(),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="",
        does="tell 1 to stop",
    )
    yield Row(
        when="stop is asked for while uploads fail, of a Pod that an older operator made",
        task=task(RECORDING, stop=True),
        pod=running(),
        facts=Facts(live=report()),
        state=State.STOPPING,
        reason="Stopping",
        does="delete 1",
    )
    yield Row(
        when="stop is asked for while uploads fail, and the recorder has not answered for a minute",
        task=task(RECORDING, stop=True),
        pod=untold(),
        facts=Facts(live=report(), silent_seconds=60.0),
        state=State.STOPPING,
        reason="Stopping",
        does="delete 1",
    )
    yield Row(
        when="told to stop half a second ago",
        task=task(RECORDING, stop=True),
        pod=told(0.5),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="",
    )
    yield Row(
        when="told to stop a second ago",
        task=task(RECORDING, stop=True),
        pod=told(1),
        facts=Facts(live=live()),
        state=State.STOPPING,
        reason="Stopping",
    )
    yield Row(
        when="told to stop, and the recorder has ended before that was written",
        task=task(RECORDING, stop=True),
        pod=ended(summary(), can_be_told_to_stop=True, told_to_stop=True, told_to_stop_at=at(99.5)),
        state=State.STOPPED,
        reason="StopRequested",
        does="release 1, delete 1",
    )
    yield Row(
        when="told to stop, and the clock was put back since",
        task=task(RECORDING, stop=True),
        pod=told(-30),
        facts=Facts(live=live()),
        state=State.STOPPING,
        reason="Stopping",
    )


def _told_rows() -> Iterator[Row]:
    ending = report(RecorderPhase.FINALIZING)
    was_told = _failing(STOPPING)
    for when, pod, facts in (
        ("told to stop, the recorder has not read it yet", told(5), Facts(live=report(), silent_seconds=0.0)),
        (
            "told to stop, the recorder tries to store the rest",
            told(95),
            Facts(live=ending, silent_seconds=0.0),
        ),
        ("told to stop, and the operator has just started", told(95), Facts()),
        (
            "told to stop, the store takes everything again",
            told(95),
            Facts(live=live(phase=RecorderPhase.FINALIZING)),
        ),
        ("told to stop, its Pod was deleted by somebody", told(95, deleted_at=at(200)), Facts(live=ending)),
    ):
        yield Row(
            when=when, task=task(was_told, stop=True), pod=pod, facts=facts, state=State.STOPPING, reason="Stopping"
        )  # fmt: skip
    for when, facts in (
        ("told to stop, the recorder still records half a minute later", Facts(live=report())),
        (
            "told to stop, the recorder has not answered for a minute",
            Facts(live=ending, silent_seconds=60.0),
        ),
    ):
        yield Row(
            when=when,
            task=task(was_told, stop=True),
            pod=told(30),
            facts=facts,
            state=State.STOPPING,
            reason="Stopping",
            does="delete 1",
        )


def _end_rows() -> Iterator[Row]:
    was_told = task(_failing(STOPPING), stop=True)
    flags: dict[str, Any] = {"can_be_told_to_stop": True, "told_to_stop": True, "told_to_stop_at": at(10)}
    yield Row(
        when="told to stop, the recorder has stored everything",
        task=was_told,
        pod=ended(summary(), **flags),
        state=State.STOPPED,
        reason="StopRequested",
        does="release 1, delete 1",
    )
    yield Row(
        when="told to stop, the store stayed away for longer than the recorder",
        task=was_told,
        pod=ended(failed(Reason.STORE_UNREACHABLE, joined=True, retryable=True), exit_code=1, **flags),
        state=State.FAILED,
        reason="StoreUnreachable",
        does="release 1, delete 1",
    )
    yield Row(
        when="told to stop, the recorder was killed",
        task=was_told,
        pod=ended(exit_code=137, **flags),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, delete 1, create 2 to close",
    )


STOP_ROWS: tuple[Row, ...] = (*_telling_rows(), *_told_rows(), *_end_rows())
