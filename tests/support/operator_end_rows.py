"""Rows of the table of states: attempts that are over, and what follows; tasks that have ended."""

from collections.abc import Iterator
from typing import Any

from egress_api.media import OutputFormat
from egress_api.states import Reason, State
from egress_api.status import Verdict
from egress_operator.decision import Facts, Refusal
from support.operator_parts import RECORDING, STOPPING, Row, at, ended, pod, running, status, task
from support.summaries import failed, playlist, summary

SELF_ENDED_REASONS = (
    Reason.MAX_DURATION_REACHED,
    Reason.MAX_BYTES_REACHED,
    Reason.IDLE_TIMEOUT,
    Reason.SOURCE_CLOSED,
    Reason.PAGE_ENDED,
)


def _own_end_rows() -> Iterator[Row]:
    for reason in SELF_ENDED_REASONS:
        yield Row(
            when=f"the recorder ended by itself: {reason}",
            task=task(RECORDING),
            pod=ended(summary(reason=reason)),
            state=State.STOPPED,
            reason=reason,
            does="release 1, delete 1",
        )
    for reason in (Reason.JOIN_REFUSED, Reason.STORE_REFUSED, Reason.OUTPUT_EXISTS):
        yield Row(
            when=f"the recorder gave up: {reason}",
            task=task(status()),
            pod=ended(failed(reason), exit_code=1),
            state=State.FAILED,
            reason=reason,
            does="release 1, delete 1",
        )
    unreachable = failed(Reason.SOURCE_UNREACHABLE, retryable=True)
    yield Row(
        when="the recorder could not reach its source, the first time",
        task=task(status()),
        pod=ended(unreachable, exit_code=1),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1",
    )
    yield Row(
        when="the recorder could not reach its source, for the last time (retryLimit)",
        task=task(status(attempt=3)),
        pod=ended(failed(Reason.SOURCE_UNREACHABLE, retryable=True, attempt=3), attempt=3, exit_code=1),
        state=State.FAILED,
        reason="SourceUnreachable",
        does="release 3, delete 3",
    )
    yield Row(
        when="the next attempt's time has not come",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(102))),
        state=State.ENQUEUED,
        reason="Retrying",
    )
    yield Row(
        when="the next attempt's time has come",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(99))),
        state=State.ENQUEUED,
        reason="Retrying",
        does="create 2",
    )
    yield Row(
        when="the next attempt's time has come, and the last Pod is still held: the operator died in between",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(99))),
        facts=Facts(previous=ended(unreachable, exit_code=1)),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the enqueue timeout passes before the next attempt",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(310))),
        now=at(300),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
    )


