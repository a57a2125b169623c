"""Why a recording ends: decided once, carried to the manifest and to the termination message."""

from dataclasses import dataclass

from egress_api.results import Outcome
from egress_api.states import Reason
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
