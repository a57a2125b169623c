"""What follows when an attempt is over: the task's end, the next attempt, or first a last recorder that closes the lists.

In: a `Look` at a task whose Pod has ended, was lost, or is not to be waited for any longer. Out: a `Decision`.
Pure. A task whose recorder died without a word has a playlist without an end: before such a task ends, one more
recorder closes it (`status.verdict` says how the task will end then). There is never a second one, and it has
a deadline: a task ends, closed or not.
"""

from datetime import timedelta
from typing import Final

from egress_api.media import OutputFormat
from egress_api.names import pod_name
from egress_api.results import Outcome, TerminationSummary
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import MAX_MESSAGE, Verdict
from egress_operator.decision import CreatePod, Decision
from egress_operator.failures import KILLED, End, classify, exit_sentence, summary_of
from egress_operator.look import NAME_RETRY_SECONDS, REFUSED_RETRY_SECONDS, Look
from egress_operator.pod_state import PodView

FREE_RESTARTS: Final = 3
CLOSING_SECONDS: Final = 300
"""For the recorder that only closes what others recorded: to get a node, to reach the store, to write two lists."""
_PACKAGING_SHARE: Final = 0.05
"""Of the longest duration, on top where files are made at the end: some twenty times as long as it takes."""
BACKOFF_LIMIT_SECONDS: Final = 60
STEADY_SECONDS: Final = 10
"""An attempt that had recorded for so long is followed at once: each second of a pause would be lost."""
_BLOCKING: Final = frozenset(
    {
        Reason.UNSCHEDULABLE,
        Reason.QUOTA_EXCEEDED,
        Reason.QUEUE_FULL,
        Reason.APP_LIMIT_REACHED,
        Reason.START_RATE_LIMITED,
        Reason.QUEUE_GATED,
        Reason.SECRET_MISSING,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONFIG_ERROR,
        Reason.ADMISSION_REFUSED,
    }
)
"""What keeps a recorder away: these explain an end better than the time that was waited."""


def backoff_seconds(failures: int) -> int:
    """Return the pause before the attempt that follows that many failures: 1, 2, 4 … 60 s."""
    return min(1 << max(failures - 1, 0), BACKOFF_LIMIT_SECONDS)


# An attempt is over.


def attempt_ended(look: Look, pod: PodView | None) -> Decision:
    """Copy an attempt's end into the status, then end the task or plan the next attempt.

    Args:
        look: at the task.
        pod: what ended; None when it is gone although our finalizer was to hold it.
    """
    status, draft = look.status, look.draft
    summary = summary_of(pod, attempt=status.attempt)
    end = classify(pod, summary, now=look.now)
    began = draft.holds(ConditionType.RECORDING)
    if summary is not None:
        began = began or (summary.joined_at is not None and summary.first_frame_at is not None)
        draft.report(summary, final=True)
    draft.set(pending_bytes=0)
    _note_lists(look, pod, summary, end)
    if end.complete:
        return conclude(look, State.STOPPED, end.reason, end.message, summary=summary)
    if look.task.spec.stop:
        return _stop_met(look, end, began=began, summary=summary)
    if not end.retryable:
        return conclude(look, State.FAILED, end.reason, end.message, summary=summary)
    free = end.platform and not began and status.free_restarts < FREE_RESTARTS
    failures = status.attempt - status.free_restarts
    if not free and failures > look.task.spec.retry_limit:
        message = f"{end.message} (gave up after {status.attempt} attempts)"
        return conclude(look, State.FAILED, end.reason, message, summary=summary)
    return _next_attempt(look, pod, end, free=free, failures=failures)


def _note_lists(look: Look, pod: PodView | None, summary: TerminationSummary | None, end: End) -> None:
    """Keep whether playlist and manifest are closed: a later end has to know, and the Pod will be gone."""
    if summary is not None:
        value = ConditionStatus.TRUE if summary.uploaded else ConditionStatus.FALSE
        look.draft.condition(ConditionType.UPLOADED, value, end.reason, end.message)
        return
    refused = pod is not None and pod.finished and pod.container_end is None
    if look.status.started_at is not None and look.status.node_name is not None and not refused:
        look.draft.condition(ConditionType.UPLOADED, ConditionStatus.FALSE, end.reason, end.message)


