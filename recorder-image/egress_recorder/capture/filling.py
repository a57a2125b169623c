"""Repeats the picture before where pictures are missing, so that no segment gets longer than the playlist allows.

In: pictures on their way to the encoder, as few as a machine without a free core lets through. Out: the same, and in a
hole the one before it now and then, so that the splitter finds one near the end of each segment. Not in every slot: what
is encoded here keeps the next real pictures waiting, on a machine that is behind already. Sound goes on meanwhile, or is
filled with silence by its mixer: the timeline stays true, and what was missing is counted and said.
"""

from collections.abc import Callable
from typing import Any

from egress_recorder.capture.events import Warned
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.timing import SECOND, missing_slots

_HOLE = 2 * SECOND // 5
"""A shorter one is left, and a longer one is cut into such: players hold the picture before as well, and a segment that is
longer by less than half a second is not too long."""


class HoleFiller:
    """Sits before the encoder, and before all that looks at each picture there."""

    def __init__(self, pad: Any, *, frame_rate: int, emit: Callable[[Warned], None]) -> None:
        self._frame_rate, self._emit = frame_rate, emit
        self._last: Any = None
        self._filling = False
        self.filled = 0
        """Pictures that were repeated."""
        pad.add_probe(Gst.PadProbeType.BUFFER, self._on_picture)

    def _on_picture(self, pad: Any, info: Any) -> Any:
        if self._filling:
            return Gst.PadProbeReturn.OK
        picture = info.get_buffer()
        last, self._last = self._last, picture
        slots = missing_slots(last.pts, picture.pts, frame_rate=self._frame_rate, hole=_HOLE) if last else []
        if slots:
            self._emit(
                Warned(
                    reason="PicturesMissing",
                    message=f"For {(picture.pts - last.pts) / SECOND:.1f} s no picture was ready.",
                )
            )
            self._filling = True  # what is pushed here comes by here
            for pts in slots:
                repeated = last.copy()
                repeated.pts = pts
                pad.push(repeated)
            self._filling = False
            self.filled += len(slots)
        return Gst.PadProbeReturn.OK
