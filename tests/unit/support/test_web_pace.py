"""What counts as a frame that came twice or never came."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support import publishers, web_pace
from support.recording import load
from support.recording_picture import NO_STAMP

DISPLAY = 1000 / 60
BEGAN = 3_000_000_000


def judged(shown: list[int], *, cut_at: int | None = None, lost: int | None = None) -> web_pace.Pace:
    """Judge a recording at 30 frames a second that shows these frames of a display."""
    stamps = np.array([round(BEGAN + number * DISPLAY) for number in shown], dtype=np.int64)
    if lost is not None:
        stamps[lost] = NO_STAMP
    stretches = np.array([0 if cut_at is None or place < cut_at else 1 for place in range(len(shown))])
    return web_pace.of_stamps(stamps, stretches, rate=30)


def test_an_even_pace_has_no_fault() -> None:
    found = judged(list(range(0, 120, 2)))
    assert (found.frames, found.repeated, found.skipped, found.backwards) == (60, 0, 0, 0)


def test_a_display_frame_early_or_late_is_neither() -> None:
    found = judged([0, 2, 5, 6, 8, 9, 12])
    assert (found.repeated, found.skipped) == (0, 0)


@pytest.mark.parametrize(
    ("shown", "repeated", "skipped"),
    [([0, 2, 2, 6], 1, 1), ([0, 2, 6, 8], 0, 1), ([0, 2, 12, 14], 0, 4), ([0, 2, 2, 2, 8], 2, 2)],
)
def test_a_stall_is_counted(shown: list[int], repeated: int, skipped: int) -> None:
    found = judged(shown)
    assert (found.repeated, found.skipped) == (repeated, skipped)


def test_what_lies_between_two_stretches_is_not_missing() -> None:
    assert judged([0, 2, 400, 402], cut_at=2).skipped == 0


def test_a_frame_that_can_not_be_read_breaks_the_row() -> None:
    found = judged([0, 2, 4, 6], lost=1)
    assert (found.frames, found.skipped) == (3, 0)


def test_a_picture_that_goes_back_is_told() -> None:
    assert judged([0, 4, 2]).backwards == 1


@pytest.mark.parametrize(
    ("stamp", "moment", "seconds"), [(2**32 - 100, 2**32 * 3 + 150, -0.25), (50, 2**32 - 50, 0.1)]
)
def test_instants_are_compared_around_the_strip_s_end(stamp: int, moment: float, seconds: float) -> None:
    assert web_pace.since(stamp, moment) == pytest.approx(seconds)


@pytest.mark.parametrize("late", [0.0, 0.15, -0.15])
def test_sound_is_held_against_the_strips(recipes: Callable[..., Path], late: float) -> None:
    person = publishers.user("user1", hue=0, tone=440, size="320x180")
    recording = load(recipes(sound_late=late))
    offsets = web_pace.sound_offsets(recording, person=person, people=[person])
    assert len(offsets.each) >= 5
    # a picture is drawn 15 times a second, and shown when it is 17 and again when it is 50 ms old (conftest.py)
    assert offsets.median == pytest.approx(late - 1 / 30, abs=0.01)
