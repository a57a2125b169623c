"""How a running recorder is ended as the user asked. Pure.

In: a `Look` at a task whose stop is asked for and whose Pod runs. Out: a `Decision`. A Pod is deleted at once, and
its grace period is time enough, unless its uploads fail: then the recorder is told to end and is left alone until
everything is stored, for its spool goes with its Pod. What it was told stands on the Pod.
"""

from typing import Final

from egress_api.results import LiveReport, RecorderPhase
from egress_api.states import ConditionType, Reason, State
from egress_operator.decision import Decision, TellPod
from egress_operator.look import Look
from egress_operator.pod_state import PodView
from egress_operator.sentences import stopping_sentence, store_trouble

UNANSWERED_SECONDS: Final = 60.0
"""A recorder that has not answered for so long is not left alone any longer."""
HEEDING_SECONDS: Final = 30.0
"""Within which one that was told has begun to end: a kubelet needs less than one, and a minute at worst only where
it has missed the change."""
_CHECK_SECONDS: Final = 10.0
_STILL_RECORDS: Final = frozenset({RecorderPhase.STARTING, RecorderPhase.RECORDING})


def stop_recorder(look: Look, pod: PodView, *, live: LiveReport | None) -> Decision:
    """End a recorder.

    Args:
        look: at the task.
        pod: the recorder's; it has not ended.
        live: the recorder's report, if it has sent one.
    """
    stays = not pod.deleting and (pod.told_to_stop or _is_worth_waiting_for(look, pod))
    if not stays or _does_not_heed(look, pod, live):
        message = "the recorder is ending the recording and uploading the rest"
        look.draft.state(State.STOPPING, Reason.STOPPING, message)
        look.delete(pod)
        return look.wait(look.look_again(pod))
    look.draft.state(State.STOPPING, Reason.STOPPING, stopping_sentence(look.status))
    if not pod.told_to_stop:
        look.actions.append(TellPod(pod=pod, stop_since=look.now))
    return look.wait(_CHECK_SECONDS)


def _is_worth_waiting_for(look: Look, pod: PodView) -> bool:
    # The condition, not the report: an operator that has just started has none yet.
    return (
        pod.can_be_told_to_stop
        and look.draft.holds(ConditionType.RECORDING)
        and bool(store_trouble(look.status))
    )


def _does_not_heed(look: Look, pod: PodView, live: LiveReport | None) -> bool:
    silent, since = look.facts.silent_seconds, pod.told_to_stop_at
    if silent is not None and silent >= UNANSWERED_SECONDS:
        return True
    if live is None or since is None or live.phase not in _STILL_RECORDS:
        return False
    return (look.now - since).total_seconds() >= HEEDING_SECONDS
