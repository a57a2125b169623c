"""Why a recording ends: decided once, carried to the manifest and to the termination message."""

from dataclasses import dataclass
from datetime import datetime

from egress_api.manifest import End
from egress_api.results import Outcome
from egress_api.states import Reason, State
from egress_api.status import Verdict
from egress_recorder.errors import FencedError, RecorderError


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an attempt."""

    outcome: Outcome
    reason: Reason
    message: str
    retryable: bool = False
    fenced: bool = False
    """A later attempt owns the recording: nothing may be written any more."""

    @classmethod
    def stopped(cls, reason: Reason, message: str) -> "Ending":
        """Return the end of a recording that did what it was there for."""
        return cls(Outcome.STOPPED, reason, message)

    @classmethod
    def failed(cls, reason: Reason, message: str, *, retryable: bool) -> "Ending":
        """Return the end of a recording that something went wrong with."""
        return cls(Outcome.FAILED, reason, message, retryable=retryable)

    @classmethod
    def of_error(cls, error: RecorderError) -> "Ending":
        """Return the end that an error means."""
        return cls(
            Outcome.FAILED,
            error.reason,
            str(error),
            retryable=error.retryable,
            fenced=isinstance(error, FencedError),
        )


def end_of(ending: Ending, *, verdict: Verdict | None, now: datetime) -> End:
    """Return how the task ends, for the manifest: who only closes it has been told what became of the recording."""
    if verdict is not None:
        return End(state=verdict.state, reason=verdict.reason, message=verdict.message, at=now)
    state = State.STOPPED if ending.outcome is Outcome.STOPPED else State.FAILED
    return End(state=state, reason=ending.reason, message=ending.message, at=now)
