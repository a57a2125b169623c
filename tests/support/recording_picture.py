"""Who is to be seen in a recording's pictures, where, and what their pictures say.

In: decoded frames and the people (`publisher.Person`). Out: for each person and frame `Sightings`: the rectangle of
their picture, the brightness of its flash, and the instant its strip tells. People are found by their hue, wherever
they are: nothing here knows the recorder's layout, so that it can be held against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from support import demo
from support.recording_media import Bytes, Floats, Frames

NEUTRAL = 128
SEEN_SHARE = 0.7
"""Of the pixels around a hue rectangle that must have the hue: less is two pictures, or noise."""
SMALLEST_PIXELS = 12
SAME_BOX = 1.5
"""Chroma pixels by which a rectangle may seem to move from frame to frame while it stands still."""
ASPECT_TOLERANCE = 0.1
MODULUS = 1 << 32
NO_STAMP = -1


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in fractions of the recorded picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle, (x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def inside(self, other: "Box", *, tolerance: float = 0.015) -> bool:
        """Whether it lies within another."""
        return (
            self.left >= other.left - tolerance
            and self.top >= other.top - tolerance
            and self.right <= other.right + tolerance
            and self.bottom <= other.bottom + tolerance
        )


@dataclass(frozen=True, kw_only=True)
class Sightings:
    """What the frames show of one person, one value a frame."""

    identity: str
    seen: npt.NDArray[np.bool_]
    boxes: Floats
    """[frame, (left, top, right, bottom)], fractions; meaningless where not seen."""
    flash: Floats
    """Mean luma of the flash rectangle; 0 where not seen."""
    stamps: npt.NDArray[np.int64]
    """Unix milliseconds modulo 2**32 of the strip; `NO_STAMP` where there is none to be read."""

    def box(self, frame: int) -> Box:
        """Return the rectangle of the person's picture in a frame."""
        left, top, right, bottom = (float(edge) for edge in self.boxes[frame])
        return Box(left=left, top=top, right=right, bottom=bottom)


def grid(count: int) -> list[Box]:
    """Give the cells of an even grid for so many people, row by row: the least square, its last row centred."""
    columns = ceil(sqrt(count))
    rows = ceil(count / columns)
    cells = []
    for place in range(count):
        row, column = divmod(place, columns)
        in_row = min(columns, count - row * columns)
        left = (columns - in_row) / 2 + column
        cells.append(
            Box(left=left / columns, top=row / rows, right=(left + 1) / columns, bottom=(row + 1) / rows)
        )
    return cells


def look(frames: Frames, people: Sequence[Any]) -> list[Sightings]:
    """Find each of `people` in every frame."""
    labels = _colour_table(people)[frames.u, frames.v]
    return [_look_for(frames, person, labels == place) for place, person in enumerate(people, start=1)]


def _colour_table(people: Sequence[Any]) -> Bytes:
    """Give for every (u, v) the number of the person whose hue it is, from 1; 0 for nobody's.

    A colour is somebody's from half-way between grey and theirs: so an edge that scaling has blurred stays where
    it was.
    """
    u, v = np.mgrid[0:256, 0:256]
    table = np.zeros((256, 256), dtype=np.uint8)
    nearest = np.full((256, 256), np.inf)
    for place, person in enumerate(people, start=1):
        _, hue_u, hue_v = demo.publisher().hue_yuv(person.hue)
        distance = np.hypot(u - hue_u, v - hue_v)
        mine = (distance < hypot(hue_u - NEUTRAL, hue_v - NEUTRAL) / 2) & (distance < nearest)
        table[mine] = place
        nearest[mine] = distance[mine]
    return table


def _look_for(frames: Frames, person: Any, mask: npt.NDArray[np.bool_]) -> Sightings:
    count, height, width = mask.shape
    seen, edges = _rectangles(mask)
    boxes = np.zeros((count, 4))
    flash = np.zeros(count)
    stamps = np.full(count, NO_STAMP, dtype=np.int64)
    for begin, end in _runs(seen, edges):
        box = _whole_picture(np.median(edges[begin:end], axis=0), person)
        boxes[begin:end] = box / (width, height, width, height)
        flash[begin:end] = _flash(frames.luma[begin:end], box * 2)
        stamps[begin:end] = _stamps(frames.luma[begin:end], box * 2)
    return Sightings(identity=person.identity, seen=seen, boxes=boxes, flash=flash, stamps=stamps)


