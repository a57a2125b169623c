"""The one place where it is decided what becomes of a task. Pure: no I/O, no clock of its own.

In: a task and its recorder's Pod as they are now, what else was found out (the recorder's live report, why a
volume can't be mounted, why the API refused a Pod), and the settings. Out: the status to write, the actions
to carry out after that, in this order, and when to look again.

Any call may be the first one after a crash: nothing is remembered between calls but what stands in the
status. A terminal state is never left; states only move forward; one Pod per attempt. docs/operator.md
holds the table of states, and tests/unit/operator walk through it row by row.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never

from egress_api.media import Layout
from egress_api.names import pod_name
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask
from egress_operator.decision import (
    Action,
    CreatePod,
    Decision,
    DeletePod,
    DeleteTask,
    Facts,
    Refusal,
    ReleasePod,
)
from egress_operator.draft import Draft
from egress_operator.failures import End, classify, exit_sentence, summary_of
from egress_operator.page_steps import blocked_page
from egress_operator.pod_state import LOST_AFTER_SECONDS, Blocked, Patience, PodView
from egress_operator.pods import image_of
from egress_operator.settings import Settings

FREE_RESTARTS: Final = 3
QUOTA_RETRY_SECONDS: Final = 10
MOUNT_CHECK_SECONDS: Final = 3
NAME_RETRY_SECONDS: Final = 2
KILLED: Final = 137
"""Exit code of a process that SIGKILL ended."""
_BACKOFF_LIMIT_SECONDS: Final = 60

YES, NO = ConditionStatus.TRUE, ConditionStatus.FALSE
_NOTHING: Final = Facts()


def decide(
    task: EgressTask, pod: PodView | None, *, now: datetime, settings: Settings, facts: Facts = _NOTHING
) -> Decision:
    """Return what to write and to do for a task.

    Args:
        task: as read just now.
        pod: the Pod under the name of the status's attempt (of attempt 1 when there is none), whoever's it is.
        now: the clock.
        settings: the operator's.
        facts: what else is known.
    """
    return _Pass(task=task, pod=pod, now=now, settings=settings, facts=facts).decide()


def backoff_seconds(failures: int) -> int:
    """Return the pause before the attempt that follows that many failures: 1, 2, 4 … 60 s."""
    return min(1 << max(failures - 1, 0), _BACKOFF_LIMIT_SECONDS)


@dataclass(kw_only=True)
class _Pass:
    task: EgressTask
    pod: PodView | None
    now: datetime
    settings: Settings
    facts: Facts
    draft: Draft = field(init=False)
    actions: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draft = Draft(self.task.status, now=self.now, generation=self.task.metadata.generation)

    @property
    def status(self) -> EgressTaskStatus:
        return self.draft.status

    def decide(self) -> Decision:
        if self.status.state.terminal:
            return self._clean_up()
        if self.task.metadata.deletion_timestamp is not None:
            return self._abandoned()
        if self.status.attempt == 0:
            spec = self.task.spec
            self.draft.begin(source=spec.source, page=spec.layout is Layout.FREESTYLE)
            fault = self._fault_of_task()
            if fault is not None:
                reason, message = fault
                self.draft.condition(ConditionType.ACCEPTED, NO, reason, message)
                return self._end(State.FAILED, reason, message)
            if not self.task.spec.stop and self._enqueue_seconds_left() > 0:
                self.draft.set(attempt=1)
        self.draft.set(observed_generation=self.task.metadata.generation)
        if self.pod is not None and self.pod.owner_uid != self.task.metadata.uid:
            return self._name_taken(self.pod)
        if self.pod is None:
            return self._without_pod()
        return self._with_pod(self.pod)

    # Ways to return.

    def _wait(self, seconds: float | None) -> Decision:
        after = None if seconds is None else max(seconds, 0.0)
        return Decision(status=self.status, actions=tuple(self.actions), requeue_after=after)

    def _end(self, state: State, reason: str, message: str, *, uploaded: bool = False) -> Decision:
        self.draft.finish(state, reason, message, uploaded=uploaded)
        self._let_go(self.pod)
        self._let_go(self.facts.previous)
        return self._wait(None)

    def _let_go(self, pod: PodView | None) -> None:
        """Release a Pod whose end is in the status, then have it gone."""
        if pod is None or pod.owner_uid != self.task.metadata.uid:
            return
        if pod.held:
            self.actions.append(ReleasePod(pod=pod))
        if not pod.deleting:
            self.actions.append(DeletePod(pod=pod, grace_seconds=self.settings.recorder.grace_seconds))

    # The states, in the order in which they are looked for.

    def _clean_up(self) -> Decision:
        self._let_go(self.pod)
        self._let_go(self.facts.previous)
        ttl, ended = self.settings.ttl_seconds_after_finished, self.status.stopped_at
        if ttl and ended is not None and (self.now - ended).total_seconds() >= ttl:
            self.actions.append(DeleteTask())
        return self._wait(None)

    def _abandoned(self) -> Decision:
        # The recorder still uploads what it has. The garbage collector would delete its Pod only once the
        # task is gone, which somebody's finalizer can put off for long.
        pod = self.pod
        if pod is not None and pod.ended(self.now):
            self._let_go(pod)
        elif pod is not None and not pod.deleting and pod.owner_uid == self.task.metadata.uid:
            self.actions.append(DeletePod(pod=pod, grace_seconds=self.settings.recorder.grace_seconds))
        return self._wait(self._look_again(pod) if pod is not None else None)

    def _name_taken(self, pod: PodView) -> Decision:
        if pod.deleting or pod.held or pod.owner_uid is not None:
            # A Pod's name holds its task's: this is one of an earlier task of the same name, now gone.
            if not pod.deleting:
                self.actions.append(DeletePod(pod=pod, grace_seconds=self.settings.recorder.grace_seconds))
            if pod.held and pod.ended(self.now):
                self.actions.append(ReleasePod(pod=pod))
            self.draft.state(
                self.status.state, Reason.POD_PENDING, f"waits for an older Pod {pod.name} to go"
            )
            if self.task.spec.stop or self._enqueue_seconds_left() <= 0:
                return self._without_pod()
            return self._wait(NAME_RETRY_SECONDS)
        message = (
            f"Pod {pod.name} exists and belongs to somebody else; delete it or give the task another name"
        )
        return self._end(State.FAILED, Reason.POD_NAME_CONFLICT, message)

    def _without_pod(self) -> Decision:
        status = self.status
        if status.pod_uid is not None:
            return self._attempt_ended(None)
        if self.task.spec.stop:
            return self._stopped_between_pods()
        overdue = self._overdue()
        if overdue is not None:
            return overdue
        self._let_go(self.facts.previous)
        if self.facts.refusal is not None:
            return self._refused(self.facts.refusal)
        if status.retry_at is not None and status.retry_at > self.now:
            wait = (status.retry_at - self.now).total_seconds()
            return self._wait(min(wait, self._seconds_to_deadline()))
        self.draft.set(retry_at=None, pod_name=pod_name(self.task.metadata.name, attempt=status.attempt))
        self.actions.append(CreatePod(attempt=status.attempt))
        return self._wait(self._seconds_to_deadline())

    def _refused(self, refusal: Refusal) -> Decision:
        if not refusal.quota:
            message = f"the API server refused the recorder's Pod: {refusal.message}"
            return self._end(State.FAILED, Reason.ADMISSION_REFUSED, message)
        message = f"no room in the namespace's quota: {refusal.message}"
        self.draft.state(self.status.state, Reason.QUOTA_EXCEEDED, message)
        self.draft.condition(ConditionType.POD_SCHEDULED, NO, Reason.QUOTA_EXCEEDED, message)
        return self._wait(min(QUOTA_RETRY_SECONDS, self._seconds_to_deadline()))

    def _stopped_between_pods(self) -> Decision:
        if self.status.started_at is None:
            return self._end(State.STOPPED, Reason.STOPPED_BEFORE_START, "stopped before the recording began")
        message = "stopped as asked, while a new recorder was waited for; what was recorded before is there"
        return self._end(State.STOPPED, Reason.STOP_REQUESTED, message)

    def _with_pod(self, pod: PodView) -> Decision:
        self.draft.set(
            pod_name=pod.name, pod_uid=pod.uid, pod_phase=pod.phase, node_name=pod.node, retry_at=None
        )
        if pod.scheduled or pod.node is not None:
            self.draft.condition(ConditionType.POD_SCHEDULED, YES, "Scheduled")
        if pod.ready:
            self.draft.condition(ConditionType.RECORDING, YES, Reason.RECORDING)
            self.draft.set(started_at=self.status.started_at or pod.ready_at or self.now)
        live = self.facts.live
        if live is not None and live.attempt == self.status.attempt:
            self.draft.report(live, final=False)
        if pod.ended(self.now):
            return self._attempt_ended(pod)
        if self.task.spec.stop:
            return self._stopping(pod)
        if pod.deleting:
            message = f"Pod {pod.name} is being deleted; the next attempt begins when it has ended"
            self.draft.state(self.status.state, Reason.POD_DELETED, message)
            return self._wait(self._look_again(pod))
        if pod.ready:
            self.draft.state(State.PROCESSING, Reason.RECORDING, self._recording_message(pod))
            return self._wait(self._look_again(pod))
        return self._not_ready(pod)

    def _stopping(self, pod: PodView) -> Decision:
        self.draft.state(
            State.STOPPING, Reason.STOPPING, "the recorder is ending the recording and uploading the rest"
        )
        if not pod.deleting:
            self.actions.append(DeletePod(pod=pod, grace_seconds=self.settings.recorder.grace_seconds))
        return self._wait(self._look_again(pod))

    def _not_ready(self, pod: PodView) -> Decision:
        if self.draft.holds(ConditionType.RECORDING):
            # It has recorded in this Pod: a capture that is being started again, no news for a user.
            return self._wait(self._look_again(pod))
        blocked = blocked_page(pod.blocked(), self.task.spec, self.facts.live)
        if pod.creating and self.facts.mount_problem is not None:
            blocked = self.facts.mount_problem
        if blocked.reason is Reason.UNSCHEDULABLE:
            self.draft.condition(ConditionType.POD_SCHEDULED, NO, blocked.reason, blocked.message)
        patience = self._patience_left(pod, blocked)
        if patience is not None and patience <= 0:
            return self._end(State.FAILED, blocked.reason, blocked.message)
        self.draft.state(self.status.state, blocked.reason, blocked.message)
        overdue = self._overdue()
        if overdue is not None:
            return overdue
        checks = [self._seconds_to_deadline()]
        if patience is not None:
            checks.append(patience)
        if pod.creating:
            checks.append(MOUNT_CHECK_SECONDS)
        return self._wait(min(checks))

    def _attempt_ended(self, pod: PodView | None) -> Decision:
        """Copy an attempt's end into the status, then end the task or plan the next attempt."""
        summary = summary_of(pod, attempt=self.status.attempt)
        end = classify(pod, summary, now=self.now)
        began = self.draft.holds(ConditionType.RECORDING)
        if summary is not None:
            began = began or summary.joined_at is not None
            self.draft.report(summary, final=True)
        uploaded = summary is not None and summary.uploaded
        if end.complete:
            return self._end(State.STOPPED, end.reason, end.message, uploaded=uploaded)
        if self.task.spec.stop:
            return self._stop_met(end, began=began, asked=summary is not None, uploaded=uploaded)
        if not end.retryable:
            return self._end(State.FAILED, end.reason, end.message, uploaded=uploaded)
        free = end.platform and not began and self.status.free_restarts < FREE_RESTARTS
        failures = self.status.attempt - self.status.free_restarts
        if not free and failures > self.task.spec.retry_limit:
            message = f"{end.message} (gave up after {self.status.attempt} attempts)"
            return self._end(State.FAILED, end.reason, message, uploaded=uploaded)
        return self._next_attempt(pod, end, free=free, failures=failures)

    def _stop_met(self, end: End, *, began: bool, asked: bool, uploaded: bool) -> Decision:
        if end.retryable and not began:
            # This Pod recorded nothing and is not missed; earlier ones may have.
            return self._stopped_between_pods()
        if end.platform and asked:
            message = "the recording was stopped as asked"
            return self._end(State.STOPPED, Reason.STOP_REQUESTED, message, uploaded=uploaded)
        if end.reason == Reason.POD_DELETED and self.pod is not None:
            # The deletion was ours; what went wrong is that it did not end properly.
            return self._end(State.FAILED, Reason.RECORDER_FAILED, self._unfinished(self.pod))
        return self._end(State.FAILED, end.reason, end.message, uploaded=uploaded)

    def _next_attempt(self, pod: PodView | None, end: End, *, free: bool, failures: int) -> Decision:
        status, number = self.status, self.status.attempt + 1
        delay = 0 if end.platform else backoff_seconds(failures)
        message = f"attempt {status.attempt} ended ({end.reason}): {end.message}; attempt {number} follows"
        self.draft.state(status.state, Reason.RETRYING, message)
        self.draft.condition(ConditionType.RECORDING, NO, end.reason, end.message)
        self.draft.condition(ConditionType.POD_SCHEDULED, NO, Reason.RETRYING)
        self.draft.page_again(Reason.RETRYING)
        self.draft.set(
            attempt=number,
            free_restarts=status.free_restarts + int(free),
            pod_name=pod_name(self.task.metadata.name, attempt=number),
            pod_uid=None,
            pod_phase=None,
            node_name=None,
            retry_at=self.now + timedelta(seconds=delay) if delay else None,
        )
        self._let_go(pod)
        if not delay:
            self.actions.append(CreatePod(attempt=number))
        return self._wait(min(float(delay) or self._seconds_to_deadline(), self._seconds_to_deadline()))

    # Smaller questions.

    def _fault_of_task(self) -> tuple[Reason, str] | None:
        spec = self.task.spec
        if not image_of(spec.layout, self.settings):
            return (
                Reason.LAYOUT_NOT_SUPPORTED,
                f"layout {spec.layout} can't be recorded here: the operator has no image for it (recorder.web.image)",
            )
        match spec.layout:
            case Layout.FLAT:
                if self.settings.sources.of(spec.app_id) is None:
                    message = f"no backend is set for app {spec.app_id}: set sources.default or sources.apps"
                    return Reason.NOT_CONFIGURED, message
            case Layout.FREESTYLE:
                pass
            case _:
                assert_never(spec.layout)
        return None

    def _overdue(self) -> Decision | None:
        """End a task that has waited too long for a recorder."""
        if self._seconds_to_deadline() > 0:
            return None
        status = self.status
        if status.started_at is not None:
            message = f"its longest duration has passed while a new recorder was waited for: {status.message}"
            return self._end(State.FAILED, status.reason, message)
        limit = self.task.spec.limits.enqueue_timeout_seconds
        known = status.reason if status.reason in _BLOCKING else Reason.ENQUEUE_TIMEOUT
        message = f"not recording {limit} s after it was created (enqueueTimeoutSeconds): {status.message}"
        return self._end(State.TIMEOUT, known, message)

    def _enqueue_seconds_left(self) -> float:
        age = (self.now - self.task.metadata.creation_timestamp).total_seconds()
        return self.task.spec.limits.enqueue_timeout_seconds - age

    def _seconds_to_deadline(self) -> float:
        """Seconds for which a recorder may still be waited for."""
        started = self.status.started_at
        if started is None:
            return self._enqueue_seconds_left()
        return self.task.spec.limits.max_duration_seconds - (self.now - started).total_seconds()

    def _patience_left(self, pod: PodView, blocked: Blocked) -> float | None:
        match blocked.patience:
            case Patience.NONE:
                return 0.0
            case Patience.IMAGE:
                since = pod.scheduled_at or self.now
                limit = self.settings.image_pull_patience_seconds
                return limit - (self.now - since).total_seconds()
            case Patience.ENQUEUE:
                return None
            case _:
                assert_never(blocked.patience)

    def _look_again(self, pod: PodView) -> float | None:
        """Seconds to the next look at a Pod that runs: only an end that is never told needs one."""
        if pod.deleted_at is None:
            return None
        lost_at = pod.deleted_at + timedelta(seconds=LOST_AFTER_SECONDS)
        return max((lost_at - self.now).total_seconds(), 0.5)

    def _unfinished(self, pod: PodView) -> str:
        if pod.container_end is not None and pod.container_end.exit_code != KILLED:
            return exit_sentence(pod)
        grace = self.settings.recorder.grace_seconds
        return f"the recorder had not finished after {grace} s (recorder.graceSeconds) and was killed"

    def _recording_message(self, pod: PodView) -> str:
        again = f", attempt {self.status.attempt}" if self.status.attempt > 1 else ""
        live = self.facts.live
        nobody = self.task.spec.channel is not None and live is not None and live.participants == 0
        # A mistyped channel or user records black and silence for hours, and looks like any other recording.
        quiet = "; nobody who is to be recorded sends picture or sound" if nobody else ""
        return f"recording on node {pod.node}{again}{quiet}"


_BLOCKING: Final = frozenset(
    {
        Reason.UNSCHEDULABLE,
        Reason.QUOTA_EXCEEDED,
        Reason.SECRET_MISSING,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONFIG_ERROR,
    }
)
"""Reasons that explain a TIMEOUT better than EnqueueTimeout does."""
