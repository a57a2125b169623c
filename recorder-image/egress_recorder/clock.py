"""Time, passed in: wall clock for what people read, monotonic for every deadline."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the recorder needs to know about time."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
