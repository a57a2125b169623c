"""What the end of a recorder Pod means: a table of rules, tried in order, the first that fits wins.

In: a Pod that has ended (or None when it vanished), its termination summary, the clock. Out: an `End` with
a reason, a sentence, and whose doing it was. What follows from it (again, STOPPED, FAILED) is decide.py's.
The platform's word comes before the recorder's exit code: an evicted Pod also shows exit code 143.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from egress_api.results import Outcome, TerminationSummary
from egress_api.states import Reason
from egress_operator.draft import one_word
from egress_operator.pod_state import PodView

SELF_ENDED: Final = frozenset(
    {
        Reason.MAX_DURATION_REACHED,
        Reason.MAX_BYTES_REACHED,
        Reason.IDLE_TIMEOUT,
        Reason.SOURCE_CLOSED,
        Reason.PAGE_ENDED,
    }
)
"""What a recorder ends for by itself, as wanted."""
KILLED: Final = 137
"""Exit code of a process that SIGKILL ended."""
_TAIL: Final = 300


@dataclass(frozen=True, kw_only=True)
class End:
    """Why an attempt ended."""

    reason: str
    message: str
    complete: bool = False
    """The recorder did what it was there for, and by itself."""
    platform: bool = False
    """It was the cluster's doing: nothing is wrong with the task or the recorder."""
    retryable: bool = True
    refused: bool = False
    """Its node did not take it: another one may, or the same one in a moment."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    fits: Callable[[PodView, datetime], bool]
    reason: Reason
    sentence: Callable[[PodView], str]
    platform: bool = True
    refused: bool = False


EXIT_WORDS: Final[dict[int, str]] = {
    126: "its program can't be executed",
    127: "its program was not found in the image",
    132: "it met an instruction that the node's processor does not have",
    134: "it aborted",
    135: "it crashed: a bus error, often a full /dev/shm",
    139: "it crashed: a segmentation fault",
    143: "it was ended by SIGTERM before it was ready for one",
    255: "the node or its container runtime was restarted, or the program gave up at once",
}
"""What an exit code that is none of the recorder's own says; its own are 0 (as it should) and 1 (its summary says why)."""


def exit_sentence(pod: PodView) -> str:
    """Return how the recorder's process ended."""
    end = pod.container_end
    if end is None:
        return pod.message or "the Pod ended and said no more"
    if end.exit_code == KILLED:
        # The end of its log has nothing to do with it.
        return "the recorder was killed (exit code 137) and left no summary"
    words = [word for word in (EXIT_WORDS.get(end.exit_code), end.reason) if word and word != "Error"]
    code = f"{end.exit_code}" + (f" ({', '.join(words)})" if words else "")
    tail = " ".join(end.message.split())[-_TAIL:]
    return f"the recorder ended with exit code {code}" + (f": …{tail}" if tail else " and left no summary")


_REFUSED_BY_NODE: Final = frozenset(
    {
        "UnexpectedAdmissionError",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "TaintToleration",
        "TopologyAffinityError",
        "AppArmor",
        "SysctlForbidden",
        "InvalidNodeInfo",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "PodFeatureUnsupported",
        "SupplementalGroupsPolicyNotSupported",
        "InitContainerRestartPolicyForbidden",
        "VolumeAttachmentLimitExceeded",
        "UnexpectedPredicateFailureType",
        "UnknownReason",
    }
)
_OUT_OF: Final = "OutOf"
"""Followed by what the node has too little of: cpu, memory, pods, ephemeral-storage, or any extended resource."""
_NOT_STARTED: Final = frozenset({"StartError", "ContainerCannotRun"})
_LOST_CONTAINER: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
_WRONG_ARCHITECTURE: Final = "exec format error"


def _container_says(pod: PodView, reasons: frozenset[str]) -> bool:
    return pod.container_end is not None and pod.container_end.reason in reasons


def _words(pod: PodView) -> str:
    return " ".join(pod.container_end.message.split())[-_TAIL:] if pod.container_end is not None else ""


