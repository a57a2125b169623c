"""From which picture to which nothing is kept.

In: the wish to pause or to go on, at an instant; that there is something to show, from an instant on; every picture's
time, on its way to the encoder. Out: the pictures at which that changes, and whether what begins with a picture is
kept. A wish counts from the first picture that belongs to its instant or a later one, so pictures that are still being
mixed when it comes are not lost. Pure arithmetic: no GStreamer, no clock of its own.
"""

import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Pauses:
    """Keeps account of pauses; wishes come from one thread, pictures from another."""

    paused: bool = False
    """What holds for the newest picture; at first: from the beginning on."""
    empty: bool = False
    """Whether there is nothing to show yet, as of the newest picture: that is not kept either, and is no pause."""
    _filled_from: int | None = None
    _filled_with: int | None = None
    _wishes: deque[tuple[int, bool]] = field(default_factory=deque)
    _changes: list[tuple[int, bool]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wish(self, paused: bool, *, at: int) -> None:  # noqa: FBT001 - that is the wish
        """Pause, or go on, from an instant of CLOCK_MONOTONIC on, in nanoseconds."""
        with self._lock:
            self._wishes.append((at, paused))

    def filled(self, *, at: int) -> None:
        """Say that there is something to show from an instant of CLOCK_MONOTONIC on, in nanoseconds."""
        with self._lock:
            self._filled_from = at if self._filled_from is None else min(at, self._filled_from)

    def changes_with(self, running_time: int, *, base_time: int) -> bool:
        """Say whether what is kept begins or ends with this picture; asked picture by picture.

        Wishes that cancel each other before the next picture comes change nothing.
        """
        with self._lock:
            instant, left_out = base_time + running_time, self._left_out
            while self._wishes and self._wishes[0][0] <= instant:
                _, self.paused = self._wishes.popleft()
            if self._filled_from is not None and self._filled_from <= instant:
                self.empty = False
            if not self.empty and self._filled_with is None:
                self._filled_with = running_time
            first, changed = not self._changes, left_out != self._left_out
            if first or changed:
                self._changes.append((running_time, self._left_out))
            return changed and not first

    def kept(self, running_time: int) -> bool:
        """Say whether what begins with this picture, one of those that were asked about, is kept."""
        with self._lock:
            held = [left_out for since, left_out in self._changes if since <= running_time]
            return not (held[-1] if held else self._left_out)

    def shows(self, running_time: int) -> bool:
        """Say whether this picture, one of those that were asked about, is one that has something to show."""
        with self._lock:
            return self._filled_with is not None and running_time >= self._filled_with

    @property
    def _left_out(self) -> bool:
        return self.paused or self.empty
