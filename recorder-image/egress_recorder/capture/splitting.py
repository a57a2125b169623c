"""Ends a segment at the very picture with which a pause begins or ends, and begins one with the first that shows something.

In: what `Pauses` says of each picture on its way into the encoder. Out: a split there, with a key frame, and a
`pause` event. Must not: hold up a picture; decide which file is kept (`output` asks `Pauses` when one is opened).
"""

from collections.abc import Callable
from typing import Any

from egress_recorder.capture.events import PauseChanged
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.pauses import Pauses


class PauseSplitter:
    """Sits right before the video encoder, behind all that may leave a picture out."""

    def __init__(
        self,
        pipeline: Any,
        pauses: Pauses,
        *,
        emit: Callable[[PauseChanged], None],
        wall_clock: Callable[[int], float],
    ) -> None:
        self._pipeline, self._pauses = pipeline, pauses
        self._emit, self._wall_clock = emit, wall_clock
        self._said = False
        self._splitter = pipeline.get_by_name("segments")
        pad = pipeline.get_by_name("raw-video").get_static_pad("src")
        pad.add_probe(Gst.PadProbeType.BUFFER, self._on_picture)

    def _on_picture(self, _pad: Any, info: Any) -> Any:
        pts = info.get_buffer().pts  # the mixer counts running time from zero
        split = self._pauses.changes_with(pts, base_time=int(self._pipeline.get_base_time()))
        if split:  # the splitter asks the encoder for a key frame itself, at once: this picture becomes it
            self._splitter.emit("split-at-running-time", pts)
        if self._pauses.paused != self._said:
            self._said = self._pauses.paused
            self._emit(PauseChanged(paused=self._said, at=round(self._wall_clock(pts), 6)))
        return Gst.PadProbeReturn.OK
