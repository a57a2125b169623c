"""How often a capture may die before the recorder gives up. Pure."""

from collections import deque


class RestartLimit:
    """At most `limit` restarts within any `window` seconds."""

    def __init__(self, *, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._at: deque[float] = deque()

    def allow(self, *, now: float) -> bool:
        """Count a restart; False when it is one too many."""
        while self._at and now - self._at[0] >= self._window:
            self._at.popleft()
        if len(self._at) >= self._limit:
            return False
        self._at.append(now)
        return True
