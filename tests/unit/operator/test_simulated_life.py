"""Whatever happens, in whatever order, with calls that fail and an operator that dies: what must hold of a task's life.

The real reconciler works on an API server in memory (simulated_api.py checks each write: an end is never changed, states
go forward, one status a look, one Pod an attempt) and decides each time twice (simulated_operator.py).
"""

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from egress_api.results import Outcome, RecorderPhase, TerminationSummary
from egress_api.states import Reason, State
from support.simulated_api import Fault
from support.simulated_kubelet import (
    SimulatedKubelet,
    bound,
    deleting,
    finished,
    overdue,
    ready,
    told_to_stop,
)
from support.simulated_operator import SimulatedOperator, Watch
from support.summaries import failed, live, summary

WAITS = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "BrandNewError",
]
REFUSALS = [(403, "exceeded quota: small"), (403, "violates PodSecurity"), (500, "failed calling webhook"),
            (500, "etcd is away"), (403, "error looking up service account"), None]  # fmt: skip
DISRUPTIONS = ["EvictionByEvictionAPI", "PreemptionByScheduler", "DeletionByTaintManager", "DeletionByPodGC"]
ENDS: dict[str, tuple[Outcome | None, str, dict[str, Any]]] = {
    "as asked": (Outcome.STOPPED, Reason.STOP_REQUESTED, {}),
    "by itself": (Outcome.STOPPED, Reason.SOURCE_CLOSED, {}),
    "refused": (Outcome.FAILED, Reason.JOIN_REFUSED, {"code": 1}),
    "unreachable": (Outcome.FAILED, Reason.SOURCE_UNREACHABLE, {"code": 1}),
    "cut": (Outcome.STOPPED, Reason.STOP_REQUESTED, {}),
    "without a word": (None, "", {"code": 3}),
    "out of memory": (None, "", {"code": 137, "why": "OOMKilled"}),
    "evicted": (None, "", {"code": 137, "reason": "Evicted"}),
    "node shut down": (None, "", {"code": 137, "reason": "Terminated"}),
    "deadline": (None, "", {"code": 137, "reason": "DeadlineExceeded"}),
    "not started": (None, "", {"code": 128, "why": "StartError"}),
    "runtime restarted": (None, "", {"code": 255, "why": "Unknown"}),
}
"""How a recorder ends: its summary's outcome and reason, if it leaves one, and what the kubelet says."""


