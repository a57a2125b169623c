"""The operator on a simulated API server: the real reconciler, a queue whose pauses cost no time, a clock of our own.

Every decision that it makes is checked: the same input gives the same decision, and what it writes is final, that is, a
look at the same Pod with the written status has nothing to add.
"""

import copy
import enum
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from egress_api.names import pod_name
from egress_api.results import LiveReport
from egress_api.task import EgressTask
from egress_api.tracing.spans import Span
from egress_operator import reconciler as module
from egress_operator.decide import decide
from egress_operator.decision import Decision, Facts
from egress_operator.draft import status_patch
from egress_operator.errors import ApiError
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.orphans import let_go
from egress_operator.pod_state import PodView
from egress_operator.reconciler import Reconciler
from egress_operator.settings import Settings
from egress_operator.sweep import Sweep
from egress_operator.task_traces import TaskTraces
from egress_operator.turns import Turns
from egress_operator.watched import MOST, Watched
from egress_operator.workqueue import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, WorkQueue
from support.operator_parts import SETTINGS
from support.simulated_api import NAMESPACE, OperatorDied, SimulatedApi, SimulatedCluster
from support.summaries import START

SETTLED_IN = 8
"""Looks after which nothing more may change while nobody else acts."""


class Watch(enum.StrEnum):
    """How soon the operator hears from its watches."""

    PROMPT = "before each look"
    LATE = "only after the look that an event has rung for"
    NONE = "never: it has to ask each time"


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("nothing here has to wait")


def checked_decide(
    task: EgressTask, pod: PodView | None, *, now: datetime, settings: Settings, facts: Facts
) -> Decision:
    """Decide, twice, and look again at what was written."""
    first = decide(task, pod, now=now, settings=settings, facts=facts)
    assert decide(task, pod, now=now, settings=settings, facts=facts) == first
    same_pod = first.status.attempt == max(task.status.attempt, 1)
    if same_pod and first.status.verdict == task.status.verdict:
        again = task.model_copy(update={"status": first.status})
        second = decide(again, pod, now=now, settings=settings, facts=facts)
        assert status_patch(first.status, second.status) == {}
    return first


class NoLive:
    """Recorders that say what they are told to say."""

    def __init__(self) -> None:
        self.report: LiveReport | None = None
        self.silent: float | None = None

    def follow(self, key: TaskKey, pod: PodView, *, closely: bool = False) -> None:
        pass

    def drop(self, key: TaskKey) -> None:
        pass

    def latest(self, key: TaskKey, pod: PodView) -> LiveReport | None:
        return self.report

    def silent_seconds(self, key: TaskKey, pod: PodView) -> float | None:
        return self.silent

    def backlog_lasts(self, key: TaskKey, pod: PodView) -> bool:
        return False