RULES: Final = (
    _Rule(
        name="deleted, and no end was reported in its grace period and a minute",
        fits=lambda pod, now: pod.lost(now),
        reason=Reason.NODE_LOST,
        sentence=lambda pod: f"node {pod.node} has not said what became of the recorder",
    ),
    _Rule(
        name="the node was shut down",
        fits=lambda pod, _: pod.reason in {"NodeShutdown", "Terminated", "Shutdown"},
        reason=Reason.NODE_SHUTDOWN,
        sentence=lambda pod: f"node {pod.node} was shut down",
    ),
    _Rule(
        name="the node was gone or out of reach",
        fits=lambda pod, _: (
            pod.reason == "NodeLost" or pod.disruption in {"DeletionByTaintManager", "DeletionByPodGC"}
        ),
        reason=Reason.NODE_LOST,
        sentence=lambda pod: f"node {pod.node} was lost",
    ),
    _Rule(
        name="preempted, or its quota withdrawn, by Kueue",
        fits=lambda pod, _: pod.deleting and pod.preempted,
        reason=Reason.PREEMPTED,
        sentence=lambda pod: f"Kueue took the Pod's place away: {pod.preemption}",
    ),
    _Rule(
        name="evicted, drained or preempted",
        fits=lambda pod, _: pod.reason in {"Evicted", "Preempting"} or bool(pod.disruption),
        reason=Reason.POD_EVICTED,
        sentence=lambda pod: f"the Pod was evicted from node {pod.node}: {pod.message or pod.disruption}",
    ),
    _Rule(
        name="refused by its node",
        fits=lambda pod, _: pod.reason in _REFUSED_BY_NODE or pod.reason.startswith(_OUT_OF),
        reason=Reason.POD_EVICTED,
        sentence=lambda pod: f"node {pod.node} refused the Pod: {pod.message or pod.reason}",
        refused=True,
    ),
    _Rule(
        name="out of memory",
        fits=lambda pod, _: pod.container_end is not None and pod.container_end.reason == "OOMKilled",
        reason=Reason.OOM_KILLED,
        sentence=lambda _: (
            "the recorder used more memory than its limit (limits.memory of the preset in recorder.presets, or of "
            "recorder.resources, or for a page of recorder.web.resources)"
        ),
        platform=False,
    ),
    _Rule(
        name="ran longer than the Pod's last deadline",
        fits=lambda pod, _: pod.reason == "DeadlineExceeded",
        reason=Reason.RECORDER_FAILED,
        sentence=lambda _: "the recorder did not end at its longest duration and was stopped by its node",
        platform=False,
    ),
    _Rule(
        name="made for another kind of processor",
        fits=lambda pod, _: _WRONG_ARCHITECTURE in _words(pod),
        reason=Reason.CONFIG_ERROR,
        sentence=lambda pod: (
            f"the recorder's image is not made for node {pod.node}'s processor (exec format error): choose nodes that "
            "fit (recorder.nodeSelector) or an image for several"
        ),
        platform=False,
    ),
    _Rule(
        name="its container could not be started",
        fits=lambda pod, _: _container_says(pod, _NOT_STARTED),
        reason=Reason.CONFIG_ERROR,
        sentence=lambda pod: f"node {pod.node} could not start the recorder's container: …{_words(pod)}",
        platform=False,
    ),
    _Rule(
        name="deleted by somebody",
        fits=lambda pod, _: pod.deleting,
        reason=Reason.POD_DELETED,
        sentence=lambda pod: f"Pod {pod.name} was deleted",
    ),
    _Rule(
        name="its node no longer knows how it ended: the node or its container runtime was restarted",
        fits=lambda pod, _: _container_says(pod, _LOST_CONTAINER),
        reason=Reason.NODE_LOST,
        sentence=lambda pod: f"node {pod.node} or its container runtime was restarted and lost the recorder",
    ),
    _Rule(
        name="ended by its node before its container ran, for a reason that is not known here",
        fits=lambda pod, _: pod.finished and pod.container_end is None and bool(pod.reason),
        reason=Reason.POD_EVICTED,
        sentence=lambda pod: (
            f"node {pod.node} refused the Pod ({pod.reason}): {pod.message or 'it said no more'}"
        ),
        refused=True,
    ),
    _Rule(
        name="anything else",
        fits=lambda _, __: True,
        reason=Reason.RECORDER_FAILED,
        sentence=exit_sentence,
        platform=False,
    ),
)


def summary_of(pod: PodView | None, *, attempt: int) -> TerminationSummary | None:
    """Return the recorder's last words, or None where there are none that can be read.

    Args:
        pod: the Pod that ended.
        attempt: the Pod's; a summary of another attempt is foreign text.
    """
    if pod is None or pod.container_end is None:
        return None
    summary = TerminationSummary.from_message(pod.container_end.message)
    return summary if summary is not None and summary.attempt == attempt else None


def classify(pod: PodView | None, summary: TerminationSummary | None, *, now: datetime) -> End:
    """Return why an attempt ended.

    Args:
        pod: the Pod that ended; None when it is gone although our finalizer was to hold it.
        summary: its last words.
        now: the clock.
    """
    if pod is None:
        return End(
            reason=Reason.POD_DELETED,
            message="the Pod was removed by force before its end could be read; the files are as last seen",
            platform=True,
        )
    if summary is not None:
        own = one_word(summary.reason, otherwise=Reason.RECORDER_FAILED)
        if summary.outcome is Outcome.FAILED:
            return End(reason=own, message=summary.message or own, retryable=summary.retryable)
        if own in SELF_ENDED or pod.reason == "DeadlineExceeded":
            reason = own if own in SELF_ENDED else Reason.MAX_DURATION_REACHED
            return End(reason=reason, message=summary.message or reason, complete=True)
    rule = next(rule for rule in RULES if rule.fits(pod, now))
    if summary is not None and not rule.platform:
        # It was told to end, by somebody, and did so properly: a SIGTERM without a trace on the Pod.
        return End(
            reason=Reason.POD_DELETED, message="the recorder was stopped by somebody else", platform=True
        )
    return End(reason=rule.reason, message=rule.sentence(pod), platform=rule.platform, refused=rule.refused)
