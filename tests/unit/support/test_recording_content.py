"""What the checker sees and hears in a recording whose content is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support import publishers
from support.recording import (
    Recording,
    av_offsets,
    beeps,
    flashes,
    grid,
    load,
    strips,
    summary,
    tones,
    visible_users,
)  # fmt: skip

PEOPLE = [
    publishers.user("user1", hue=0, tone=440, size="320x180"),
    publishers.user("user2", hue=220, tone=880, size="320x180"),
]
STRANGER = publishers.user("stranger", hue=120, tone=600, beep=2000)
FIRST_WHOLE_SECOND = 0.05
"""Media seconds of the first whole second of the people's clock (see conftest.py)."""
FRAME = 1 / 30
LATENCY = 0.3


def test_people_are_found_in_their_cells(read: Recording) -> None:
    seen = visible_users(read, at=2.5, people=[*PEOPLE, STRANGER])

    assert seen.keys() == {"user1", "user2"}
    left, right = grid(2)
    assert seen["user1"].inside(left)
    assert seen["user2"].inside(right)
    assert (seen["user2"].top, seen["user2"].bottom) == pytest.approx((0.25, 0.75), abs=0.02)


def test_a_leaver_is_gone_from_the_moment_they_left(recipes: Callable[..., Path]) -> None:
    there = load(recipes(user2_leaves_at=3.0))

    assert visible_users(there, at=2.9, people=PEOPLE).keys() == {"user1", "user2"}
    assert visible_users(there, at=3.1, people=PEOPLE).keys() == {"user1"}
    assert tones(there, people=PEOPLE) == {"user1": [True] * 6, "user2": [True] * 3 + [False] * 3}


def test_flashes_come_with_the_frame_of_the_whole_second(read: Recording) -> None:
    for moments in flashes(read, people=PEOPLE).values():
        late = moments - (FIRST_WHOLE_SECOND + np.arange(6))
        assert (late >= -0.001).all()
        assert (late <= FRAME + 0.001).all()


def test_beeps_are_found_to_two_milliseconds(read: Recording) -> None:
    for moments in beeps(read, people=PEOPLE).values():
        assert moments == pytest.approx(FIRST_WHOLE_SECOND + np.arange(6), abs=0.002)


def test_sound_and_picture_belong_together(read: Recording) -> None:
    for offsets in av_offsets(read, people=PEOPLE).values():
        assert len(offsets.each) == 6
        assert abs(offsets.median) < FRAME
        assert offsets.spread < 0.005


def test_late_sound_is_measured(read: Recording, recipes: Callable[..., Path]) -> None:
    before = av_offsets(read, people=PEOPLE)["user1"].median

    late = av_offsets(load(recipes(sound_late=0.150)), people=PEOPLE)["user1"].median

    assert late - before == pytest.approx(0.150, abs=0.003)


def test_strips_tell_how_far_the_recording_is_behind(read: Recording) -> None:
    for strip in strips(read, people=PEOPLE).values():
        assert strip.readable > 0.99
        assert strip.backwards == 0
        # a picture is up to 1/15 s old by the time the next one comes
        assert LATENCY <= strip.latency <= LATENCY + 1 / 15
        assert strip.longest_freeze < 0.1


def test_a_frozen_picture_is_measured(recipes: Callable[..., Path]) -> None:
    strip = strips(load(recipes(frozen_from=4.0)), people=PEOPLE)["user1"]

    assert strip.longest_freeze == pytest.approx(2.0, abs=0.1)


def test_who_is_not_there_is_neither_seen_nor_heard(read: Recording) -> None:
    assert flashes(read, people=[STRANGER])["stranger"].size == 0
    assert beeps(read, people=[STRANGER])["stranger"].size == 0
    assert tones(read, people=[STRANGER]) == {"stranger": [False] * 6}
    assert strips(read, people=[STRANGER]) == {}
    assert np.isnan(av_offsets(read, people=[STRANGER])["stranger"].median)


def test_a_time_outside_of_the_recording_is_refused(read: Recording) -> None:
    with pytest.raises(RuntimeError, match=r"7\.000 s is outside of the recording of 6\.000 s"):
        visible_users(read, at=7, people=PEOPLE)


def test_a_frame_can_be_saved(read: Recording, tmp_path: Path) -> None:
    picture = tmp_path / "frame.png"

    read.save_frame(picture, at=4.5)

    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_summary_reads_as_a_table(read: Recording) -> None:
    text = str(summary(read, people=PEOPLE))

    assert "file_output.m3u8: 3 segments, 0 discontinuities" in text
    assert "h264 Main 640x360, 30.00 frames a second" in text
    assert "user2     seen 100%, heard 100%" in text
    assert text.endswith("problems  none")


def test_grids_hold_everyone_and_centre_the_last_row() -> None:
    assert [len(grid(count)) for count in (1, 2, 3, 5, 9)] == [1, 2, 3, 5, 9]
    assert grid(3)[2].centre == pytest.approx((0.5, 0.75))
    assert grid(5)[3].centre == pytest.approx((1 / 3, 0.75))
