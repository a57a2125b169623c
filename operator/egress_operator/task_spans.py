"""A task's spans, read off its status as it changes. Pure.

In: a task as it was read, the status that has just been written, its Pod. Out: the spans that ended with that change.
Nothing is remembered: a span stands with the change that ends it, so an operator that is started again exports none
of them anew; one that dies between the write and the export leaves them out. Their ids are derived from the task's UID,
so children find their parent whatever happened in between. Times are the status's and the Pod's: whole seconds.
"""

from datetime import datetime
from typing import Final

from egress_api.constants import TRACEPARENT_ANNOTATION
from egress_api.names import pod_name
from egress_api.states import ConditionStatus, ConditionType, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask, Metadata
from egress_api.tracing.settings import RecorderTracing
from egress_api.tracing.spans import Span, SpanKind, Value
from egress_api.tracing.traceparent import TraceParent, derived_id, trace_of_task
from egress_operator.pod_state import PodView
from egress_operator.trace_settings import OperatorTracing

_WITH_A_FAULT: Final = frozenset({State.FAILED, State.TIMEOUT})


def task_place(meta: Metadata, *, sample_ratio: float) -> TraceParent:
    """Return where the task's own span stands: in its caller's trace, else in one of its own."""
    return place_of(meta.uid, meta.annotations.get(TRACEPARENT_ANNOTATION), sample_ratio=sample_ratio)


def place_of(uid: str, annotation: str | None, *, sample_ratio: float) -> TraceParent:
    """Return the same, of a task's UID and its annotation."""
    above = TraceParent.parse(annotation)
    if above is None:
        return trace_of_task(uid, sample_ratio=sample_ratio)
    return above.child(derived_id(uid))


def above_task(meta: Metadata) -> TraceParent | None:
    """Return the span that the task's is below, where its annotation names one."""
    return TraceParent.parse(meta.annotations.get(TRACEPARENT_ANNOTATION))


def attempt_place(meta: Metadata, attempt: int, *, sample_ratio: float) -> TraceParent:
    """Return where an attempt's span stands: its recorder's are below it."""
    return task_place(meta, sample_ratio=sample_ratio).child(derived_id(meta.uid, "attempt", attempt))


def told_to_recorder(meta: Metadata, attempt: int, *, rules: OperatorTracing) -> RecorderTracing | None:
    """Return what an attempt's recorder is told; None where it has nothing to trace."""
    if not rules.on:
        return None
    place = attempt_place(meta, attempt, sample_ratio=rules.sample_ratio)
    return RecorderTracing(endpoint=rules.endpoint, traceparent=str(place)) if place.sampled else None


def pod_created(
    meta: Metadata, attempt: int, *, began: datetime, ended: datetime, sample_ratio: float
) -> Span:
    """Return the span of the call that has created an attempt's Pod.

    Args:
        meta: the task's.
        attempt: whose Pod it is.
        began: the call.
        ended: the call.
        sample_ratio: of the settings.
    """
    above = attempt_place(meta, attempt, sample_ratio=sample_ratio)
    return Span(
        name="egress.pod.create",
        place=above.child(derived_id(meta.uid, "egress.pod.create", attempt)),
        parent_id=above.span_id,
        began=began,
        ended=max(began, ended),
        kind=SpanKind.CLIENT,
        attributes=_where(meta) | {"k8s.pod.name": pod_name(meta.name, attempt=attempt)},
    )


def ended_spans(
    task: EgressTask, new: EgressTaskStatus, *, pod: PodView | None, now: datetime, sample_ratio: float
) -> list[Span]:
    """Return the spans that a written status ends.

    Args:
        task: as it was read; its status is the one before.
        new: the status that has been written.
        pod: of the attempt before the change, if it was there.
        now: when it was decided.
        sample_ratio: of the settings.
    """
    change = _Change(task, new, pod=pod, now=now, sample_ratio=sample_ratio)
    return [*change.queued(), *change.started(), *change.recorded(), *change.attempted(), *change.over()]


