"""Look at a task as it is now, have it decided, carry it out. All I/O of a task's life is here.

In: a key. Out: in how many seconds to look again. The order is the promise: the status is written before
anything is done, a Pod is released before it is deleted. Every step can be repeated: an operator may die
between any two of them and the next look goes on from there.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol, assert_never

import structlog
from pydantic import ValidationError

from egress_api.media import Layout
from egress_api.names import pod_name
from egress_api.results import LiveReport
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask, Metadata
from egress_operator.cluster import Cluster
from egress_operator.decide import decide
from egress_operator.decision import (
    Action,
    CreatePod,
    DeletePod,
    DeleteTask,
    Facts,
    Refusal,
    ReleasePod,
    TellPod,
)
from egress_operator.draft import Draft, status_patch
from egress_operator.errors import ApiError, ConflictError, RefusedError
from egress_operator.events import events_of, worth_a_line
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.mounts import mount_problem
from egress_operator.orphans import let_go, pods_of
from egress_operator.pod_state import Blocked, PodView
from egress_operator.pods import build_pod, wishes
from egress_operator.refusals import refusal_of
from egress_operator.settings import Settings
from egress_operator.sweep import Sweep
from egress_operator.task_traces import TaskTraces
from egress_operator.turns import Turns
from egress_operator.watched import Watched
from egress_operator.webhooks.notices import Notices

ROUNDS: Final = 4
"""Looks in one go, when what was read has been overtaken; then the queue's pauses take over."""
MOUNT_SECONDS: Final = 2
"""A Pod that is not further this long after it got its node may have a volume that can't be mounted."""

logger = structlog.get_logger(__name__)


class LiveSource(Protocol):
    """Where the reports of running recorders come from."""

    def follow(self, key: TaskKey, pod: PodView, *, closely: bool = False) -> None:
        """Look at this Pod's recorder from now on; closely while somebody waits for what it says next."""

    def drop(self, key: TaskKey) -> None:
        """Stop looking."""

    def latest(self, key: TaskKey, pod: PodView) -> LiveReport | None:
        """Return its last report."""

    def silent_seconds(self, key: TaskKey, pod: PodView) -> float | None:
        """Return for how long it has been asked in vain."""

    def backlog_lasts(self, key: TaskKey, pod: PodView) -> bool:
        """Return whether it has kept more than a healthy recorder does, for a while."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    raw: dict[str, Any]
    task: EgressTask
    pod: PodView | None
    facts: Facts


class _PodRefusedError(Exception):
    """A Pod could not be created: to be decided anew, knowing that."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def _can_tell(task: EgressTask, pod: PodView) -> bool:
    """Tell whether this Pod's recorder has more to say than that it isn't ready."""
    if pod.owner_uid != task.metadata.uid:
        return False
    if pod.given_up or pod.ip is None:
        return pod.given_up
    recording = task.status.condition(ConditionType.RECORDING)
    has_recorded = recording is not None and recording.status is ConditionStatus.TRUE
    # Which step a page waits for; and of one that is Ready no more, whether it still answers.
    opens_page = task.spec.layout is Layout.FREESTYLE and pod.phase == "Running"
    return pod.ready or opens_page or has_recorded