def _platform_rows() -> Iterator[Row]:
    yield Row(
        when="somebody has deleted the Pod while it recorded, it is ending",
        task=task(RECORDING),
        pod=running(deleted_at=at(200)),
        state=State.PROCESSING,
        reason="PodDeleted",
    )
    yield Row(
        when="somebody has deleted the Pod while it recorded, it has ended",
        task=task(RECORDING),
        pod=ended(summary(), deleted_at=at(200)),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="the Pod was evicted while it recorded, for the last time (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended(summary(), reason="Evicted", phase="Failed"),
        state=State.FAILED,
        reason="PodEvicted",
        does="release 1, delete 1",
    )
    yield Row(
        when="the Pod was evicted before it recorded (a free restart)",
        task=task(status(), retry_limit=0),
        pod=ended(exit_code=137, reason="Evicted"),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the Pod was evicted before it recorded, after three free restarts (retryLimit 0)",
        task=task(status(attempt=4, free_restarts=3), retry_limit=0),
        pod=ended(exit_code=137, reason="Evicted", attempt=4),
        state=State.FAILED,
        reason="PodEvicted",
        does="release 4, delete 4",
    )
    yield Row(
        when="the node was shut down while it recorded",
        task=task(RECORDING),
        pod=ended(exit_code=137, reason="NodeShutdown"),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the Pod's node is lost: deleted, no end reported in its grace period and a minute",
        task=task(RECORDING),
        pod=running(deleted_at=at(30)),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="the recorder was killed for its memory",
        task=task(RECORDING),
        pod=ended(exit_code=137, why="OOMKilled"),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the recorder was killed for its memory (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended(exit_code=137, why="OOMKilled"),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, delete 1, create 2 to close",
    )
    yield Row(
        when="the recorder ended with exit code 0 and no summary (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended("Killed by nobody"),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, delete 1, create 2 to close",
    )
    yield Row(
        when="the Pod is gone past our finalizer while it recorded",
        task=task(RECORDING),
        state=State.PROCESSING,
        reason="Retrying",
        does="create 2",
    )
    yield from _given_up_rows()


def _given_up_rows() -> Iterator[Row]:
    given_up = running(ready=False, deleted_at=at(210), disruption="DeletionByTaintManager")
    yield Row(
        when="the cluster gives the Pod's node up, and its recorder was not asked yet whether it is there",
        task=task(RECORDING),
        pod=given_up,
        state=State.PROCESSING,
        reason="PodDeleted",
    )
    yield Row(
        when="the cluster gives the Pod's node up, and its recorder answers",
        task=task(RECORDING),
        pod=given_up,
        facts=Facts(silent_seconds=0.0),
        state=State.PROCESSING,
        reason="PodDeleted",
    )
    yield Row(
        when="the cluster gives the Pod's node up, and its recorder has not answered for 5 s",
        task=task(RECORDING),
        pod=given_up,
        facts=Facts(silent_seconds=5.0),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="the cluster gives the Pod's node up, its recorder has not answered for 5 s, and stop is asked for",
        task=task(STOPPING, stop=True),
        pod=given_up,
        facts=Facts(silent_seconds=5.0),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, create 2 to close",
    )
    yield Row(
        when="somebody drains the node, and the recorder does not answer while it ends",
        task=task(RECORDING),
        pod=running(deleted_at=at(210), disruption="EvictionByEvictionAPI"),
        facts=Facts(silent_seconds=60.0),
        state=State.PROCESSING,
        reason="PodDeleted",
    )


def _between_rows() -> Iterator[Row]:
    waiting = status(
        State.PROCESSING, attempt=2, pod=False, started_at=at(5), first_frame_at=at(6), reason=Reason.RETRYING
    )
    yield Row(
        when="stop is asked for while a new recorder is waited for, nobody told what the last one had recorded",
        task=task(
            status(State.PROCESSING, attempt=2, pod=False, started_at=at(5), reason=Reason.RETRYING),
            stop=True,
        ),
        state=State.STOPPING,
        reason="Closing",
        does="create 2 to close",
    )
    yield Row(
        when="stop is asked for while a new recorder is waited for, the last one has closed the playlist",
        task=task(
            status(
                State.PROCESSING,
                attempt=2,
                pod=False,
                closed=True,
                started_at=at(5),
                first_frame_at=at(6),
                reason=Reason.RETRYING,
            ),
            stop=True,
        ),
        state=State.STOPPED,
        reason="StopRequested",
    )
    yield Row(
        when="stop is asked for while a new recorder is waited for, the last one left the playlist open",
        task=task(waiting, stop=True),
        state=State.STOPPING,
        reason="Closing",
        does="create 2 to close",
    )
    yield Row(
        when="stop is asked for, the new recorder has not joined and ends as asked, the one before left the playlist open",
        task=task(status(State.STOPPING, attempt=2, started_at=at(5), first_frame_at=at(6)), stop=True),
        pod=pod(2, node=None, scheduled=False, deleted_at=at(200)),
        state=State.STOPPING,
        reason="Closing",
        does="release 2, create 3 to close",
    )
    yield Row(
        when="a new recorder can't be scheduled long after the enqueue timeout",
        task=task(waiting),
        pod=pod(2, node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(2000),
        state=State.PROCESSING,
        reason="Unschedulable",
    )
    yield Row(
        when="a new recorder can't be scheduled, and the longest duration has passed",
        task=task(waiting),
        pod=pod(2, node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(20_000),
        state=State.STOPPING,
        reason="Closing",
        does="release 2, delete 2, create 3 to close",
    )
    yield Row(
        when="a new recorder is about to come when the longest duration has passed, the last one has closed the playlist",
        task=task(
            status(
                State.PROCESSING,
                attempt=2,
                pod=False,
                closed=True,
                started_at=at(5),
                first_frame_at=at(6),
                reason=Reason.RETRYING,
            )
        ),
        now=at(20_000),
        state=State.STOPPED,
        reason="MaxDurationReached",
    )
    yield Row(
        when="a new recorder's Pod is refused by admission",
        task=task(waiting),
        facts=Facts(
            refusal=Refusal(reason=Reason.ADMISSION_REFUSED, message="violates PodSecurity", passes=False)
        ),
        state=State.STOPPING,
        reason="Closing",
        does="create 2 to close",
    )
    yield Row(
        when="retries are exhausted by a recorder that could not reach its source, and closed the playlist",
        task=task(status(State.PROCESSING, attempt=3, started_at=at(5), first_frame_at=at(6))),
        pod=ended(
            failed(Reason.SOURCE_UNREACHABLE, retryable=True, joined=True, attempt=3, joined_at=None),
            attempt=3,
            exit_code=1,
        ),
        state=State.FAILED,
        reason="SourceUnreachable",
        does="release 3, delete 3",
    )


def _closing_rows() -> Iterator[Row]:
    verdict = Verdict(
        state=State.FAILED, reason=Reason.OOM_KILLED, message="used too much memory", since=at(90)
    )
    fields: dict[str, Any] = {
        "attempt": 2,
        "reason": Reason.CLOSING,
        "verdict": verdict,
        "started_at": at(5),
        "files": [playlist(seconds=4)],
        "files_total": 1,
    }
    unseen = status(State.STOPPING, pod=False, **fields)
    seen = status(State.STOPPING, **fields)
    done = summary(joined_at=None, attempt=2)
    yield Row(
        when="a recorder is to close the playlist and has no Pod yet: the operator died before it made one",
        task=task(unseen),
        facts=Facts(previous=ended(exit_code=137)),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, delete 1, create 2 to close",
    )
    yield Row(
        when="a recorder closes the playlist",
        task=task(seen),
        pod=running(2, ready=False),
        state=State.STOPPING,
        reason="Closing",
    )
    yield Row(
        when="stop is asked for while a recorder closes the playlist",
        task=task(seen, stop=True),
        pod=running(2, ready=False),
        state=State.STOPPING,
        reason="Closing",
    )
    yield Row(
        when="the playlist is closed",
        task=task(seen),
        pod=ended(done, attempt=2),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="the recorder could not close the playlist",
        task=task(seen),
        pod=ended(failed(Reason.STORE_UNREACHABLE, retryable=True, attempt=2), attempt=2, exit_code=1),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="the recorder that was to close the playlist was evicted",
        task=task(seen),
        pod=ended(attempt=2, exit_code=137, reason="Evicted"),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="the Pod that was to close the playlist is gone past our finalizer",
        task=task(seen),
        state=State.FAILED,
        reason="OOMKilled",
    )
    yield Row(
        when="a recorder that also makes an MP4 has more time",
        task=task(seen, format=OutputFormat.MP4),
        pod=running(2, ready=False),
        now=at(90 + 300 + 719),
        state=State.STOPPING,
        reason="Closing",
    )
    yield Row(
        when="and has not made it in that",
        task=task(seen, format=OutputFormat.MP4),
        pod=running(2, ready=False),
        now=at(90 + 300 + 720),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="the recorder that closed the playlist could not make the MP4",
        task=task(seen, format=OutputFormat.MP4),
        pod=ended(failed(Reason.PACKAGING_FAILED, retryable=False, attempt=2), attempt=2, exit_code=1),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="nobody has closed the playlist in 300 s",
        task=task(seen),
        pod=pod(2, node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(390),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 2, delete 2",
    )
    yield Row(
        when="the quota has no room for the Pod that is to close the playlist",
        task=task(unseen),
        facts=Facts(
            refusal=Refusal(reason=Reason.QUOTA_EXCEEDED, message="exceeded quota: pods", passes=True)
        ),
        state=State.STOPPING,
        reason="Closing",
    )
    yield Row(
        when="admission refuses the Pod that is to close the playlist",
        task=task(unseen),
        facts=Facts(
            refusal=Refusal(reason=Reason.ADMISSION_REFUSED, message="violates PodSecurity", passes=False)
        ),
        state=State.FAILED,
        reason="OOMKilled",
    )
    yield Row(
        when="the name of the Pod that is to close the playlist is taken by an earlier task's Pod",
        task=task(unseen),
        pod=ended(owner_uid="earlier", deleted_at=at(99), attempt=2),
        state=State.STOPPING,
        reason="Closing",
        does="release 2",
    )
    yield Row(
        when="the name of the Pod that is to close the playlist is somebody else's",
        task=task(unseen),
        pod=pod(2, owner_uid=None, finalizers=()),
        state=State.FAILED,
        reason="OOMKilled",
    )


def _terminal_rows() -> Iterator[Row]:
    done = status(State.STOPPED, reason=Reason.STOP_REQUESTED, stopped_at=at(50), recorded=True)
    yield Row(
        when="its Pod is still held: the operator died in between",
        task=task(done, stop=True),
        pod=ended(summary(), deleted_at=at(60)),
        state=State.STOPPED,
        reason="StopRequested",
        does="release 1",
    )
    yield Row(
        when="its Pod is gone",
        task=task(done, stop=True),
        state=State.STOPPED,
        reason="StopRequested",
    )
    yield Row(
        when="ttlSecondsAfterFinished has passed",
        task=task(done, stop=True),
        now=at(50 + 604_800),
        state=State.STOPPED,
        reason="StopRequested",
        does="delete task",
    )
    lost = status(State.TIMEOUT, reason=Reason.ENQUEUE_TIMEOUT, stopped_at=at(300))
    yield Row(
        when="its Pod became Ready all the same",
        task=task(lost),
        pod=running(),
        now=at(301),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
        does="release 1, delete 1",
    )


END_ROWS: tuple[Row, ...] = (
    *_own_end_rows(),
    *_platform_rows(),
    *_between_rows(),
    *_closing_rows(),
    *_terminal_rows(),
)
