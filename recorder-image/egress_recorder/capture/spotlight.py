"""Who is shown large: the layout spotlight as pure arithmetic and patience.

In: who speaks, and when; how many are to be seen. Out: the one in the light, and even rectangles. The light stays where it
is through a cough and a "yes": somebody else has to have spoken for a while, and longer while the one in it speaks as well.
Must not: know about GStreamer.
"""

from collections.abc import Sequence
from typing import Final

from egress_recorder.capture.grid import Rectangle, even
from egress_recorder.capture.timing import SECOND

SPOKEN_FOR: Final = 1 * SECOND
"""Somebody else has to have been the loudest, while the one in the light is silent."""
SPOKEN_OVER_FOR: Final = 3 * SECOND
"""The same while both speak."""
STAYS_FOR: Final = 2 * SECOND
"""At least, wherever the light has come."""
STRIP_SHARE: Final = 5
"""One part in so many of the canvas is for the others; so many of them stand there without getting smaller."""


class Spotlight:
    """The light, and who would have it. Times are nanoseconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._lit: int | None = None
        self._since = 0
        self._speaking: tuple[int, ...] = ()
        self._rival: int | None = None
        self._rival_since = 0

    def hear(self, speaking: Sequence[int]) -> None:
        """Take note of who speaks from now on, the loudest first."""
        self._speaking = tuple(speaking)

    def on(self, shown: Sequence[int], *, now: int) -> int | None:
        """Return who is in the light, of those who can be shown, in their order; None if nobody can.

        To be asked again and again: it is only then that the light moves.
        """
        speaking = [one for one in self._speaking if one in shown]
        if self._lit not in shown:
            self._light(next(iter([*speaking, *shown]), None), now=now)
        rival = next((one for one in speaking if one != self._lit), None)
        if rival != self._rival:
            self._rival, self._rival_since = rival, now
        if rival is not None and self._may_move(speaking, now=now):
            self._light(rival, now=now)
        return self._lit

    def _may_move(self, speaking: list[int], *, now: int) -> bool:
        if speaking[0] == self._lit:
            return False
        patience = SPOKEN_OVER_FOR if self._lit in speaking else SPOKEN_FOR
        return now - self._rival_since >= patience and now - self._since >= STAYS_FOR

    def _light(self, who: int | None, *, now: int) -> None:
        self._lit, self._since = who, now
        self._rival = None


def places(count: int, *, width: int, height: int) -> list[Rectangle]:
    """Divide the canvas: first the large place, then those of the others, in a strip beside it (below it on a tall canvas)."""
    if count <= 1:
        return [Rectangle(0, 0, even(width), even(height))][:count]
    across = width >= height
    strip = max(2, even((width if across else height) / STRIP_SHARE))
    along = height if across else width
    each = max(2, even(along / max(STRIP_SHARE, count - 1)))
    start = even((along - each * (count - 1)) / 2)
    if across:
        large = Rectangle(0, 0, even(width) - strip, even(height))
        others = [Rectangle(large.width, start + each * place, strip, each) for place in range(count - 1)]
    else:
        large = Rectangle(0, 0, even(width), even(height) - strip)
        others = [Rectangle(start + each * place, large.height, each, strip) for place in range(count - 1)]
    return [large, *others]