class SimulatedOperator:
    """One task, one API server, and an operator that may die."""

    def __init__(
        self, *, name: str = "task", settings: Settings = SETTINGS, watch: Watch = Watch.PROMPT
    ) -> None:
        self.watch = watch
        self.spans: list[Span] = []
        """What it has exported, of all its lives, where its settings switch tracing on."""
        self.now = START
        self.api = SimulatedApi(lambda: self.now)
        self.cluster = SimulatedCluster(self.api)
        self.live = NoLive()
        self.key = TaskKey(NAMESPACE, name)
        self.settings = settings
        self.due: datetime | None = self.now
        """When it wants to look again; None while it waits for an event."""
        self.deaths = 0
        self.resync = True
        self.seen = -1
        self._failures = 0
        self._start()

    def _start(self) -> None:
        metrics = Metrics()
        assert not self.settings.queue.limited, "a limit would need a work queue to ring"
        turns = Turns(
            self.settings.queue,
            namespaces=[NAMESPACE],
            queue=cast("WorkQueue[TaskKey]", None),
            metrics=metrics,
            clock=lambda: self.now,
            monotonic=self._seconds,
        )
        self._watched = Watched(most=0 if self.watch is Watch.NONE else MOST)
        self._told: dict[str, dict[str, Any]] = {}
        self._sweep = Sweep(self.cluster)
        self.reconciler = Reconciler(
            cluster=self.cluster,
            watched=self._watched,
            sweep=self._sweep,
            settings=self.settings,
            live=self.live,
            turns=turns,
            metrics=metrics,
            clock=lambda: self.now,
            traces=TaskTraces(self.spans.append, rules=self.settings.tracing, clock=lambda: self.now)
            if self.settings.tracing.on
            else None,
        )

    def _seconds(self) -> float:
        return (self.now - START).total_seconds()

    @property
    def task(self) -> dict[str, Any] | None:
        """The task as it is, if it is still there."""
        return self.api.tasks.get(self.key.name)

    @property
    def status(self) -> dict[str, Any]:
        """The task's status."""
        return (self.task or {}).get("status") or {}

    @property
    def pod(self) -> dict[str, Any] | None:
        """The Pod of the current attempt."""
        return self.api.pods.get(pod_name(self.key.name, attempt=self.status.get("attempt") or 1))

    def look(self) -> None:
        """Do what a worker of the queue does with a key."""
        self.seen = self.api.rings
        if self.watch is Watch.PROMPT:
            self._tell()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "decide", self._decide)
            try:
                self._resync()
                again = finished(self.reconciler.reconcile(self.key))
                finished(self._sweep.once())
            except OperatorDied:
                self.restart()
            except ApiError:
                pause = min(FIRST_RETRY_SECONDS * 2**self._failures, LONGEST_RETRY_SECONDS)
                self._failures += 1
                self.due = self.now + timedelta(seconds=pause)
            else:
                self._failures = 0
                self.due = None if again is None else self.now + timedelta(seconds=again)

        if self.watch is Watch.LATE and self._tell():
            self.seen = -1  # and rings for the next one

    def _decide(self, *args: Any, **facts: Any) -> Decision:
        self.api.status_writes_of_pass = 0
        return checked_decide(*args, **facts)

    def _tell(self) -> bool:
        """Have the watches tell what has changed; return whether that is anything."""
        objects = [*self.api.tasks.values(), *self.api.pods.values()]
        now = {found["metadata"]["uid"]: copy.deepcopy(found) for found in objects}
        gone = [found for uid, found in self._told.items() if uid not in now]
        news = [found for uid, found in now.items() if self._told.get(uid) != found]
        for found in [*gone, *news]:
            self._take(found, gone=found["metadata"]["uid"] not in now)
        self._told = now
        return bool(gone or news)

    def _take(self, found: dict[str, Any], *, gone: bool) -> None:
        if "appId" in found["spec"]:
            self._watched.saw_task(found, gone=gone)
        else:
            self._watched.saw_pod(PodView.from_resource(found), gone=gone)

    def restart(self) -> None:
        """Begin anew with nothing but what stands in the API server: the first list has every unfinished task."""
        self.deaths += 1
        self._start()
        self.due, self._failures = self.now, 0
        self.resync = True

    def _resync(self) -> None:
        if not self.resync:
            return
        for raw in list(self.api.pods.values()):
            pod = PodView.from_resource(raw)
            current = self.status.get("attempt") or 0
            if self.task is None or int(pod.name.rsplit("-", 1)[1]) < current:
                finished(let_go(self.cluster, pod, now=self.now, grace_seconds=120))
        self.resync = False

    def settle(self) -> None:
        """Look until nothing more changes while nobody else acts; events ring, pauses that are over do."""
        for _ in range(SETTLED_IN):
            rung = self.seen != self.api.rings
            late = self.due is not None and self.due <= self.now
            if not rung and not late:
                return
            self.look()
        raise AssertionError(f"it does not come to rest: {self.cluster.calls[-20:]}")
