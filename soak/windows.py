"""A long recording, looked at through windows: decoding all of its sound at once would take gigabytes.

In: a recording's folder. Out: for each window, how far sound and picture are apart and how far the playlist's clock is
from the clock in the picture; and how both change over the hours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from support.recording import Recording, av_offsets, strips
from support.recording_playlist import Playlist


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some seconds of a recording."""

    at: float
    """Seconds from the recording's first picture to the window's."""
    offsets: dict[str, float]
    """By how much each person's sound is behind their picture, in seconds: the median."""
    latencies: dict[str, float]
    """By how much the playlist's clock is behind the one in each person's picture, in seconds: the median."""

    @property
    def worst_offset(self) -> float:
        """The largest distance of sound and picture."""
        return max((abs(offset) for offset in self.offsets.values()), default=float("nan"))


def windows(recording: Recording, *, people: Sequence[Any], every: float, seconds: float) -> Iterator[Window]:
    """Look at `seconds` of the recording each `every` seconds."""
    entries = recording.playlist.entries
    starts = np.concatenate([[0.0], np.cumsum([entry.seconds for entry in entries])])
    due = 0.0
    for first in range(len(entries)):
        last = int(np.searchsorted(starts, starts[first] + seconds))
        if starts[first] < due or last >= len(starts):
            continue
        due = starts[first] + every
        part = cut(recording, first, last)
        offsets = av_offsets(part, people=people)
        seen = strips(part, people=people)
        yield Window(
            at=float(starts[first]),
            offsets={name: found.median for name, found in offsets.items() if len(found.each)},
            latencies={name: strip.latency for name, strip in seen.items() if strip.readable},
        )


def cut(recording: Recording, first: int, last: int) -> Recording:
    """Give segments `first` to `last`, the last one excluded, as a recording of their own."""
    part = Recording(recording.folder, recording.playlist_path)
    entries = recording.playlist.entries[first:last]
    part.playlist = Playlist(text="", tags=(), entries=entries)
    return part


def slope(pairs: Sequence[tuple[float, float]]) -> float:
    """Return by how much something changes in a second, as the straight line through all pairs says."""
    if len(pairs) < 2:
        return float("nan")
    times, values = zip(*pairs, strict=True)
    return float(np.polyfit(times, values, 1)[0])


def slopes(found: Sequence[Window], what: str) -> dict[str, float]:
    """Return each person's slope of `offsets` or `latencies`."""
    names = {name for window in found for name in getattr(window, what)}
    return {
        name: slope([(w.at, getattr(w, what)[name]) for w in found if name in getattr(w, what)])
        for name in sorted(names)
    }
