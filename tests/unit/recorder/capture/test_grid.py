import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_recorder.capture.grid import Rectangle, cells, fit, grid_shape

canvas = st.integers(8, 1920).map(lambda half: half * 2)


@pytest.mark.parametrize(
    ("count", "shape"),
    [
        (0, (1, 1)),
        (1, (1, 1)),
        (2, (2, 1)),
        (3, (2, 2)),
        (4, (2, 2)),
        (5, (3, 2)),
        (9, (3, 3)),
        (10, (4, 3)),
        (32, (6, 6)),
    ],
)
def test_people_stand_in_squares(count: int, shape: tuple[int, int]) -> None:
    assert grid_shape(count) == shape


def test_one_person_has_the_whole_picture() -> None:
    assert cells(1, width=1280, height=720) == [Rectangle(0, 0, 1280, 720)]


def test_two_people_stand_side_by_side() -> None:
    assert cells(2, width=1280, height=720) == [Rectangle(0, 0, 640, 720), Rectangle(640, 0, 640, 720)]


def test_the_last_row_is_centred() -> None:
    assert cells(3, width=1280, height=720) == [
        Rectangle(0, 0, 640, 360),
        Rectangle(640, 0, 640, 360),
        Rectangle(320, 360, 640, 360),
    ]


@given(count=st.integers(1, 32), width=canvas, height=canvas)
def test_cells_are_even_equal_inside_and_apart(count: int, width: int, height: int) -> None:
    places = cells(count, width=width, height=height)
    assert len(places) == count
    assert len({(place.width, place.height) for place in places}) == 1
    for place in places:
        assert all(side % 2 == 0 for side in (place.x, place.y, place.width, place.height))
        assert place.x >= 0
        assert place.x + place.width <= width
        assert place.y >= 0
        assert place.y + place.height <= height
    for index, one in enumerate(places):
        for other in places[index + 1 :]:
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y


def test_a_wide_picture_is_letterboxed_and_a_tall_one_pillarboxed() -> None:
    cell = Rectangle(640, 0, 640, 720)
    assert fit(cell, width=640, height=360) == Rectangle(640, 180, 640, 360)
    assert fit(cell, width=360, height=640) == Rectangle(756, 0, 406, 720)


@given(
    cell=st.builds(Rectangle, st.just(0), st.just(0), canvas, canvas),
    width=st.integers(2, 4096),
    height=st.integers(2, 4096),
)
def test_a_fitted_picture_is_even_and_inside_and_touches_two_sides(
    cell: Rectangle, width: int, height: int
) -> None:
    place = fit(cell, width=width, height=height)
    assert all(side % 2 == 0 for side in (place.x, place.y, place.width, place.height))
    assert 2 <= place.width <= cell.width
    assert 2 <= place.height <= cell.height
    assert place.x >= 0
    assert place.x + place.width <= cell.width
    assert place.y >= 0
    assert place.y + place.height <= cell.height
    assert place.width == cell.width or place.height == cell.height