def _rectangles(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Give for every frame whether the mask is one rectangle, and its edges in the mask's pixels."""
    areas = mask.sum(axis=(1, 2))
    # a stray pixel elsewhere must not stretch the rectangle: a row counts from a third of the fullest one
    rows, columns = mask.sum(axis=2), mask.sum(axis=1)
    rows_in = rows * 3 >= np.maximum(rows.max(axis=1, keepdims=True), 1)
    columns_in = columns * 3 >= np.maximum(columns.max(axis=1, keepdims=True), 1)
    top, left = rows_in.argmax(axis=1), columns_in.argmax(axis=1)
    bottom = mask.shape[1] - rows_in[:, ::-1].argmax(axis=1)
    right = mask.shape[2] - columns_in[:, ::-1].argmax(axis=1)
    edges = np.stack([left, top, right, bottom], axis=1).astype(np.float64)
    seen = (areas >= SMALLEST_PIXELS) & (areas >= SEEN_SHARE * (right - left) * (bottom - top))
    return seen, edges


def _runs(seen: npt.NDArray[np.bool_], edges: Floats) -> list[tuple[int, int]]:
    """Split the frames into stretches in which the person is seen in one place."""
    runs: list[tuple[int, int]] = []
    begin = -1
    for frame in range(len(seen) + 1):
        ongoing = frame < len(seen) and bool(seen[frame])
        if begin >= 0 and (not ongoing or np.abs(edges[frame] - edges[begin]).max() > SAME_BOX):
            runs.append((begin, frame))
            begin = -1
        if begin < 0 and ongoing:
            begin = frame
    return runs


def _whole_picture(edges: Floats, person: Any) -> Floats:
    """Conclude from the hue rectangle where the person's whole picture is, in the same pixels."""
    hue_left, hue_top, hue_right, hue_bottom = demo.publisher().HUE
    left, top, right, bottom = edges
    width = (right - left) / (hue_right - hue_left)
    height = (bottom - top) / (hue_bottom - hue_top)
    # the rectangle is wide and low: its width gives a better height, unless the picture was distorted
    proper = width * person.height / person.width
    middle = (top + bottom) / 2
    if abs(height / proper - 1) < ASPECT_TOLERANCE or bottom - top < SMALLEST_PIXELS:
        height = proper
    x = left - hue_left * width
    y = middle - (hue_top + hue_bottom) / 2 * height
    return np.array([x, y, x + width, y + height])


def _flash(luma: Bytes, box: Floats) -> Floats:
    left, top, right, bottom = demo.publisher().FLASH
    inset = 0.2
    width, height = box[2] - box[0], box[3] - box[1]
    x = [box[0] + (left + (right - left) * part) * width for part in (inset, 1 - inset)]
    y = [box[1] + (top + (bottom - top) * part) * height for part in (inset, 1 - inset)]
    region = luma[:, int(y[0]) : max(int(y[1]), int(y[0]) + 1), int(x[0]) : max(int(x[1]), int(x[0]) + 1)]
    return region[:, ::2, ::2].mean(axis=(1, 2)) if region.size else np.zeros(len(luma))


def _stamps(luma: Bytes, box: Floats) -> npt.NDArray[np.int64]:
    """Read the strips of frames whose picture stands still; of a few alignments the one that reads best is right."""
    best = np.full(len(luma), NO_STAMP, dtype=np.int64)
    for down, aside, wider in (
        (0, 0, 0),
        (0, 1, 0),
        (0, -1, 0),
        (1, 0, 0),
        (-1, 0, 0),
        (0, 0, 2),
        (0, 0, -2),
    ):
        read = _stamps_at(luma, box + np.array([aside - wider / 2, down, aside + wider / 2, down]))
        if (read >= 0).sum() > (best >= 0).sum():
            best = read
        if (best >= 0).mean() > 0.95:
            break
    return best


def _stamps_at(luma: Bytes, box: Floats) -> npt.NDArray[np.int64]:
    """Read strips as publisher.read_strip does, for many frames at once."""
    names = demo.publisher()
    width, height = box[2] - box[0], box[3] - box[1]
    row = round(box[1] + (names.STRIP[1] + names.STRIP[3]) / 2 * height - 0.5)
    blocks = np.arange(names.STRIP_BLOCKS)
    columns = np.round(box[0] + (blocks + 0.5) * width / names.STRIP_BLOCKS - 0.5).astype(int)
    if row < 0 or row >= luma.shape[1] or columns[0] < 0 or columns[-1] >= luma.shape[2]:
        return np.full(len(luma), NO_STAMP, dtype=np.int64)
    bits = (luma[:, row, :][:, columns] > (names.BLACK + names.WHITE) / 2).astype(np.int64)
    head = len(names.STRIP_HEAD)
    body = bits[:, head : head + names.STRIP_BITS]
    values = body @ (1 << np.arange(names.STRIP_BITS - 1, -1, -1, dtype=np.int64))
    nibbles = body.reshape(len(bits), -1, 4) @ np.array([8, 4, 2, 1])
    check = np.bitwise_xor.reduce(nibbles, axis=1)
    told = bits[:, head + names.STRIP_BITS : -len(names.STRIP_TAIL)] @ np.array([8, 4, 2, 1])
    framed = (bits[:, :head] == names.STRIP_HEAD).all(axis=1)
    framed &= (bits[:, -len(names.STRIP_TAIL) :] == names.STRIP_TAIL).all(axis=1)
    return np.where(framed & (check == told), values, NO_STAMP)


def joined(pieces: Sequence[Sightings]) -> Sightings:
    """Put the sightings of one person in several segments behind one another."""
    return Sightings(
        identity=pieces[0].identity,
        seen=np.concatenate([piece.seen for piece in pieces]),
        boxes=np.concatenate([piece.boxes for piece in pieces]),
        flash=np.concatenate([piece.flash for piece in pieces]),
        stamps=np.concatenate([piece.stamps for piece in pieces]),
    )