def _stop_met(look: Look, end: End, *, began: bool, summary: TerminationSummary | None) -> Decision:
    if end.retryable and not began:
        # This Pod recorded nothing and is not missed; earlier ones may have.
        return stopped_between_pods(look)
    if end.platform and summary is not None:
        message = "the recording was stopped as asked"
        if not summary.uploaded:
            message = f"{message}: {summary.message}"
        return conclude(look, State.STOPPED, Reason.STOP_REQUESTED, message, summary=summary)
    if end.reason == Reason.POD_DELETED and look.pod is not None:
        # The deletion was ours; what went wrong is that it did not end properly.
        message = _unfinished(look, look.pod)
        return conclude(look, State.FAILED, Reason.RECORDER_FAILED, message, summary=summary)
    return conclude(look, State.FAILED, end.reason, end.message, summary=summary)


def _unfinished(look: Look, pod: PodView) -> str:
    if pod.container_end is not None and pod.container_end.exit_code != KILLED:
        return exit_sentence(pod)
    grace = look.settings.recorder.grace_seconds
    return f"the recorder had not finished after {grace} s (recorder.graceSeconds) and was killed"


def _next_attempt(look: Look, pod: PodView | None, end: End, *, free: bool, failures: int) -> Decision:
    status, draft, number = look.status, look.draft, look.status.attempt + 1
    delay = 0 if end.platform or _was_steady(look) else backoff_seconds(failures)
    if end.refused:
        # A scheduler that doesn't know yet what the node does would choose the same one, at once.
        delay = backoff_seconds(status.attempt)
    message = f"attempt {status.attempt} ended ({end.reason}): {end.message}; attempt {number} follows"
    draft.state(status.state, Reason.RETRYING, message)
    draft.condition(ConditionType.RECORDING, ConditionStatus.FALSE, end.reason, end.message)
    draft.condition(ConditionType.POD_SCHEDULED, ConditionStatus.FALSE, Reason.RETRYING)
    draft.page_again(Reason.RETRYING)
    draft.set(
        free_restarts=status.free_restarts + int(free),
        retry_at=look.now + timedelta(seconds=delay) if delay else None,
    )
    _forget_pod(look, number)
    look.let_go(pod)
    if not delay:
        look.actions.append(CreatePod(attempt=number))
    return look.wait(min(float(delay) or look.seconds_to_deadline(), look.seconds_to_deadline()))


def _was_steady(look: Look) -> bool:
    recording = look.draft.status.condition(ConditionType.RECORDING)
    if recording is None or recording.status is not ConditionStatus.TRUE:
        return False
    return (look.now - recording.last_transition_time).total_seconds() >= STEADY_SECONDS


def _forget_pod(look: Look, number: int) -> None:
    name = pod_name(look.task.metadata.name, attempt=number)
    look.draft.set(attempt=number, pod_name=name, pod_uid=None, pod_phase=None, node_name=None)


# Nobody records, and nobody is waited for any longer.


def stopped_between_pods(look: Look) -> Decision:
    """End a task that is to stop while no recorder records it."""
    status, draft = look.status, look.draft
    recorded = status.first_frame_at is not None or draft.holds(ConditionType.RECORDING)
    # Where the lists were not closed nobody may have told of a first picture.
    if status.started_at is None or (draft.holds(ConditionType.UPLOADED) and not recorded):
        message = "stopped before the recording began"
        return look.end(State.STOPPED, Reason.STOPPED_BEFORE_START, message)
    message = "stopped as asked, while a new recorder was waited for; what was recorded before is there"
    return conclude(look, State.STOPPED, Reason.STOP_REQUESTED, message)


def overdue(look: Look) -> Decision | None:
    """End a task that has waited too long for a recorder; None when it has not."""
    if look.seconds_to_deadline() > 0:
        return None
    status = look.status
    if status.started_at is not None:
        message = f"its longest duration has passed while a new recorder was waited for: {status.message}"
        if status.reason in _BLOCKING:
            return conclude(look, State.FAILED, status.reason, message)
        # One that was about to come would have ended at once, for this reason.
        return conclude(look, State.STOPPED, Reason.MAX_DURATION_REACHED, message)
    limit = look.task.spec.limits.enqueue_timeout_seconds
    known = status.reason if status.reason in _BLOCKING else Reason.ENQUEUE_TIMEOUT
    message = f"not recording {limit} s after it was created (enqueueTimeoutSeconds): {status.message}"
    return look.end(State.TIMEOUT, known, message)


# The end, when the lists are closed; else the recorder that closes them.


