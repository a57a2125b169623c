"""A token bucket: so many a second on average, and a few at once after a quiet time. Pure: the clock is passed in."""


class Bucket:
    """Tokens that come back with time; a rate of 0 is no limit."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._since: float | None = None

    def take(self, now: float) -> bool:
        """Take a token if there is one.

        Args:
            now: seconds of a clock that never goes back.
        """
        if not self._per_second:
            return True
        self._fill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def seconds_to_next(self, now: float) -> float:
        """Return in how many seconds there will be a token."""
        if not self._per_second:
            return 0.0
        self._fill(now)
        return max((1 - self._tokens) / self._per_second, 0.0)

    def _fill(self, now: float) -> None:
        if self._since is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._since) * self._per_second)
        self._since = now
