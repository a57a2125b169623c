"""What goes into a decision beside task and Pod, and what comes out of it: plain frozen data.

decide.py makes decisions, reconciler.py carries them out; this is all they share.
"""

from dataclasses import dataclass
from datetime import datetime

from egress_api.media import Layout
from egress_api.results import LiveReport
from egress_api.states import Reason
from egress_api.status import EgressTaskStatus
from egress_operator.pod_state import Blocked, PodView


@dataclass(frozen=True, kw_only=True)
class CreatePod:
    """Create the Pod of this attempt."""

    attempt: int
    finish_only: bool = False
    """It is to close what earlier attempts left, and to record nothing."""


@dataclass(frozen=True, kw_only=True)
class TellPod:
    """Write on this Pod what its recorder is to do: the kubelet hands it on. None changes nothing."""

    pod: PodView
    paused: bool | None = None
    """Whether to leave out what comes."""
    users: tuple[str, ...] | None = None
    """Whom to record; empty is everyone."""
    layout: Layout | None = None
    """How to lay the channel out."""
    stop_since: datetime | None = None
    """Now: it is to end, and to stay until everything is stored."""


@dataclass(frozen=True, kw_only=True)
class ReleasePod:
    """Take our finalizer off this Pod: its end stands in the status."""

    pod: PodView


@dataclass(frozen=True, kw_only=True)
class DeletePod:
    """Delete this Pod with its grace period: SIGTERM, the recorder ends properly."""

    pod: PodView
    grace_seconds: int


@dataclass(frozen=True, kw_only=True)
class DeleteTask:
    """Delete the task itself: it has been finished for long enough."""


Action = CreatePod | TellPod | ReleasePod | DeletePod | DeleteTask


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The API server did not let a Pod be created."""

    reason: Reason
    message: str
    passes: bool
    """Whether the same Pod may be taken later, with nothing changed on the task."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whether a task without an attempt may begin; with `news`, also where it stands."""

    granted: bool
    news: bool = False
    """It is to be told where it stands: it has begun to wait, or the time has come to renew what it was told."""
    reason: Reason = Reason.QUEUE_FULL
    """Which limit it waits for."""
    position: int = 1
    of: int = 1
    places: int = 0
    """Taken, of those that the limit is on."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be written, then done, and when to look again (None: when something happens)."""

    status: EgressTaskStatus
    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None
    nothing_left: bool = False
    """The task is being deleted and nothing of it runs: whatever keeps it, it needs no place."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known beside task and Pod; all of it may be missing."""

    previous: PodView | None = None
    """Pod of the attempt before, where it still exists: an operator that died may not have released it."""
    live: LiveReport | None = None
    silent_seconds: float | None = None
    """For how long the recorder has been asked in vain; None where nobody has asked it lately."""
    backlog_lasts: bool = False
    """Whether more has waited for the store, for a while, than does in any recording."""
    mount_problem: Blocked | None = None
    refusal: Refusal | None = None
    turn: Turn | None = None
    """Of a task without an attempt, where the operator limits how many may run; None is no limit."""
