"""Whether a capture still lives, from what it says and when. Pure.

In: its events and the passing of time. Out: a sentence once it hangs. Time is taken in steps, none longer than a
second: a supervisor that was held up itself (a frozen node, a starved container) must not blame its capture.
"""

from dataclasses import dataclass
from typing import Final

from egress_recorder.capture.events import Event, Joined, SegmentClosed, Stats

_LONGEST_STEP: Final = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds until a capture counts as hung."""

    join: float
    """Without having joined."""
    silent: float
    """Without a word: it sends its figures every second once it has joined."""
    still: float
    """Without a new frame."""
    unclosed: float
    """Without a closed segment, pauses not counted."""


class Pulse:
    """What a capture lets us hear of itself.

    Args:
        bounds: how long it may fail to do what.
        now: monotonic seconds.
    """

    def __init__(self, bounds: Bounds, *, now: float) -> None:
        self._bounds = bounds
        self._last = now
        self._joined = False
        self._frames = -1
        self._silent = self._still = self._unclosed = 0.0

    def tick(self, *, now: float, paused: bool) -> None:
        """Take note that time has passed; what came until then is told to `heard` afterwards."""
        step = min(now - self._last, _LONGEST_STEP)
        self._last = now
        self._silent += step
        self._still += step
        self._unclosed = 0.0 if paused else self._unclosed + step

    def heard(self, event: Event) -> None:
        """Take in an event. Before the join only the join is a sign: what waits for ever may talk."""
        match event:
            case Joined():
                self._joined = True
                self._silent = self._still = self._unclosed = 0.0
            case Stats() if event.frames > self._frames:
                self._frames, self._still = event.frames, 0.0
            case SegmentClosed():
                self._unclosed = 0.0
            case _:
                pass
        if self._joined:
            self._silent = 0.0

    def hung(self) -> str | None:
        """Return what it fails to do, None while it lives."""
        bounds = self._bounds
        if not self._joined:
            late = self._silent > bounds.join
            return f"it neither joined nor gave up for {self._silent:.0f} s" if late else None
        if self._silent > bounds.silent:
            return f"it said nothing for {self._silent:.0f} s"
        if self._still > bounds.still:
            return f"it encoded no frame for {self._still:.0f} s"
        if self._unclosed > bounds.unclosed:
            return f"it closed no segment for {self._unclosed:.0f} s"
        return None
