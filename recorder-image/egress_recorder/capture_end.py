"""What the end of a capture means that nobody asked for: the recording's end, or another capture.

In: its exit code, its last word, how it hung. Out: an `Ending`, or `Broken`. Pure.
"""

from dataclasses import dataclass
from typing import Final

from egress_api.states import GapReason, Reason
from egress_recorder.capture.errors import EndReason
from egress_recorder.capture.events import Ended
from egress_recorder.ending import Ending

_AS_WANTED: Final = frozenset({EndReason.SOURCE_CLOSED, EndReason.PAGE_ENDED})
_FOR_GOOD: Final = frozenset(
    {
        EndReason.JOIN_REFUSED,
        EndReason.IDENTITY_TAKEN,
        EndReason.PAGE_FORBIDDEN,
        EndReason.PAGE_INSECURE,
        EndReason.PAGE_HTTP_ERROR,
        EndReason.PAGE_NOT_READY,
        EndReason.PAGE_CRASHED,
        EndReason.SANDBOX_UNAVAILABLE,
    }
)
MAY_COME_BACK: Final = frozenset({EndReason.SOURCE_UNREACHABLE, EndReason.PAGE_UNREACHABLE})
"""A source that could not be joined, or was lost: worth waiting for if it was there before."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A capture ended without a reason to end the recording."""

    reason: EndReason
    message: str

    @property
    def gap_reason(self) -> GapReason:
        """Why time will be missing behind it."""
        if self.reason in MAY_COME_BACK:
            return GapReason.SOURCE_LOST
        return GapReason.SPOOL_FULL if self.reason is EndReason.DISK_FULL else GapReason.CAPTURE_RESTARTED


def meaning_of(
    code: int, *, last_word: Ended | None, hung: str | None, by_predecessor: bool = False
) -> Ending | Broken:
    """Decide what it means.

    Args:
        code: the exit code, negative for a signal.
        last_word: its `ended` event, if it still said one.
        hung: what it failed to do, if it was killed for that.
        by_predecessor: whether it may be our own predecessor that has the identity: its node was cut off and is back,
            and it joins anew, for the last time: it finds its manifest taken.
    """
    reason = EndReason(last_word.reason) if last_word else _reason_of_exit(code)
    message = last_word.message if last_word else _words_of_exit(code, hung)
    if reason in _AS_WANTED:
        return Ending.stopped(Reason(reason), message)
    if reason in _FOR_GOOD and not (by_predecessor and reason is EndReason.IDENTITY_TAKEN):
        return Ending.failed(Reason(reason), message, retryable=False)
    return Broken(reason, message)


def _reason_of_exit(code: int) -> EndReason:
    """Return what an exit code says where there was no last word; a signal or a surprise is a crash."""
    return next((reason for reason in EndReason if reason.exit_code == code), EndReason.PIPELINE_ERROR)


def _words_of_exit(code: int, hung: str | None) -> str:
    if hung:
        return f"The capture hung: {hung}."
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"The capture died without a word ({how})."
