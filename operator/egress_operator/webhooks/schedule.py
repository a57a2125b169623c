"""When an event is sent again, and when it is given up. Pure.

The pauses are those of the Standard Webhooks specification. Jitter lengthens them, so that what failed together is
not tried together for ever.
"""

from datetime import datetime, timedelta
from typing import Final

_MINUTE, _HOUR = 60, 3600
PAUSES: Final = (
    5,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""Seconds after each failed try; the first one is made at once. With the last, ten tries."""
JITTER: Final = 0.1
LONGEST_SECONDS: Final = 4 * 24 * _HOUR
"""After it happened, an event is not sent any more: those that queue behind one that nobody takes must end, too."""
LONGEST_ASKED_SECONDS: Final = 24 * _HOUR
"""Of a Retry-After, no more is heeded."""
WRITTEN_FROM_SECONDS: Final = 60
"""A pause this long is written to the status, for a restart to find it; a shorter one is not worth a write."""


def pause_after(attempts: int, *, asked_seconds: float | None, chance: float) -> float | None:
    """Return the seconds until the next try; None after the last.

    Args:
        attempts: tries that have failed, this one included.
        asked_seconds: what the receiver asked for (Retry-After); it only lengthens a pause.
        chance: 0 to 1, for the jitter.
    """
    if attempts > len(PAUSES):
        return None
    pause = PAUSES[attempts - 1] * (1 + JITTER * chance)
    return max(pause, min(asked_seconds or 0, LONGEST_ASKED_SECONDS))


def expires(happened_at: datetime) -> datetime:
    """Return when an event is given up, whatever the pauses say."""
    return happened_at + timedelta(seconds=LONGEST_SECONDS)
