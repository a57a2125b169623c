"""What must hold whatever happens, in whatever order, with an operator that may die between any two steps."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from egress_api.names import pod_name
from egress_api.results import LiveReport, Outcome, RecorderPhase
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import Verdict
from egress_operator.decide import decide
from egress_operator.decision import CreatePod, DeletePod, DeleteTask, Facts, ReleasePod, TellPod, Turn
from egress_operator.pod_state import ContainerEnd, PodView
from support.operator_parts import SETTINGS, at, pod, task
from support.operator_queue_rows import FULL, GRANTED, QUIET
from support.summaries import failed, live, summary

RANK = {
    State.ENQUEUED: 0,
    State.PROCESSING: 1,
    State.STOPPING: 2,
    State.STOPPED: 3,
    State.FAILED: 3,
    State.TIMEOUT: 3,
}
ENDS = st.sampled_from(
    [
        "as asked",
        "max duration",
        "join refused",
        "unreachable",
        "no words",
        "cut words",
        "out of memory",
        "evicted",
    ]
)


class TaskLife(RuleBasedStateMachine):
    """A task, the Pods in the API server, and an operator that may stop after any step of a decision."""

    def __init__(self) -> None:
        super().__init__()
        self.task = task(retry_limit=1)
        self.pods: dict[str, PodView] = {}
        self.made: list[str] = []
        self.now = at(0)
        self.highest = 0
        self.end: tuple[State, str] | None = None
        self.silent: set[str] = set()
        self.store_fails = False
        self.closers: list[str] = []
        self.verdict: Verdict | None = None
        self.turn: Turn | None = None
        self.last_words: set[int] = set()
        """Attempts that ended with a summary."""

    # The operator.

    @initialize(turn=st.sampled_from([None, FULL, QUIET, GRANTED]))
    def task_is_created(self, turn: Turn | None) -> None:
        self.turn = turn
        self.look()

    @rule(turn=st.sampled_from([FULL, QUIET, GRANTED]))
    def turn_comes_or_does_not(self, turn: Turn) -> None:
        self.turn = turn

    @rule()
    def operator_looks(self) -> None:
        self.look()

    @rule(steps=st.integers(0, 3))
    def operator_looks_and_dies(self, steps: int) -> None:
        self.look(steps)

    def look(self, steps: int = 99) -> None:
        status = self.task.status
        attempt = status.attempt or 1
        seen = self.pods.get(pod_name("task", attempt=attempt))
        previous = self.pods.get(pod_name("task", attempt=attempt - 1)) if seen is None else None
        silent = 9.0 if seen is not None and seen.name in self.silent else None
        turn = None if status.attempt else self.turn
        facts = Facts(previous=previous, silent_seconds=silent, live=self.report(seen, attempt), turn=turn)
        decision = decide(self.task, seen, now=self.now, settings=SETTINGS, facts=facts)
        if steps == 0:
            return
        self.task = self.task.model_copy(update={"status": decision.status})
        for action in decision.actions[: steps - 1]:
            match action:
                case CreatePod(attempt=number, finish_only=finish_only):
                    assert turn is None or turn.granted, "who has no place gets no Pod"
                    name = pod_name("task", attempt=number)
                    if name not in self.pods:
                        assert name not in self.made, f"{name} was made twice"
                        self.made.append(name)
                        self.closers += [name] if finish_only else []
                        self.pods[name] = pod(
                            number,
                            node=None,
                            scheduled=False,
                            scheduled_at=None,
                            paused=self.task.spec.pause,
                            can_be_told_to_stop=True,
                        )
                case TellPod(pod=view, paused=None, stop_since=since):
                    self.update(view.name, told_to_stop=True, told_to_stop_at=since)
                case TellPod(pod=view, paused=paused):
                    self.update(view.name, paused=paused)
                case ReleasePod(pod=view):
                    self.update(view.name, finalizers=())
                case DeletePod(pod=view, grace_seconds=grace):
                    self.delete(view.name, grace)
                case DeleteTask():
                    pass

    def report(self, seen: PodView | None, attempt: int) -> LiveReport | None:
        if seen is None or not seen.ready or seen.name in self.silent:
            return None
        phase = RecorderPhase.FINALIZING if seen.told_to_stop else RecorderPhase.RECORDING
        trouble = Reason.STORE_UNREACHABLE if self.store_fails else ""
        return live(attempt=attempt, phase=phase, upload_error=trouble, upload_reason=trouble)

    # The API server: an object goes when it is deleted, ended and nobody holds it.

    def update(self, name: str, **changes: object) -> None:
        if name in self.pods:
            self.pods[name] = replace(self.pods[name], **changes)  # type: ignore[arg-type]
            view = self.pods[name]
            if view.deleting and not view.held and (view.finished or view.node is None):
                del self.pods[name]

    def delete(self, name: str, grace: int) -> None:
        if name in self.pods and not self.pods[name].deleting:
            self.update(name, deleted_at=self.now + timedelta(seconds=grace))

    def joining(self) -> list[PodView]:
        return [view for view in self.alive() if view.node and view.name not in self.closers]

    def alive(self) -> list[PodView]:
        return [view for view in self.pods.values() if not view.finished]

    # Everybody else.

    @rule(seconds=st.sampled_from([1, 5, 30]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: len(self.made) > 1 or any(v.ready for v in self.pods.values()))
    @rule()
    def user_stops(self) -> None:
        spec = self.task.spec.model_copy(update={"stop": True})
        self.task = self.task.model_copy(update={"spec": spec})

    @rule(fails=st.booleans())
    def store_fails_or_works_again(self, fails: bool) -> None:  # noqa: FBT001 - drawn
        self.store_fails = fails

    @rule(wanted=st.booleans())
    def user_pauses_or_resumes(self, wanted: bool) -> None:  # noqa: FBT001 - drawn
        spec = self.task.spec.model_copy(update={"pause": wanted})
        self.task = self.task.model_copy(update={"spec": spec})

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def node_takes_the_pod(self, data: st.DataObject) -> None:
        view = data.draw(st.sampled_from(self.alive()))
        if not view.deleting:
            self.update(view.name, node="node-1", scheduled=True, scheduled_at=self.now)

    @precondition(lambda self: self.joining())
    @rule(data=st.data())
    def recorder_joins(self, data: st.DataObject) -> None:
        view = data.draw(st.sampled_from(self.joining()))
        self.update(view.name, phase="Running", ready=True, ready_at=self.now)

    @precondition(lambda self: any(v.node for v in self.alive()))
    @rule(data=st.data(), how=ENDS)
    def pod_ends(self, data: st.DataObject, how: str) -> None:
        view = data.draw(st.sampled_from([v for v in self.alive() if v.node]))
        attempt = int(view.name.rsplit("-", 1)[1])
        words = {
            "as asked": summary(attempt=attempt).to_message(),
            "max duration": summary(
                Outcome.STOPPED, Reason.MAX_DURATION_REACHED, attempt=attempt
            ).to_message(),
            "join refused": failed(Reason.JOIN_REFUSED, attempt=attempt).to_message(),
            "unreachable": failed(Reason.SOURCE_UNREACHABLE, retryable=True, attempt=attempt).to_message(),
            "cut words": summary(attempt=attempt).to_message()[:50],
        }.get(how, "")
        if how != "cut words" and words:
            self.last_words.add(attempt)
        end = ContainerEnd(
            exit_code=0 if words else 137, reason="OOMKilled" if how == "out of memory" else "", message=words
        )
        self.update(
            view.name,
            phase="Succeeded" if words else "Failed",
            reason="Evicted" if how == "evicted" else "",
            ready=False,
            container_end=end,
        )

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def somebody_deletes_the_pod(self, data: st.DataObject) -> None:
        self.delete(data.draw(st.sampled_from(sorted(self.pods))), 120)

    @precondition(lambda self: any(v.node for v in self.alive()))
    @rule(data=st.data(), answers=st.booleans())
    def cluster_gives_the_node_up(self, data: st.DataObject, answers: bool) -> None:  # noqa: FBT001 - drawn
        view = data.draw(st.sampled_from([v for v in self.alive() if v.node]))
        self.update(view.name, disruption="DeletionByTaintManager", ready=False)
        self.delete(view.name, 120)
        if not answers:
            self.silent.add(view.name)

    @precondition(lambda self: self.task.status.pod_name in self.pods and self.task.status.pod_uid)
    @rule()
    def somebody_forces_the_pod_away(self) -> None:
        del self.pods[str(self.task.status.pod_name)]

    # What must hold.

    @invariant()
    def states_only_go_forward(self) -> None:
        rank = RANK[self.task.status.state]
        assert rank >= self.highest
        self.highest = rank

    @invariant()
    def an_end_is_never_changed(self) -> None:
        status = self.task.status
        if self.end is not None:
            assert (status.state, status.reason) == self.end
        elif status.state.terminal:
            self.end = (status.state, status.reason)

    @invariant()
    def a_verdict_is_carried_out_after_one_try_to_close_the_lists(self) -> None:
        status = self.task.status
        assert len(self.closers) <= 1
        if self.verdict is None:
            self.verdict = status.verdict
        elif status.state.terminal:
            assert (status.state, status.reason) == (self.verdict.state, self.verdict.reason)
        else:
            assert status.verdict == self.verdict

    @invariant()
    def a_task_that_recorded_ends_with_closed_lists_or_after_a_try(self) -> None:
        status = self.task.status
        if not status.state.terminal or status.started_at is None:
            return
        uploaded = status.condition(ConditionType.UPLOADED)
        assert uploaded is not None
        tried = self.verdict is not None or status.attempt in self.last_words
        assert uploaded.status is ConditionStatus.TRUE or tried

    @invariant()
    def a_recorder_is_told_to_stop_only_when_the_user_wants_it(self) -> None:
        assert self.task.spec.stop or not any(view.told_to_stop for view in self.pods.values())

    @invariant()
    def at_most_one_pod_records(self) -> None:
        # One whose node is lost can't be seen to have ended: the manifest fences it off.
        recording = [v for v in self.alive() if v.node and not v.deleting]
        assert len(recording) <= 1

    def teardown(self) -> None:
        """Left to itself with a stop, every task ends, and no Pod is held."""
        self.user_stops()
        for _ in range(12):
            self.look()
            self.now += timedelta(seconds=200)
            for view in list(self.pods.values()):
                if (view.deleting or view.told_to_stop) and view.node and not view.finished:
                    self.update(view.name, phase="Failed")
        assert self.task.status.state.terminal
        assert not self.pods


TestTaskLife = TaskLife.TestCase
TestTaskLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
