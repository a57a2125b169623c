"""The one place where it is decided what becomes of a task. Pure: no I/O, no clock of its own.

In: a task and its recorder's Pod as they are now, what else was found out (the recorder's live report, why a
volume can't be mounted, why the API refused a Pod), and the settings. Out: the status to write, the actions
to carry out after that, in this order, and when to look again.

Any call may be the first one after a crash: nothing is remembered between calls but what stands in the
status. A terminal state is never left; states only move forward; one Pod per attempt. docs/operator.md
holds the table of states, and tests/unit/operator walk through it row by row. Here are the states of a task
that has a future; how a recorder is stopped is in stopping.py, what follows when an attempt is over in endings.py.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from egress_api.media import Layout
from egress_api.names import pod_name
from egress_api.results import LiveReport
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.task import EgressTask
from egress_operator.decision import CreatePod, Decision, DeleteTask, Facts, Refusal, TellPod
from egress_operator.endings import (
    BACKOFF_LIMIT_SECONDS,
    attempt_ended,
    closing,
    conclude,
    overdue,
    stopped_between_pods,
)
from egress_operator.look import NAME_RETRY_SECONDS, REFUSED_RETRY_SECONDS, Look
from egress_operator.page_steps import blocked_page
from egress_operator.placement import refused
from egress_operator.pod_state import Blocked, Patience, PodView
from egress_operator.pods import image_of
from egress_operator.sentences import recording_sentence
from egress_operator.settings import Settings
from egress_operator.stopping import stop_recorder
from egress_operator.waiting import take_turn, wait_for_turn
from egress_operator.webhooks.outbox import owed

MOUNT_CHECK_SECONDS: Final = 3

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
    look = Look(task=task, pod=pod, now=now, settings=settings, facts=facts)
    if task.status.state.terminal:
        return _clean_up(look)
    if task.metadata.deletion_timestamp is not None:
        return _abandoned(look)
    if task.status.verdict is not None:
        return closing(look, task.status.verdict)
    return _going_on(look)


# The states, in the order in which they are looked for.


def _clean_up(look: Look) -> Decision:
    look.let_go(look.pod)
    look.let_go(look.facts.previous)
    ttl, ended = look.settings.ttl_seconds_after_finished, look.status.stopped_at
    if ttl and ended is not None and (look.now - ended).total_seconds() >= ttl and not _untold(look, ended):
        look.actions.append(DeleteTask())
    return look.wait(None)


def _untold(look: Look, ended: datetime) -> bool:
    webhooks = look.status.webhooks
    return owed(
        pending=webhooks is not None and bool(webhooks.pending),
        configured=look.settings.webhooks.of(look.task.spec.app_id) is not None,
        stopped_at=ended,
        now=look.now,
    )


def _abandoned(look: Look) -> Decision:
    # The recorder still uploads what it has. The garbage collector would delete its Pod only once the
    # task is gone, which somebody's finalizer can put off for long.
    pod = look.pod
    if pod is None or not look.ours(pod):
        return replace(look.wait(None), nothing_left=True)
    if look.over(pod):
        look.let_go(pod)
        return replace(look.wait(look.look_again(pod)), nothing_left=True)
    look.delete(pod)
    return look.wait(look.look_again(pod))


def _going_on(look: Look) -> Decision:
    if look.status.attempt == 0:
        end = _begin(look)
        if end is not None:
            return end
    look.draft.set(observed_generation=look.task.metadata.generation)
    if look.pod is None:
        return _without_pod(look)
    if not look.ours(look.pod):
        return _name_taken(look, look.pod)
    return _with_pod(look, look.pod)


def _begin(look: Look) -> Decision | None:
    spec, draft = look.task.spec, look.draft
    if look.status.enqueued_at is None:
        draft.begin(source=spec.source, page=spec.layout is Layout.FREESTYLE)
    fault = _fault_of_task(look)
    if fault is not None:
        reason, message = fault
        draft.condition(ConditionType.ACCEPTED, NO, reason, message)
        return look.end(State.FAILED, reason, message)
    if spec.stop or look.enqueue_seconds_left() <= 0:
        return None
    turn = look.facts.turn
    if turn is not None and not turn.granted:
        return wait_for_turn(look, turn)
    take_turn(look)
    return None


def _name_taken(look: Look, pod: PodView) -> Decision:
    # A Pod's name holds its task's: most likely it is one of an earlier task of the same name, now gone.
    if look.clear_name(pod):
        look.draft.state(look.status.state, Reason.POD_PENDING, f"waits for an older Pod {pod.name} to go")
        if look.task.spec.stop or look.enqueue_seconds_left() <= 0:
            return _without_pod(look)
        return look.wait(NAME_RETRY_SECONDS)
    message = f"Pod {pod.name} exists and belongs to somebody else; delete it or give the task another name"
    return conclude(look, State.FAILED, Reason.POD_NAME_CONFLICT, message)


def _without_pod(look: Look) -> Decision:
    status = look.status
    if status.pod_uid is not None:
        return attempt_ended(look, None)
    if look.task.spec.stop:
        return stopped_between_pods(look)
    too_late = overdue(look)
    if too_late is not None:
        return too_late
    look.let_go(look.facts.previous)
    if look.facts.refusal is not None:
        return _refused(look, look.facts.refusal)
    wait = (status.retry_at - look.now).total_seconds() if status.retry_at is not None else 0.0
    # No pause is longer: a clock that was put back would make one of it.
    if 0 < wait <= BACKOFF_LIMIT_SECONDS:
        return look.wait(min(wait, look.seconds_to_deadline()))
    look.draft.set(retry_at=None, pod_name=pod_name(look.task.metadata.name, attempt=status.attempt))
    look.actions.append(CreatePod(attempt=status.attempt))
    return look.wait(look.seconds_to_deadline())


def _refused(look: Look, refusal: Refusal) -> Decision:
    if not refusal.passes:
        return conclude(look, State.FAILED, refusal.reason, refusal.message)
    look.draft.state(look.status.state, refusal.reason, refusal.message)
    look.draft.condition(ConditionType.POD_SCHEDULED, NO, refusal.reason, refusal.message)
    return look.wait(min(REFUSED_RETRY_SECONDS, look.seconds_to_deadline()))


def _with_pod(look: Look, pod: PodView) -> Decision:
    draft, spec = look.draft, look.task.spec
    look.note_pod(pod)
    live = look.facts.live if look.facts.live and look.facts.live.attempt == look.status.attempt else None
    paused = _paused(look, live)
    if pod.ready:
        draft.condition(ConditionType.RECORDING, YES, Reason.PAUSED if paused else Reason.RECORDING)
        draft.set(started_at=look.status.started_at or pod.ready_at or look.now)
    if live is not None:
        draft.report(live, final=False, backlog_lasts=look.facts.backlog_lasts)
    if look.over(pod):
        return attempt_ended(look, pod)
    if spec.stop:
        return stop_recorder(look, pod, live=live)
    if pod.deleting:
        message = f"Pod {pod.name} is being deleted; the next attempt begins when it has ended"
        why = Reason.PREEMPTED if pod.preempted else Reason.POD_DELETED
        draft.state(look.status.state, why, message)
        return look.wait(look.look_again(pod))
    _tell(look, pod)
    if not pod.ready:
        return _not_ready(look, pod)
    message = recording_sentence(look.status, pod, spec, live=live, paused=paused)
    draft.state(State.PROCESSING, Reason.PAUSED if paused else Reason.RECORDING, message)
    return look.wait(look.look_again(pod))


def _tell(look: Look, pod: PodView) -> None:
    """Have a recorder told what is wanted of it now."""
    spec = look.task.spec
    paused = spec.pause if pod.paused != spec.pause else None
    # A Pod of an operator that knew no such wish can't be told.
    told = pod.users if pod.users is not None or pod.choice_lost else tuple(spec.users)
    users = tuple(spec.users) if told != tuple(spec.users) else None
    layout = spec.layout if pod.layout not in {None, spec.layout} else None
    if paused is not None or users is not None or layout is not None:
        look.actions.append(TellPod(pod=pod, paused=paused, users=users, layout=layout))


def _paused(look: Look, live: LiveReport | None) -> bool:
    if live is not None:
        return live.paused
    # Nobody has asked the recorder yet (an operator that has just started), or it can't be asked. The condition keeps
    # what was known; the task's own reason may be another by now, such as that its Pod is being deleted.
    known = look.status.condition(ConditionType.RECORDING)
    return look.task.spec.pause and known is not None and known.reason == Reason.PAUSED


def _not_ready(look: Look, pod: PodView) -> Decision:
    if look.draft.holds(ConditionType.RECORDING):
        # It has recorded in this Pod: a capture that is being started again, no news for a user.
        return look.wait(look.look_again(pod))
    blocked = blocked_page(pod.blocked(), look.task.spec, look.facts.live)
    if pod.creating and look.facts.mount_problem is not None:
        blocked = look.facts.mount_problem
    if blocked.reason is Reason.UNSCHEDULABLE:
        look.draft.condition(ConditionType.POD_SCHEDULED, NO, blocked.reason, blocked.message)
    patience = _patience_left(look, pod, blocked)
    if patience is not None and patience <= 0:
        return conclude(look, State.FAILED, blocked.reason, blocked.message)
    look.draft.state(look.status.state, blocked.reason, blocked.message)
    too_late = overdue(look)
    if too_late is not None:
        return too_late
    checks = [look.seconds_to_deadline()]
    if patience is not None:
        checks.append(patience)
    if pod.creating:
        checks.append(MOUNT_CHECK_SECONDS)
    return look.wait(min(checks))


# Smaller questions.


def _fault_of_task(look: Look) -> tuple[Reason, str] | None:
    spec = look.task.spec
    if not image_of(spec.layout, look.settings):
        return (
            Reason.LAYOUT_NOT_SUPPORTED,
            f"layout {spec.layout} can't be recorded here: the operator has no image for it (recorder.web.image)",
        )
    match spec.layout:
        case Layout.FLAT | Layout.SPOTLIGHT | Layout.CUSTOMIZED:
            if look.settings.sources.of(spec.app_id) is None:
                message = f"no backend is set for app {spec.app_id}: set sources.default or sources.apps"
                return Reason.NOT_CONFIGURED, message
        case Layout.FREESTYLE:
            pass
        case _:
            assert_never(spec.layout)
    recorders = look.settings.recorder.node_selector
    return refused(spec.placement, rules=look.settings.placement, recorders=recorders)


def _patience_left(look: Look, pod: PodView, blocked: Blocked) -> float | None:
    match blocked.patience:
        case Patience.NONE:
            return 0.0
        case Patience.IMAGE:
            since = pod.scheduled_at or look.now
            limit = look.settings.image_pull_patience_seconds
            return limit - (look.now - since).total_seconds()
        case Patience.ENQUEUE:
            return None
        case _:
            assert_never(blocked.patience)
