"""One look at a task: what is known, what has been decided so far, and the ways to be done with it.

In: task, Pod, clock, settings and facts. Out: a `Decision`. Shared by decide.py (states) and endings.py (ends);
no opinion of its own on what should happen. Pure.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from egress_api.states import ConditionStatus, ConditionType, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask
from egress_operator.decision import Action, Decision, DeletePod, Facts, ReleasePod
from egress_operator.draft import Draft
from egress_operator.pod_state import LOST_AFTER_SECONDS, PodView
from egress_operator.settings import Settings

NAME_RETRY_SECONDS: Final = 2
REFUSED_RETRY_SECONDS: Final = 10
_GIVEN_UP_SECONDS: Final = 1.0
"""Between two looks at a Pod whose node may be gone: its next attempt waits for nothing else."""


def seconds_to_timeout(created: datetime, *, limit: float, now: datetime) -> float:
    """Return the seconds in which a task must have begun to record; negative when they are over.

    Args:
        created: when it was made.
        limit: its enqueueTimeoutSeconds.
        now: the clock.
    """
    return limit - (now - created).total_seconds()


@dataclass(kw_only=True)
class Look:
    """What is known of a task, and what has been decided so far."""

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
        """The status as it is to be written."""
        return self.draft.status

    def ours(self, pod: PodView) -> bool:
        """Return whether a Pod is this task's, not only named like one of its."""
        return pod.owner_uid == self.task.metadata.uid

    def over(self, pod: PodView) -> bool:
        """Return whether this Pod will never record (again)."""
        return pod.ended(self.now, silent_seconds=self.facts.silent_seconds)

    # Ways to return.

    def wait(self, seconds: float | None) -> Decision:
        """Look again after so many seconds; None when something happens."""
        after = None if seconds is None else max(seconds, 0.0)
        return Decision(status=self.status, actions=tuple(self.actions), requeue_after=after)

    def end(self, state: State, reason: str, message: str, *, uploaded: bool = False) -> Decision:
        """End the task and let its Pods go."""
        self.draft.finish(state, reason, message, uploaded=uploaded)
        self.let_go(self.pod)
        self.let_go(self.facts.previous)
        return self.wait(None)

    # What is done with Pods.

    def note_pod(self, pod: PodView) -> None:
        """Write down which Pod works for the task now, and where."""
        self.draft.set(
            pod_name=pod.name, pod_uid=pod.uid, pod_phase=pod.phase, node_name=pod.node, retry_at=None
        )
        if pod.scheduled or pod.node is not None:
            self.draft.condition(ConditionType.POD_SCHEDULED, ConditionStatus.TRUE, "Scheduled")

    def delete(self, pod: PodView) -> None:
        """Have a Pod's recorder end in order, if nobody has asked for that yet."""
        if not pod.deleting:
            self.actions.append(DeletePod(pod=pod, grace_seconds=self.settings.recorder.grace_seconds))

    def let_go(self, pod: PodView | None) -> None:
        """Release a Pod whose end is in the status, then have it gone."""
        if pod is None or not self.ours(pod):
            return
        if pod.held:
            self.actions.append(ReleasePod(pod=pod))
        self.delete(pod)

    def clear_name(self, pod: PodView) -> bool:
        """Have a Pod go that an earlier task of the same name left; False when it is somebody else's own."""
        if not (pod.deleting or pod.held or pod.owner_uid is not None):
            return False
        self.delete(pod)
        if pod.held and self.over(pod):
            self.actions.append(ReleasePod(pod=pod))
        return True

    # How much time is left.

    def enqueue_seconds_left(self) -> float:
        """Return the seconds in which it must have begun to record."""
        limit = self.task.spec.limits.enqueue_timeout_seconds
        return seconds_to_timeout(self.task.metadata.creation_timestamp, limit=limit, now=self.now)

    def seconds_to_deadline(self) -> float:
        """Return the seconds for which a recorder may still be waited for."""
        started = self.status.started_at
        if started is None:
            return self.enqueue_seconds_left()
        return self.task.spec.limits.max_duration_seconds - (self.now - started).total_seconds()

    def look_again(self, pod: PodView) -> float | None:
        """Return the seconds to the next look at a Pod that runs: only an end that is never told needs one."""
        if pod.deleted_at is None:
            return None
        lost_at = pod.deleted_at + timedelta(seconds=LOST_AFTER_SECONDS)
        wait = max((lost_at - self.now).total_seconds(), 0.5)
        return min(wait, _GIVEN_UP_SECONDS) if pod.given_up else wait
