"""What a recorded picture of gallery.html shows: colours, edges, and whether every script has its letters.

In: a picture of 1280x720 as an array of RGB. Out: colours by name and shares. The places are gallery.html's.
"""

import subprocess
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from support import recording_sound
from support.recording_media import Floats

if TYPE_CHECKING:
    from support.recording import Recording

Picture = npt.NDArray[np.uint8]
Place = tuple[int, int, int, int]
"""Left, top, width, height."""

WIDTH, HEIGHT = 1280, 720
WEBGL: Place = (32, 32, 320, 176)
VIDEO: Place = (32, 240, 320, 176)
SCRIPTS: Place = (384, 32, 864, 656)
LINES = ("cjk", "arabic", "devanagari", "emoji", "boxes")
"""From top to bottom; the last is what a font draws for a letter that it does not have."""
EDGE = 16
COLOURS = {
    "red": (204, 20, 20),
    "green": (20, 204, 20),
    "blue": (20, 20, 204),
    "background": (32, 64, 160),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
INK = 160
"""Luma below which a pixel of a white page is part of a letter; emoji have light parts, but not only."""
FINE = 32
"""Side of the small pictures that letters are compared by."""


def load(path: Path) -> Picture:
    """Read a picture file."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24",
         "-s", f"{WIDTH}x{HEIGHT}", "pipe:1"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    return np.frombuffer(done.stdout, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)


def reference() -> Picture:
    """Return the picture that Chromium itself drew of the gallery, in grey; to compare letters with."""
    return load(Path(__file__).parent / "pictures" / "gallery.png")


def tone(recording: "Recording", *, frequency: float) -> Floats:
    """Return how loud a tone is in each whole second: amplitudes."""
    return np.concatenate([recording_sound.tone_levels(one.mono, frequency) for one in recording.sound])


def colour(picture: Picture, place: Place) -> str:
    """Name the colour that is nearest to the middle of a place."""
    left, top, width, height = place
    middle = picture[top + height // 4 : top + 3 * height // 4, left + width // 4 : left + 3 * width // 4]
    mean = middle.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - np.array(COLOURS[name])).sum()))


def edges(picture: Picture) -> dict[str, float]:
    """Say for each edge of the picture which share of its pixels is the page's own green line."""
    inner = EDGE - 4
    strips = {
        "left": picture[:, :inner],
        "top": picture[:inner],
        "right": picture[:, -inner:],
        "bottom": picture[-inner:],
    }
    green = np.array(COLOURS["green"])
    return {
        side: float((np.abs(strip.astype(int) - green).sum(axis=2) < 90).mean())
        for side, strip in strips.items()
    }


def line(picture: Picture, name: str) -> Picture:
    """Cut out the line of a script, in luma."""
    left, top, width, height = SCRIPTS
    begin = top + LINES.index(name) * height // len(LINES) + 2
    rows = slice(begin, begin + height // len(LINES) - 4)
    luma: Picture = picture[rows, left + 2 : left + width - 2].mean(axis=2).astype(np.uint8)
    return luma


def letters(luma: Picture) -> list[Picture]:
    """Split a line at its white columns; each piece is scaled to `FINE` by `FINE`, its ink 255."""
    ink = luma < INK
    columns = np.concatenate([[False], ink.any(axis=0), [False]])
    starts = np.flatnonzero(np.diff(columns.astype(np.int8)))
    found = []
    for begin, end in zip(starts[::2], starts[1::2], strict=True):
        piece = ink[:, begin:end]
        rows = np.flatnonzero(piece.any(axis=1))
        piece = piece[rows[0] : rows[-1] + 1]
        if min(piece.shape) < 8:
            continue
        down = np.linspace(0, piece.shape[0] - 1, FINE).round().astype(int)
        aside = np.linspace(0, piece.shape[1] - 1, FINE).round().astype(int)
        found.append((piece[down][:, aside] * 255).astype(np.uint8))
    return found


def like(one: Picture, other: Picture) -> float:
    """Say how alike two letters are: 1 for the same, about 0 for strangers."""
    first, second = (picture.astype(float) - picture.mean() for picture in (one, other))
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size else 0.0


def boxes_among(picture: Picture, name: str) -> float:
    """Return the share of a line's letters that look like the box which stands for a missing one."""
    box = letters(line(picture, "boxes"))[0]
    mine = letters(line(picture, name))
    return sum(like(letter, box) > 0.8 for letter in mine) / len(mine) if mine else 1.0


def all_alike(picture: Picture, name: str) -> bool:
    """Tell whether a line's letters are all the same one, as boxes are."""
    return all(like(one, other) > 0.9 for one, other in combinations(letters(line(picture, name)), 2))


def likeness(picture: Picture, reference: Picture, name: str) -> float:
    """Say how much a script's line is like the reference's: 1 is the same."""
    return like(line(picture, name), line(reference, name))