class _Change:
    """One change of a status."""

    def __init__(
        self,
        task: EgressTask,
        new: EgressTaskStatus,
        *,
        pod: PodView | None,
        now: datetime,
        sample_ratio: float,
    ) -> None:
        self._task = task
        self._meta = meta = task.metadata
        self._old = old = task.status
        self._new = new
        self._now = now
        self._attempt = old.attempt or 1
        self._pod = pod if pod is not None and pod.owner_uid == meta.uid else None
        self._place = task_place(meta, sample_ratio=sample_ratio)
        self._ends = new.state.terminal and not old.state.terminal
        self._had_recorded = _holds(old, ConditionType.RECORDING)

    def queued(self) -> list[Span]:
        """From the task's creation until it got its first attempt, or an end without one."""
        if self._old.attempt > 0 or not (self._new.attempt > 0 or self._ends):
            return []
        error = self._new.reason if self._ends and self._new.attempt == 0 and self._failed else ""
        created = self._meta.creation_timestamp
        return [self._span("egress.queued", created, self._now, parent=self._place, error=error)]

    def started(self) -> list[Span]:
        """A Pod's way to a recording: until it had a node, and until it was Ready."""
        pod = self._pod
        if self._had_recorded or pod is None or pod.created_at is None:
            return []
        if not _holds(self._new, ConditionType.RECORDING):
            return []
        placed, ready = pod.scheduled_at or pod.created_at, pod.ready_at or self._now
        return [
            self._span("egress.pod.pending", pod.created_at, placed, parent=self._attempt_place),
            self._span("egress.pod.starting", placed, ready, parent=self._attempt_place),
        ]

    def recorded(self) -> list[Span]:
        """While the task was PROCESSING with a recorder that recorded."""
        condition = self._old.condition(ConditionType.RECORDING)
        goes_on = (
            self._new.state is State.PROCESSING
            and _holds(self._new, ConditionType.RECORDING)
            and self._new.attempt == self._old.attempt
        )
        if condition is None or not self._had_recorded or goes_on or self._old.state is not State.PROCESSING:
            return []
        began = condition.last_transition_time
        return [self._span("egress.recording", began, self._now, parent=self._attempt_place)]

    def attempted(self) -> list[Span]:
        """An attempt, from its Pod's creation until its end stood in the status."""
        old, new = self._old, self._new
        was_there = old.pod_uid is not None or self._pod is not None
        if old.attempt == 0 or not was_there or not (self._ends or new.attempt != old.attempt):
            return []
        scheduled = old.condition(ConditionType.POD_SCHEDULED)
        began = self._now
        if self._pod is not None and self._pod.created_at is not None:
            began = self._pod.created_at
        elif scheduled is not None and scheduled.status is ConditionStatus.TRUE:
            began = scheduled.last_transition_time
        reason, error = new.reason, new.reason if self._failed else ""
        if not self._ends:
            ended = new.condition(ConditionType.RECORDING)
            reason = error = ended.reason if ended is not None else new.reason
        attributes: dict[str, Value | None] = {
            "k8s.pod.name": pod_name(self._meta.name, attempt=old.attempt),
            "k8s.pod.uid": old.pod_uid or (self._pod.uid if self._pod is not None else None),
            "k8s.node.name": old.node_name or (self._pod.node if self._pod is not None else None),
            "egress.attempt": old.attempt,
            "egress.reason": reason,
        }
        place, name = self._attempt_place, "egress.attempt"
        return [
            self._span(name, began, self._now, at=place, parent=self._place, more=attributes, error=error)
        ]

    def over(self) -> list[Span]:
        """The ending, where somebody asked for it, and the task."""
        if not self._ends:
            return []
        new, spec, above = self._new, self._task.spec, above_task(self._meta)
        since = self._old.verdict.since if self._old.verdict is not None else None
        if since is None and self._pod is not None:
            since = self._pod.told_to_stop_at
        ending = (
            [self._span("egress.ending", since, self._now, parent=self._place)] if since is not None else []
        )
        attributes: dict[str, Value | None] = {
            "egress.app.id": spec.app_id,
            "egress.layout": spec.layout.value,
            "egress.state": new.state.value,
            "egress.reason": new.reason,
            "egress.attempts": new.attempt,
        }
        return [
            *ending,
            self._span(
                "egress.task",
                self._meta.creation_timestamp,
                new.stopped_at or self._now,
                at=self._place,
                parent=above,
                more=attributes,
                error=new.reason if self._failed else "",
            ),
        ]

    @property
    def _failed(self) -> bool:
        return self._new.state in _WITH_A_FAULT

    @property
    def _attempt_place(self) -> TraceParent:
        return self._place.child(derived_id(self._meta.uid, "attempt", self._attempt))

    def _span(
        self,
        name: str,
        began: datetime,
        ended: datetime,
        *,
        parent: TraceParent | None,
        at: TraceParent | None = None,
        more: dict[str, Value | None] | None = None,
        error: str = "",
    ) -> Span:
        place = at or self._place.child(derived_id(self._meta.uid, name, self._attempt))
        attributes = {key: value for key, value in (more or {}).items() if value is not None}
        return Span(
            name=name,
            place=place,
            parent_id=parent.span_id if parent is not None else None,
            began=began,
            # Two clocks, and one of them in whole seconds.
            ended=max(began, ended),
            attributes=_where(self._meta) | attributes,
            error=error,
        )


def _where(meta: Metadata) -> dict[str, Value]:
    return {"egress.task.id": meta.name, "k8s.namespace.name": meta.namespace}


def _holds(status: EgressTaskStatus, wanted: ConditionType) -> bool:
    found = status.condition(wanted)
    return found is not None and found.status is ConditionStatus.TRUE
