"""How evenly a recording shows a page that is drawn anew with each of its display's frames, and how well it is heard.

In: the instants that the page's strip tells, frame by frame. Out: `Pace`: how many frames came twice, how many never
came; `Offsets`: sound against picture. A frame may be a little early or late without being either: recorder and display
have clocks of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from support.publishers import Person
from support.recording_hearing import Offsets, beeps
from support.recording_picture import MODULUS, NO_STAMP
from support.web_pages import PAGE, STATES

if TYPE_CHECKING:
    from support.recording import Recording

SAME_MS = 2
AROUND_SECONDS = 0.5
EARLY_SHARE = 0.25
"""Of a frame's time: with a display's 60 to a recording's 30, steps of 17, 33 and 50 ms skip nothing, 67 ms one."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How frames follow one another."""

    frames: int
    """That could be read."""
    repeated: int
    """That show the same instant as the one before them."""
    skipped: int
    """That are missing between two, by the time that went by."""
    backwards: int
    worst_ms: float
    """The longest step."""

    @property
    def repeated_share(self) -> float:
        """Of the frames there should be."""
        return self.repeated / max(1, self.frames)

    @property
    def skipped_share(self) -> float:
        """Of the frames there should be."""
        return self.skipped / max(1, self.frames + self.skipped)


def pace(recording: "Recording", *, rate: float, since: float = 0.0) -> Pace:
    """Judge the page's frames from media second `since` on; what a discontinuity leaves out is no skip."""
    watched = recording.watch(STATES)
    counts = [len(part.segment.video.pts) for part in recording.parts]
    stretches = np.repeat([part.stretch for part in recording.parts], counts)[: len(watched.times)]
    judged = watched.times >= since
    return of_stamps(watched.people[PAGE.identity].stamps[judged], stretches[judged], rate=rate)


def of_stamps(stamps: npt.NDArray[np.int64], stretches: npt.NDArray[Any], *, rate: float) -> Pace:
    """Judge instants, in milliseconds, one a frame."""
    read = stamps != NO_STAMP
    neighbours = read[1:] & read[:-1] & (stretches[1:] == stretches[:-1])
    steps = ((np.diff(stamps) + MODULUS // 2) % MODULUS - MODULUS // 2)[neighbours]
    frame_ms = 1000 / rate
    missing = np.floor(steps / frame_ms + EARLY_SHARE).astype(int) - 1
    return Pace(
        frames=int(read.sum()),
        repeated=int((np.abs(steps) <= SAME_MS).sum()),
        skipped=int(np.maximum(missing, 0).sum()),
        backwards=int((steps < -SAME_MS).sum()),
        worst_ms=float(steps.max(initial=0)),
    )


def sound_offsets(
    recording: "Recording", *, person: Person = PAGE, people: Sequence[Person] = STATES
) -> Offsets:
    """Return by how much each beep is later than the pictures around it.

    A flash comes with the first frame after a whole second, up to a frame too late; what the strips of all frames
    around a beep say is exact.
    """
    watched = recording.watch(people)
    stamps = watched.people[person.identity].stamps
    read = stamps != NO_STAMP
    times, walls = watched.times[read], np.round(watched.walls[read] * 1000).astype(np.int64)
    apart = (walls - stamps[read] + MODULUS // 2) % MODULUS - MODULUS // 2
    late = times - (walls - apart) / 1000
    each, at = [], []
    for beep in beeps(recording, people=[person])[person.identity]:
        around = np.abs(times - beep) < AROUND_SECONDS
        if around.any():
            instant = beep - float(late[around].mean())
            each.append(instant - round(instant))
            at.append(beep)
    return Offsets(each=np.array(each), at=np.array(at))


def first_and_last(recording: "Recording") -> tuple[int, int]:
    """Give the instants (unix ms modulo 2**32) of the first and the last frame of the page that can be read."""
    stamps = recording.watch(STATES).people[PAGE.identity].stamps
    read = stamps[stamps != NO_STAMP]
    assert len(read), "the page is not to be seen in the recording"
    return int(read[0]), int(read[-1])


def since(stamp: int, moment_ms: float) -> float:
    """Give the seconds from a page's moment (unix ms) to a strip's instant; negative: the instant was before."""
    apart: int = (stamp - round(moment_ms) + MODULUS // 2) % MODULUS - MODULUS // 2
    return apart / 1000
