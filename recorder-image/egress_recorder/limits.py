"""How often and for how long a capture may fail before the recorder gives up. Pure."""

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

    @property
    def within_window(self) -> int:
        """Restarts that count at the moment."""
        return len(self._at)


class Patience:
    """How long a fault may last that is nobody's doing here."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self.tries = 0
        """Failures since it last worked."""

    def lasts(self, *, now: float) -> bool:
        """Count a failure; False when it has gone on for too long."""
        self.tries += 1
        if self._since is None:
            self._since = now
        return now - self._since < self._seconds

    def worked(self) -> None:
        """Start over: it works again."""
        self._since, self.tries = None, 0
