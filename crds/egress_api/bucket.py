"""A token bucket: so many a second on average, and a few at once after a quiet time. Pure: the clock is passed in.

It is one number, the moment at which it is full again (known as GCRA): one that has been forgotten is a full one.
"""

from typing import Final

_ROUNDING: Final = 1e-9
"""Seconds that floating point adds up to."""


class Bucket:
    """Tokens that come back with time.

    Args:
        per_second: how many; 0 is no limit.
        burst: how many a full bucket holds.
    """

    __slots__ = ("_burst", "_full_at", "_per_second")

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._full_at = float("-inf")

    def take(self, now: float) -> float:
        """Take a token and return 0; or return the seconds until there is one, and take none.

        Args:
            now: seconds of a clock that never goes back.
        """
        if not self._per_second:
            return 0.0
        full_at = max(self._full_at, now) + 1 / self._per_second
        missing = full_at - now - self._burst / self._per_second
        if missing > _ROUNDING:
            return missing
        self._full_at = full_at
        return 0.0
