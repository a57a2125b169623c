"""Where everybody stands: the flat layout as pure arithmetic.

In: how many, and the canvas. Out: even rectangles. One person has the whole picture, two stand side by side,
then squares: 2x2, 3x3 …; the last row is centred. Must not: know about GStreamer.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A place on the canvas, in pixels; all four numbers are even, as I420 needs."""

    x: int
    y: int
    width: int
    height: int


def grid_shape(count: int) -> tuple[int, int]:
    """Give columns and rows for a number of people."""
    columns = math.ceil(math.sqrt(count)) if count else 1
    return columns, math.ceil(count / columns) if count else 1


def cells(count: int, *, width: int, height: int) -> list[Rectangle]:
    """Divide the canvas into `count` cells of one size, in reading order."""
    columns, rows = grid_shape(count)
    cell_width, cell_height = even(width / columns), even(height / rows)
    places = []
    for index in range(count):
        row, column = divmod(index, columns)
        in_row = columns if row < rows - 1 else count - columns * (rows - 1)
        left = even((width - in_row * cell_width) / 2)
        top = even((height - rows * cell_height) / 2)
        places.append(Rectangle(left + column * cell_width, top + row * cell_height, cell_width, cell_height))
    return places


def fit(cell: Rectangle, *, width: int, height: int) -> Rectangle:
    """Put a picture of the given size into a cell: whole, undistorted, centred."""
    scale = min(cell.width / width, cell.height / height)
    fitted_width = max(2, min(cell.width, even(width * scale + 1)))  # +1: round to the nearest even number
    fitted_height = max(2, min(cell.height, even(height * scale + 1)))
    x = cell.x + even((cell.width - fitted_width) / 2)
    y = cell.y + even((cell.height - fitted_height) / 2)
    return Rectangle(x, y, fitted_width, fitted_height)


def cover(cell: Rectangle, *, width: int, height: int) -> tuple[int, int]:
    """Say how many pixels of a picture to cut off on each side, left and right, above and below, so that it fills a cell."""
    scale = max(cell.width / width, cell.height / height)
    return max(0, even((width - cell.width / scale) / 2)), max(0, even((height - cell.height / scale) / 2))


def even(value: float) -> int:
    """Round down to an even number, as I420 needs."""
    return int(value) // 2 * 2