class Reconciler:
    """Brings tasks forward, one look at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        settings: Settings,
        live: LiveSource,
        turns: Turns,
        metrics: Metrics,
        clock: Callable[[], datetime],
        notices: Notices | None = None,
        watched: Watched | None = None,
        sweep: Sweep | None = None,
        traces: TaskTraces | None = None,
    ) -> None:
        """Prepare.

        Args:
            cluster: where tasks and Pods are.
            settings: the operator's.
            live: the recorders' own reports.
            turns: who may begin.
            metrics: counts looks and changes.
            clock: the wall clock.
            notices: has webhooks sent; None sends none.
            watched: what needs no asking; None asks each time.
            sweep: deletes ended Pods together; None deletes each at once.
            traces: tells what happened as spans; None tells none.
        """
        self._traces = traces
        self._notices = notices
        self._watched = watched or Watched(most=0)
        self._sweep = sweep
        self._cluster = cluster
        self._settings = settings
        self._live = live
        self._turns = turns
        self._metrics = metrics
        self._clock = clock

    async def reconcile(self, key: TaskKey) -> float | None:
        """Bring one task forward as far as it goes now; return in how many seconds to look again.

        Raises:
            ApiError: when the API server can't be reached or was overtaken too often: try again later.
        """
        refusal: Refusal | None = None
        with self._metrics.reconcile_seconds.time():
            for _ in range(ROUNDS):
                try:
                    again = await self._look(key, refusal)
                except _PodRefusedError as refused:
                    refusal = refused.refusal
                except ConflictError as conflict:
                    self._watched.doubt(key)
                    logger.debug("Was overtaken", task=key.name, namespace=key.namespace, error=str(conflict))
                except ApiError:
                    self._watched.doubt(key)  # it may have been carried out
                    raise
                else:
                    self._watched.trust(key)
                    self._metrics.reconciles.labels("done").inc()
                    return again
        raise ConflictError(f"task {key.namespace}/{key.name} was overtaken {ROUNDS} times", status=409)

    async def _look(self, key: TaskKey, refusal: Refusal | None) -> float | None:
        raw = await self._watched.task(self._cluster, key)
        if raw is None:
            self._live.drop(key)
            if self._notices is not None:
                self._notices.gone(key)
            self._turns.drop(key)
            return await self._orphans(key)
        try:
            task = EgressTask.from_resource(raw)
        except ValidationError as error:
            await self._invalid(raw, error)
            self._turns.stuck(raw)
            return None
        seen = await self._observe(key, raw, task, refusal)
        decision = decide(task, seen.pod, now=self._clock(), settings=self._settings, facts=seen.facts)
        try:
            old = task.status if raw.get("status") else None
            await self._write(raw, task.metadata, old, decision.status)
        except RefusedError:
            self._turns.stuck(raw)  # what failed otherwise is looked at again, and may have been written
            raise
        self._turns.wrote(key, decision.status)
        if decision.nothing_left:
            self._turns.left(key, uid=task.metadata.uid)
        if self._traces is not None:
            self._traces.changed(task, decision.status, pod=seen.pod)
        for action in decision.actions:
            await self._act(task.model_copy(update={"status": decision.status}), action)
        after = decision.requeue_after
        return after if self._notices is None else self._notices.look_again(key, after)

    async def _observe(
        self, key: TaskKey, raw: dict[str, Any], task: EgressTask, refusal: Refusal | None
    ) -> _Seen:
        attempt = task.status.attempt or 1
        pod = previous = None
        if not self._watched.is_new(key):
            pod = await self._pod(key, attempt)
        if pod is None and attempt > 1:
            previous = await self._pod(key, attempt - 1)
        turn = self._turns.ask(raw, task)
        facts = Facts(previous=previous, refusal=refusal, turn=turn)
        if pod is not None:
            facts = replace(facts, mount_problem=await self._mount_problem(pod))
        if pod is None or task.status.state.terminal or pod.ended(self._clock()):
            self._live.drop(key)
        elif _can_tell(task, pod):
            facts = self._ask(key, task, pod, facts)
        return _Seen(raw=raw, task=task, pod=pod, facts=facts)

    async def _pod(self, key: TaskKey, attempt: int) -> PodView | None:
        return await self._watched.pod(self._cluster, key, pod_name(key.name, attempt=attempt))

    def _ask(self, key: TaskKey, task: EgressTask, pod: PodView, facts: Facts) -> Facts:
        live = self._live.latest(key, pod)
        waits_for_pause = live is not None and live.paused != task.spec.pause
        self._live.follow(key, pod, closely=pod.given_up or pod.told_to_stop or waits_for_pause)
        return replace(
            facts,
            live=live,
            silent_seconds=self._live.silent_seconds(key, pod),
            backlog_lasts=self._live.backlog_lasts(key, pod),
        )

    async def _mount_problem(self, pod: PodView) -> Blocked | None:
        if not pod.creating or pod.deleting or pod.scheduled_at is None:
            return None
        if (self._clock() - pod.scheduled_at).total_seconds() < MOUNT_SECONDS:
            return None
        try:
            return mount_problem(await self._cluster.pod_events(pod))
        except RefusedError as error:
            logger.warning("Events can't be read", pod=pod.name, namespace=pod.namespace, error=str(error))
            return None

    async def _write(
        self, raw: dict[str, Any], metadata: Metadata, old: EgressTaskStatus | None, status: EgressTaskStatus
    ) -> None:
        if self._notices is not None:
            status = self._notices.updated(raw, old, status)
        answer = await self._write_changes(old, metadata, status)
        if self._notices is not None:
            self._notices.written(raw, status, answer=answer)

    async def _write_changes(
        self, old: EgressTaskStatus | None, metadata: Metadata, status: EgressTaskStatus
    ) -> dict[str, Any] | None:
        if status == (old or EgressTaskStatus()) or not (patch := status_patch(old, status)):
            return None
        answer = await self._cluster.write_status(
            metadata.namespace, metadata.name, patch, resource_version=metadata.resource_version
        )
        self._watched.saw_task(answer)
        if worth_a_line(old, status):
            self._log(metadata, old, status)
        for event in events_of(metadata, old, status, now=self._clock()):
            try:
                await self._cluster.post_event(metadata.namespace, event)
            except ApiError as error:
                # An Event repeats what the status says: never a reason to stop.
                logger.warning("Event not posted", task=metadata.name, error=str(error))
        return answer

    def _log(self, metadata: Metadata, old: EgressTaskStatus | None, status: EgressTaskStatus) -> None:
        known = status.reason if status.reason in set(Reason) else "Other"
        self._metrics.transitions.labels(status.state, known).inc()
        if status.state.terminal:
            self._metrics.tasks_ended.labels(status.state).inc()
        if status.state is State.PROCESSING and (old is None or old.state is State.ENQUEUED):
            seconds = (self._clock() - metadata.creation_timestamp).total_seconds()
            self._metrics.start_seconds.observe(seconds)
        logger.info(
            "Task changed",
            task=metadata.name,
            namespace=metadata.namespace,
            state=status.state,
            reason=status.reason,
            message=status.message,
            attempt=status.attempt,
        )

    async def _act(self, task: EgressTask, action: Action) -> None:
        match action:
            case CreatePod():
                await self._create(task, action)
            case TellPod(pod=pod, paused=paused, users=users, layout=layout, stop_since=since):
                told = wishes(paused=paused, users=users, layout=layout, stop_since=since)
                changed = await self._cluster.annotate_pod(pod, told)
                if changed is not None:
                    self._watched.saw_pod(changed)
            case ReleasePod(pod=pod):
                await self._cluster.release_pod(pod)
            case DeletePod(pod=pod) if (
                self._sweep is not None and pod.finished and (pod.held or pod.released)
            ):
                self._sweep.due(pod.namespace)  # it has been released just now, or before
            case DeletePod(pod=pod, grace_seconds=grace):
                await self._cluster.delete_pod(pod, grace_seconds=grace)
            case DeleteTask():
                meta = task.metadata
                await self._cluster.delete_task(
                    meta.namespace, meta.name, uid=meta.uid, resource_version=meta.resource_version
                )
                self._metrics.tasks_deleted.labels("ttl").inc()
            case _:
                assert_never(action)

    async def _create(self, task: EgressTask, wanted: CreatePod) -> None:
        pod = build_pod(task, attempt=wanted.attempt, finish_only=wanted.finish_only, settings=self._settings)
        began = self._clock()
        try:
            self._watched.saw_pod(await self._cluster.create_pod(pod))
        except ApiError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            raise _PodRefusedError(refusal) from error
        self._metrics.pods_created.inc()
        if self._traces is not None:
            self._traces.created(task.metadata, wanted.attempt, began=began)

    async def _orphans(self, key: TaskKey) -> float | None:
        waits: list[float] = []
        for pod in await pods_of(self._cluster, key):
            wait = await let_go(
                self._cluster, pod, now=self._clock(), grace_seconds=self._settings.recorder.grace_seconds
            )
            if wait is not None:
                waits.append(wait)
            elif pod.held:
                self._metrics.orphans_released.inc()
        return min(waits, default=None)

    async def _invalid(self, raw: dict[str, Any], error: ValidationError) -> None:
        """End a task that another version's schema let through and this one's models don't."""
        metadata = Metadata.model_validate(raw["metadata"])
        old = status = None
        with contextlib.suppress(ValidationError):
            status = EgressTaskStatus.model_validate(raw.get("status") or {})
            old = status if raw.get("status") else None
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        if status is None or status.state.terminal or status.attempt > 0:
            # A recorder may be running: an operator of another version never ends it.
            logger.error("Task can't be read", task=metadata.name, namespace=metadata.namespace, error=fields)
            if status is not None:
                await self._write(
                    raw, metadata, old, status
                )  # how its end was told, if that is still to be noted
            return
        draft = Draft(status, now=self._clock(), generation=metadata.generation)
        draft.begin(source=None)
        message = f"the task does not fit this operator's version: {fields}"
        draft.finish(State.FAILED, Reason.INVALID_SPEC, message, uploaded=False)
        await self._write(raw, metadata, old, draft.status)
