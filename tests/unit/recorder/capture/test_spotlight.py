"""Who is shown large, and where everybody stands then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_recorder.capture.grid import Rectangle
from egress_recorder.capture.spotlight import Spotlight, places
from egress_recorder.capture.timing import SECOND

canvas = st.integers(32, 1920).map(lambda half: half * 2)
ANNA, BEN, CAROL = range(3)
ALL = (ANNA, BEN, CAROL)


def lit(spotlight: Spotlight, *, at: float, shown: tuple[int, ...] = ALL) -> int | None:
    return spotlight.on(shown, now=round(at * SECOND))


def test_the_first_is_in_the_light_until_somebody_speaks() -> None:
    spotlight = Spotlight()
    assert lit(spotlight, at=0) == ANNA
    assert lit(spotlight, at=100) == ANNA


def test_who_speaks_when_there_is_no_light_yet_has_it() -> None:
    spotlight = Spotlight()
    assert lit(spotlight, at=0, shown=()) is None
    spotlight.hear([CAROL, BEN])
    assert lit(spotlight, at=1) == CAROL


def test_the_light_moves_to_who_has_spoken_for_a_second() -> None:
    spotlight = Spotlight()
    lit(spotlight, at=0)
    spotlight.hear([BEN])
    assert [lit(spotlight, at=at) for at in (10.0, 10.9, 11.0)] == [ANNA, ANNA, BEN]


def test_a_cough_moves_nothing() -> None:
    spotlight = Spotlight()
    lit(spotlight, at=0)
    for at in range(10, 20):
        spotlight.hear([BEN])
        assert lit(spotlight, at=at) == ANNA
        spotlight.hear([])
        assert lit(spotlight, at=at + 0.8) == ANNA


def test_who_speaks_over_another_waits_longer_and_has_to_be_louder() -> None:
    spotlight = Spotlight()
    spotlight.hear([ANNA])
    lit(spotlight, at=0)
    spotlight.hear([ANNA, BEN])
    assert [lit(spotlight, at=at) for at in (10.0, 20.0)] == [ANNA, ANNA]
    spotlight.hear([BEN, ANNA])
    assert lit(spotlight, at=22.0) == BEN  # he has spoken since 10


def test_the_light_stays_for_a_moment_wherever_it_has_come() -> None:
    spotlight = Spotlight()
    lit(spotlight, at=0)
    spotlight.hear([BEN])
    lit(spotlight, at=10)
    assert lit(spotlight, at=11) == BEN
    spotlight.hear([CAROL])
    assert [lit(spotlight, at=at) for at in (11.1, 12.9, 13.0)] == [BEN, BEN, CAROL]


def test_who_is_not_to_be_seen_is_not_waited_for() -> None:
    spotlight = Spotlight()
    lit(spotlight, at=0, shown=(ANNA, BEN))
    spotlight.hear([CAROL, BEN])  # she has no camera on
    assert [lit(spotlight, at=at, shown=(ANNA, BEN)) for at in (10, 11)] == [ANNA, BEN]
    assert lit(spotlight, at=11.1, shown=(ANNA,)) == ANNA


def test_the_large_place_is_beside_the_others_or_above_them() -> None:
    assert places(0, width=1280, height=720) == []
    assert places(1, width=1280, height=720) == [Rectangle(0, 0, 1280, 720)]
    assert places(3, width=1280, height=720) == [
        Rectangle(0, 0, 1024, 720), Rectangle(1024, 216, 256, 144), Rectangle(1024, 360, 256, 144),
    ]  # fmt: skip
    assert places(2, width=720, height=1280) == [Rectangle(0, 0, 720, 1024), Rectangle(288, 1024, 144, 256)]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 32])
@given(width=canvas, height=canvas)
def test_places_are_even_inside_and_apart(count: int, width: int, height: int) -> None:
    found = places(count, width=width, height=height)
    assert len(found) == count
    for place in found:
        assert all(side % 2 == 0 for side in (place.x, place.y, place.width, place.height))
        assert 0 <= place.x <= place.x + place.width <= width
        assert 0 <= place.y <= place.y + place.height <= height
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y
