"""Questions about the picture: who is visible at a moment, when do the flashes come, does time go on.

In: a `Recording` and people. Out: small answers made from `recording.watch(people)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from support import demo
from support.recording_media import Floats
from support.recording_picture import MODULUS, NO_STAMP, Box, Sightings

if TYPE_CHECKING:
    from support.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Strip:
    """What a person's timecode strip says over the whole recording."""

    readable: float
    """Share of the frames with the person in them whose strip could be read."""
    backwards: int
    """How many times the picture went back in time."""
    longest_freeze: float
    """Seconds for which the same picture stood, at most, while the person was visible."""
    latency: float
    """Median seconds from the picture's own instant to the wall clock that the playlist gives it."""
    latency_spread: float
    """Between the 5th and the 95th percentile of that, seconds."""


def visible_users(recording: "Recording", *, at: float, people: Sequence[Any]) -> dict[str, Box]:
    """Return who is to be seen at media second `at`, each with the rectangle of their picture."""
    watched = recording.watch(people)
    recording.part_at(at)
    frame = int(np.searchsorted(watched.times, at + 1e-6, side="right")) - 1
    return {
        identity: sightings.box(max(frame, 0))
        for identity, sightings in watched.people.items()
        if sightings.seen[max(frame, 0)]
    }


def flashes(recording: "Recording", *, people: Sequence[Any]) -> dict[str, Floats]:
    """Return the media seconds at which each person's picture turns bright."""
    watched = recording.watch(people)
    names = demo.publisher()
    bright = (names.GREY + names.WHITE) / 2
    found = {}
    for identity, sightings in watched.people.items():
        lit = sightings.flash > bright
        # a flash counts where the frame before it was seen and dark: else its beginning was missed
        begins = lit[1:] & ~lit[:-1] & sightings.seen[:-1]
        found[identity] = watched.times[1:][begins]
    return found


def strips(recording: "Recording", *, people: Sequence[Any]) -> dict[str, Strip]:
    """Return what each visible person's strip tells; who is never seen is left out."""
    watched = recording.watch(people)
    return {
        identity: _strip(sightings, watched.times, watched.walls)
        for identity, sightings in watched.people.items()
        if sightings.seen.any()
    }


def _strip(sightings: Sightings, times: Floats, walls: Floats) -> Strip:
    read = sightings.stamps != NO_STAMP
    stamps, when = sightings.stamps[read], times[read]
    if not read.any():
        nan = float("nan")
        return Strip(readable=0, backwards=0, longest_freeze=nan, latency=nan, latency_spread=nan)
    steps = _signed(np.diff(stamps))
    late = _signed(np.round(walls[read] * 1000).astype(np.int64) - stamps) / 1000
    low, middle, high = (float(value) for value in np.percentile(late, [5, 50, 95]))
    return Strip(
        readable=float(read.sum() / sightings.seen.sum()),
        backwards=int((steps < 0).sum()),
        longest_freeze=_longest_freeze(stamps, when, np.flatnonzero(read)),
        latency=middle,
        latency_spread=high - low,
    )


def _longest_freeze(stamps: Any, when: Floats, frames: Any) -> float:
    longest, since = 0.0, 0
    for place in range(1, len(stamps)):
        # a frame between the two in which the person was not to be read breaks the freeze off
        if stamps[place] != stamps[since] or frames[place] - frames[place - 1] > 1:
            since = place
        longest = max(longest, float(when[place] - when[since]))
    return longest


def _signed(milliseconds: Any) -> Any:
    """Take differences of instants modulo 2**32 to the nearest around 0."""
    return (milliseconds + MODULUS // 2) % MODULUS - MODULUS // 2
