"""The judge of the gallery's picture: held against a picture that Chromium drew, and against spoilt ones."""

from pathlib import Path

import numpy as np
import pytest

from support import web_gallery
from support.web_gallery import Picture

DRAWN = Path(web_gallery.__file__).parent / "pictures" / "gallery.png"
SCRIPTS = [name for name in web_gallery.LINES if name != "boxes"]


@pytest.fixture(scope="module")
def drawn() -> Picture:
    return web_gallery.load(DRAWN)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_drawn_script_has_no_boxes(drawn: Picture, name: str) -> None:
    assert len(web_gallery.letters(web_gallery.line(drawn, name))) >= 2
    assert web_gallery.boxes_among(drawn, name) == 0
    assert not web_gallery.all_alike(drawn, name)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_without_a_font_is_found_out(drawn: Picture, name: str) -> None:
    spoilt = drawn.copy()
    left, top, width, height = web_gallery.SCRIPTS
    step = height // len(web_gallery.LINES)
    boxes = web_gallery.LINES.index("boxes") * height // len(web_gallery.LINES) + top
    there = web_gallery.LINES.index(name) * height // len(web_gallery.LINES) + top
    spoilt[there : there + step, left : left + width] = drawn[boxes : boxes + step, left : left + width]
    assert web_gallery.boxes_among(spoilt, name) == 1
    assert web_gallery.all_alike(spoilt, name)
    assert web_gallery.likeness(spoilt, drawn, name) < 0.5


@pytest.mark.parametrize("name", web_gallery.LINES)
def test_lines_are_like_themselves_alone(drawn: Picture, name: str) -> None:
    blurred = (drawn.astype(int) + np.random.default_rng(1).integers(-8, 8, drawn.shape)).clip(0, 255)
    others = [other for other in web_gallery.LINES if other != name]
    assert web_gallery.likeness(blurred.astype(np.uint8), drawn, name) > 0.95
    assert all(
        web_gallery.like(web_gallery.line(drawn, name), web_gallery.line(drawn, other)) < 0.6
        for other in others
    )


def test_an_empty_line_has_no_letters(drawn: Picture) -> None:
    empty = np.full_like(drawn, 255)
    assert web_gallery.letters(web_gallery.line(empty, "cjk")) == []


def painted() -> Picture:
    picture = np.zeros((web_gallery.HEIGHT, web_gallery.WIDTH, 3), dtype=np.uint8)
    picture[:] = web_gallery.COLOURS["green"]
    inner = web_gallery.EDGE
    picture[inner:-inner, inner:-inner] = web_gallery.COLOURS["background"]
    return picture


def test_whole_edges_are_seen() -> None:
    assert web_gallery.edges(painted()) == {"left": 1, "top": 1, "right": 1, "bottom": 1}


def test_a_scroll_bar_takes_the_edge() -> None:
    picture = painted()
    picture[:, -15:] = (240, 240, 240)
    assert web_gallery.edges(picture)["right"] < 0.2
    assert web_gallery.edges(picture)["left"] == 1


@pytest.mark.parametrize("name", web_gallery.COLOURS)
def test_colours_are_named(name: str) -> None:
    picture = painted()
    left, top, width, height = web_gallery.VIDEO
    picture[top : top + height, left : left + width] = web_gallery.COLOURS[name]
    assert web_gallery.colour(picture, web_gallery.VIDEO) == name
