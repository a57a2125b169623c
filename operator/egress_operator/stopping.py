"""How a running recorder is ended as the user asked. Pure.

In: a `Look` at a task whose stop is asked for and whose Pod runs. Out: a `Decision`. A recorder that records is told to
end and left alone until everything is stored: a deleted Pod has its grace period and no more, its spool goes with it, and
whether the store will answer for so long nobody knows. What it was told stands on the Pod. One that has not joined yet,
can't be told or doesn't heed is deleted.
"""

from typing import Final

from egress_api.results import LiveReport, RecorderPhase
from egress_api.states import ConditionType, Reason, State
from egress_operator.decision import Decision, TellPod
from egress_operator.look import Look
from egress_operator.pod_state import PodView
from egress_operator.sentences import ENDING, stopping_sentence

UNANSWERED_SECONDS: Final = 60.0
"""A recorder that has not answered for so long is not left alone any longer."""
HEEDING_SECONDS: Final = 30.0
"""Within which one that was told has begun to end: a kubelet needs less than one, and a minute at worst only where
it has missed the change."""
TELL_SECONDS: Final = 1.0
"""A recorder that ends within it goes from PROCESSING to its end: the wish stands in `spec.stop`, that it was passed on
stands on the Pod, and over REST the task says STOPPING from the stop's answer on."""
_CHECK_SECONDS: Final = 10.0
_STILL_RECORDS: Final = frozenset({RecorderPhase.STARTING, RecorderPhase.RECORDING})


def stop_recorder(look: Look, pod: PodView, *, live: LiveReport | None) -> Decision:
    """End a recorder.

    Args:
        look: at the task.
        pod: the recorder's; it has not ended.
        live: the recorder's report, if it has sent one.
    """
    records = pod.can_be_told_to_stop and look.draft.holds(ConditionType.RECORDING)
    stays = not pod.deleting and (pod.told_to_stop or records)
    if not stays or _does_not_heed(look, pod, live):
        look.draft.state(State.STOPPING, Reason.STOPPING, ENDING)
        look.delete(pod)
        return look.wait(look.look_again(pod))
    if not pod.told_to_stop:
        look.actions.append(TellPod(pod=pod, stop_since=look.now))
    left = _seconds_to_tell(look, pod)
    if left > 0:
        # Whatever else is news is written with the end, or with STOPPING.
        return Decision(status=look.task.status, actions=tuple(look.actions), requeue_after=left)
    look.draft.state(State.STOPPING, Reason.STOPPING, stopping_sentence(look.status))
    return look.wait(_CHECK_SECONDS)


def _seconds_to_tell(look: Look, pod: PodView) -> float:
    """Return for how long STOPPING is not written yet: one that ends at once is not written down twice."""
    if look.task.status.state is not State.PROCESSING:
        return 0.0
    if not pod.told_to_stop:
        return TELL_SECONDS
    if pod.told_to_stop_at is None:
        return 0.0
    told = (look.now - pod.told_to_stop_at).total_seconds()
    # A clock that was put back would make it longer.
    return TELL_SECONDS - told if told >= 0 else 0.0


def _does_not_heed(look: Look, pod: PodView, live: LiveReport | None) -> bool:
    silent, since = look.facts.silent_seconds, pod.told_to_stop_at
    if silent:  # what it said last may have been said before
        return silent >= UNANSWERED_SECONDS
    if live is None or since is None or live.phase not in _STILL_RECORDS:
        return False
    return (look.now - since).total_seconds() >= HEEDING_SECONDS