def conclude(
    look: Look, state: State, reason: str, message: str, *, summary: TerminationSummary | None = None
) -> Decision:
    """End the task, if need be after one more recorder has closed its lists.

    Args:
        look: at the task.
        state: how it ends.
        reason: why, in a word.
        message: why, in a sentence.
        summary: the last words of the recorder that has just ended. It had its time to close the lists: where it
            could not, another one could not, either.
    """
    closed = look.draft.holds(ConditionType.UPLOADED)
    if closed or summary is not None or look.status.started_at is None:
        return look.end(state, reason, message, uploaded=closed)
    status, draft = look.status, look.draft
    # A number whose Pod was never seen is still free.
    number = status.attempt + int(status.pod_uid is not None)
    verdict = Verdict(state=state, reason=reason, message=message[:MAX_MESSAGE], since=look.now)
    then = f"attempt {number} closes the playlist, then it is {state} ({reason}): {message}"
    draft.state(State.STOPPING, Reason.CLOSING, f"the last recorder has left it open; {then}")
    draft.condition(ConditionType.RECORDING, ConditionStatus.FALSE, reason, message)
    draft.condition(ConditionType.POD_SCHEDULED, ConditionStatus.FALSE, Reason.CLOSING)
    draft.set(verdict=verdict, retry_at=None)
    _forget_pod(look, number)
    look.let_go(look.pod)
    look.let_go(look.facts.previous)
    if look.pod is not None and not look.ours(look.pod):
        return look.wait(NAME_RETRY_SECONDS)
    look.actions.append(CreatePod(attempt=number, finish_only=True))
    return look.wait(_closing_seconds(look))


def _closing_seconds(look: Look) -> int:
    spec = look.task.spec
    makes = spec.formats != {OutputFormat.HLS}
    return CLOSING_SECONDS + (int(spec.limits.max_duration_seconds * _PACKAGING_SHARE) if makes else 0)


def _late(look: Look) -> str:
    return f"no recorder has done it in {_closing_seconds(look)} s"


def closing(look: Look, verdict: Verdict) -> Decision:
    """Follow the recorder that closes the lists; whatever becomes of it, the task ends with its verdict."""
    pod = look.pod
    left = _closing_seconds(look) - (look.now - verdict.since).total_seconds()
    look.draft.set(observed_generation=look.task.metadata.generation)
    if pod is not None and look.ours(pod):
        return _with_closing_pod(look, verdict, pod, left=left)
    if look.status.pod_uid is not None:
        return _pronounce(look, verdict, unclosed="its last Pod was removed by force")
    if left <= 0:
        return _pronounce(look, verdict, unclosed=_late(look))
    if pod is None:
        return _create_closing(look, verdict, left=left)
    if look.clear_name(pod):
        return look.wait(min(NAME_RETRY_SECONDS, left))
    return _pronounce(look, verdict, unclosed=f"Pod {pod.name} belongs to somebody else")


def _with_closing_pod(look: Look, verdict: Verdict, pod: PodView, *, left: float) -> Decision:
    look.note_pod(pod)
    if look.over(pod):
        return _closed_by(look, verdict, pod)
    if left <= 0:
        return _pronounce(look, verdict, unclosed=_late(look))
    return look.wait(min(look.look_again(pod) or left, left))


def _create_closing(look: Look, verdict: Verdict, *, left: float) -> Decision:
    look.let_go(look.facts.previous)
    refusal = look.facts.refusal
    if refusal is not None and refusal.passes:
        return look.wait(min(REFUSED_RETRY_SECONDS, left))
    if refusal is not None:
        return _pronounce(look, verdict, unclosed=refusal.message)
    look.actions.append(CreatePod(attempt=look.status.attempt, finish_only=True))
    return look.wait(left)


def _closed_by(look: Look, verdict: Verdict, pod: PodView) -> Decision:
    """Take over what the closing recorder did, and end the task."""
    summary = summary_of(pod, attempt=look.status.attempt)
    if summary is None:
        return _pronounce(look, verdict, unclosed=classify(pod, None, now=look.now).message)
    look.draft.report(summary, final=True)
    if summary.reason == Reason.PACKAGING_FAILED:
        return _pronounce(look, verdict, unmade=summary.message)
    if summary.outcome is Outcome.STOPPED and summary.uploaded:
        return _pronounce(look, verdict)
    return _pronounce(look, verdict, unclosed=summary.message or summary.reason)


def _pronounce(look: Look, verdict: Verdict, *, unclosed: str = "", unmade: str = "") -> Decision:
    message = verdict.message
    if unclosed:
        message = f"{message}; its playlist is not closed: {unclosed}"
    elif unmade:
        message = f"{message}; {unmade}"
    look.draft.set(verdict=None)
    return look.end(verdict.state, verdict.reason, message, uploaded=not (unclosed or unmade))
