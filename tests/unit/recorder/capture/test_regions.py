"""Who stands where, with regions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_recorder.capture.config import Region
from egress_recorder.capture.grid import Rectangle, cover
from egress_recorder.capture.regions import stand

PLACE = {"x": 0, "y": 0, "width": 640, "height": 360}
ANNA, BEN = Region(**PLACE, user="anna"), Region(**PLACE, user="ben")
FIRST, SECOND = Region(**PLACE, slot=1), Region(**PLACE, slot=2)


@pytest.mark.parametrize(
    ("regions", "pictures", "there"),
    [
        ([ANNA, BEN], {"a": "anna", "b": "ben"}, {"a": ANNA, "b": BEN}),
        ([BEN], {"a": "anna", "b": "ben"}, {"b": BEN}),
        ([FIRST, SECOND], {"a": "anna", "b": "ben", "c": "carol"}, {"a": FIRST, "b": SECOND}),
        ([SECOND], {"a": "anna"}, {}),
        ([FIRST, ANNA], {"a": "anna", "b": "ben"}, {"a": ANNA, "b": FIRST}),
        ([ANNA, FIRST], {"a": "anna", "screen": "anna", "b": "ben"}, {"a": ANNA, "b": FIRST}),
        ([ANNA, Region(**{**PLACE, "x": 640}, user="anna")], {"a": "anna", "screen": "anna"}, None),
        ([FIRST, ANNA], {}, {}),
    ],
    ids=[
        "each by name",
        "one by name",
        "by arrival",
        "nobody there",
        "both",
        "a screen beside",
        "two of one",
        "nobody",
    ],
)
def test_who_stands_where(
    regions: list[Region], pictures: dict[str, str], there: dict[str, Region] | None
) -> None:
    assert stand(regions, pictures) == (
        there if there is not None else dict(zip(pictures, regions, strict=True))
    )


def test_what_stands_over_is_cut_off_on_both_sides() -> None:
    assert cover(Rectangle(0, 0, 360, 360), width=640, height=360) == (140, 0)
    assert cover(Rectangle(0, 0, 640, 160), width=640, height=360) == (0, 100)
    assert cover(Rectangle(0, 0, 320, 180), width=640, height=360) == (0, 0)


@given(
    cell=st.builds(
        Rectangle,
        st.just(0),
        st.just(0),
        st.integers(8, 960).map(lambda n: 2 * n),
        st.integers(8, 960).map(lambda n: 2 * n),
    ),
    width=st.integers(16, 4096),
    height=st.integers(16, 4096),
)
def test_something_is_always_left(cell: Rectangle, width: int, height: int) -> None:
    aside, above = cover(cell, width=width, height=height)
    assert aside % 2 == above % 2 == 0
    assert 0 <= 2 * aside < width
    assert 0 <= 2 * above < height
    assert 0 in {aside, above}
