"""From which picture to which nothing is kept.

In: the wish to pause or to go on, at an instant; every picture's time, on its way to the encoder. Out: the pictures at
which that changes, and whether what begins with a picture is kept. A wish counts from the first picture that
belongs to its instant or a later one, so pictures that are still being mixed when it comes are not lost.
Pure arithmetic: no GStreamer, no clock of its own.
"""

import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Pauses:
    """Keeps account of pauses; wishes come from one thread, pictures from another."""

    paused: bool = False
    """What holds for the newest picture; at first: from the beginning on."""
    _wishes: deque[tuple[int, bool]] = field(default_factory=deque)
    _changes: list[tuple[int, bool]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wish(self, paused: bool, *, at: int) -> None:  # noqa: FBT001 - that is the wish
        """Pause, or go on, from an instant of CLOCK_MONOTONIC on, in nanoseconds."""
        with self._lock:
            self._wishes.append((at, paused))

    def changes_with(self, running_time: int, *, base_time: int) -> bool:
        """Say whether a pause begins or ends with this picture; asked picture by picture.

        Wishes that cancel each other before the next picture comes change nothing.
        """
        with self._lock:
            wanted = self.paused
            while self._wishes and self._wishes[0][0] <= base_time + running_time:
                _, wanted = self._wishes.popleft()
            first, changed = not self._changes, wanted != self.paused
            if first or changed:
                self._changes.append((running_time, wanted))
            self.paused = wanted
            return changed and not first

    def kept(self, running_time: int) -> bool:
        """Say whether what begins with this picture, one of those that were asked about, is kept."""
        with self._lock:
            held = [paused for since, paused in self._changes if since <= running_time]
            return not (held[-1] if held else self.paused)