class SimulatedLife(RuleBasedStateMachine):
    """One task among everybody who can do something to it."""

    def __init__(self) -> None:
        super().__init__()
        self.lives_with(Watch.PROMPT)
        self.keeps_up = True
        self.nodes_are_gone = False

    def lives_with(self, watch: Watch) -> None:
        self.world = SimulatedOperator(watch=watch)
        self.kubelet = SimulatedKubelet(self.world.api)
        self.api = self.world.api

    @initialize(retries=st.integers(0, 2), watch=st.sampled_from(list(Watch)))
    def task_is_created(self, retries: int, watch: Watch) -> None:
        self.lives_with(watch)
        limits = {"enqueueTimeoutSeconds": 300, "maxDurationSeconds": 1200}
        self.api.create_task("task", retryLimit=retries, limits=limits)

    @invariant()
    def operator_keeps_up(self) -> None:
        """Not a thing that must hold: what an operator does after each event that it is told of."""
        if self.keeps_up and self.world.task is not None:
            self.world.settle()

    # The operator.

    @rule(quick=st.booleans())
    def operator_is_slow_or_keeps_up(self, quick: bool) -> None:  # noqa: FBT001 - drawn
        self.keeps_up = quick

    @rule(call=st.integers(0, 7), fault=st.sampled_from(list(Fault)))
    def a_call_goes_wrong(self, call: int, fault: Fault) -> None:
        self.world.cluster.fault = (len(self.world.cluster.calls) + call, fault)
        self.world.look()

    @rule()
    def operator_is_restarted(self) -> None:
        self.world.restart()

    @rule(seconds=st.sampled_from([1, 5, 30, 70, 290]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule(seconds=st.sampled_from([1, 20]))
    def clock_is_put_back(self, seconds: int) -> None:
        self.world.now -= timedelta(seconds=seconds)

    # Users.

    @rule()
    def user_stops(self) -> None:
        self.api.change_spec("task", stop=True)

    @rule(wanted=st.booleans())
    def user_pauses(self, wanted: bool) -> None:  # noqa: FBT001 - drawn
        self.api.change_spec("task", pause=wanted)

    @rule(refusal=st.sampled_from(REFUSALS))
    def pods_are_refused(self, refusal: tuple[int, str] | None) -> None:
        self.api.refuses_pods = refusal

    # Scheduler, kubelets and the cluster.

    def pods(self, *, on_a_node: bool = True) -> list[str]:
        return [n for n, pod in self.api.pods.items() if not finished(pod) and bound(pod) is on_a_node]

    @precondition(lambda self: self.pods(on_a_node=False))
    @rule(data=st.data())
    def a_pod_begins_to_record(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.pods(on_a_node=False)))
        self.kubelet.bind(name)
        self.kubelet.runs(name, ready=True)

    @precondition(lambda self: self.pods(on_a_node=False))
    @rule(data=st.data(), fits=st.booleans())
    def scheduler_looks(self, data: st.DataObject, fits: bool) -> None:  # noqa: FBT001 - drawn
        name = data.draw(st.sampled_from(self.pods(on_a_node=False)))
        (self.kubelet.bind if fits else self.kubelet.unschedulable)(name)

    @precondition(lambda self: self.pods())
    @rule(data=st.data(), word=st.sampled_from(WAITS))
    def container_waits(self, data: st.DataObject, word: str) -> None:
        name = data.draw(st.sampled_from(self.pods()))
        if self.api.pods[name]["status"]["phase"] == "Pending":
            self.kubelet.waits(name, word)

    @precondition(lambda self: self.pods())
    @rule(data=st.data(), joined=st.booleans())
    def recorder_runs(self, data: st.DataObject, joined: bool) -> None:  # noqa: FBT001 - drawn
        self.kubelet.runs(data.draw(st.sampled_from(self.pods())), ready=joined)

    @precondition(lambda self: self.pods())
    @rule(data=st.data())
    def node_refuses(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.pods()))
        if self.api.pods[name]["status"]["phase"] == "Pending":
            self.kubelet.refuses(name, "OutOfcpu")

    @precondition(lambda self: self.pods())
    @rule(data=st.data(), how=st.sampled_from(sorted(ENDS)))
    def recorder_ends(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(self.pods()))
        attempt = int(name.rsplit("-", 1)[1])
        outcome, reason, end = ENDS[how]
        words: TerminationSummary | str = ""
        if outcome is Outcome.STOPPED:
            words = summary(outcome, reason, attempt=attempt)
        elif outcome is Outcome.FAILED:
            words = failed(reason, retryable=how == "unreachable", attempt=attempt)
        self.kubelet.ends(name, words if how != "cut" else summary(attempt=attempt).to_message()[:40], **end)

    @precondition(lambda self: self.pods())
    @rule(data=st.data(), reason=st.sampled_from(DISRUPTIONS))
    def pod_is_disrupted(self, data: st.DataObject, reason: str) -> None:
        self.kubelet.disrupts(data.draw(st.sampled_from(self.pods())), reason)

    @precondition(lambda self: self.api.pods)
    @rule(data=st.data())
    def somebody_deletes_a_pod(self, data: st.DataObject) -> None:
        self.api.delete_pod(data.draw(st.sampled_from(sorted(self.api.pods))))

    @precondition(lambda self: self.world.pod is not None and self.world.status.get("podUid"))
    @rule()
    def somebody_forces_the_pod_away(self) -> None:
        self.api.delete_pod(str(self.world.status["podName"]), force=True)

    @rule()
    def nodes_die(self) -> None:
        self.nodes_are_gone = True

    @rule(phase=st.sampled_from([RecorderPhase.RECORDING, RecorderPhase.FINALIZING]), paused=st.booleans())
    def recorder_reports(self, phase: RecorderPhase, paused: bool) -> None:  # noqa: FBT001 - drawn
        attempt = self.world.status.get("attempt") or 1
        self.world.live.report = live(attempt=attempt, phase=phase, paused=paused)

    @rule(seconds=st.sampled_from([None, 0.0, 9.0, 61.0]))
    def recorder_is_silent(self, seconds: float | None) -> None:
        self.world.live.silent = seconds

    # What must hold beside what the API server and the operator check themselves.

    @invariant()
    def a_task_that_is_not_over_is_looked_at_again(self) -> None:
        world = self.world
        if world.task is None or State(world.status.get("state", "ENQUEUED")).terminal:
            return
        waits_for_pod = world.pod is not None and (ready(world.pod) or told_to_stop(world.pod))
        # A recorder that records has its own limit, and the Pod a deadline behind it.
        limited = waits_for_pod and world.pod["spec"].get("activeDeadlineSeconds")
        rung = world.api.rings != world.seen
        deleted = world.pod is not None and deleting(world.pod)
        started = (
            world.pod is not None and world.pod["spec"].get("activeDeadlineSeconds") and bound(world.pod)
        )
        assert world.due is not None or rung or limited or deleted or started, world.status

    @invariant()
    def at_most_one_pod_may_record(self) -> None:
        alive = [p for p in self.api.pods.values() if not finished(p) and not deleting(p) and bound(p)]
        assert len(alive) <= 1

    def teardown(self) -> None:
        """Left alone, with kubelets that do no more than they must: the task ends and holds no Pod."""
        self.api.refuses_pods = None
        self.world.live.silent = self.world.live.report = None
        if self.nodes_are_gone:  # which the cluster notices, some time
            for name in self.pods():
                self.kubelet.disrupts(name, "DeletionByTaintManager")
        for _ in range(60):
            self.world.settle()
            held = [pod for pod in self.api.pods.values() if pod["metadata"]["finalizers"]]
            gone = not (held if self.nodes_are_gone else self.api.pods)
            if gone and State(self.world.status.get("state", "ENQUEUED")).terminal:
                return
            self.world.now += timedelta(seconds=130)
            for name, pod in list(self.api.pods.items()) * (not self.nodes_are_gone):
                age = self.world.now - timedelta(seconds=1700) > self.api.made_at[name]
                if (
                    not finished(pod)
                    and bound(pod)
                    and (age or told_to_stop(pod) or overdue(pod, self.world.now))
                ):
                    self.kubelet.ends(name, code=137)
                self.kubelet.lets_go(name)
        raise AssertionError(f"not over: {self.world.status}, Pods {self.api.pods}")


TestSimulatedLife = SimulatedLife.TestCase
TestSimulatedLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
