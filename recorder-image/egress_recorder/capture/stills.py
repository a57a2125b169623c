"""Leaves out most pictures of a screen that stands still: they would be encoded thirty times a second, all the same.

In: which slots of the recording got a new picture; the pictures on their way to the encoder. Out: those that
`timing.Stillness` wants. Encoding the others costs half of what a page that stands still takes altogether
(docs/benchmarks.md). Key frames are asked for by time, for the encoder counts pictures.
"""

import threading
from typing import Any

from egress_recorder.capture.gst import Gst
from egress_recorder.capture.timing import SECOND, Stillness


class StillFrames:
    """Sits between mixer and encoder."""

    def __init__(self, pad: Any, *, frame_rate: int, gop_seconds: float) -> None:
        """Begin.

        Args:
            pad: where composed pictures come out.
            frame_rate: of the recording.
            gop_seconds: how far apart key frames are.
        """
        self._frame_rate = frame_rate
        self._gop = round(gop_seconds * SECOND)
        self._next_key = self._gop
        self._stillness = Stillness(frame_rate=frame_rate)
        self._lock = threading.Lock()
        self.left_out = 0
        """Pictures that were not passed on."""
        pad.add_probe(Gst.PadProbeType.BUFFER, self._on_picture)

    def new_picture(self, slot: int) -> None:
        """Note that this slot has a picture of its own; called when the picture is pushed, before it is shown."""
        with self._lock:
            self._stillness.moved(slot)

    def _on_picture(self, pad: Any, info: Any) -> Any:
        pts = info.get_buffer().pts  # the mixer counts running time from zero
        with self._lock:
            wanted = self._stillness.wanted(round(pts * self._frame_rate / SECOND))
        if not wanted:
            self.left_out += 1
            return Gst.PadProbeReturn.DROP
        if pts >= self._next_key:
            self._next_key += self._gop * ((pts - self._next_key) // self._gop + 1)
            pad.push_event(key_frame_wish(pts))
        return Gst.PadProbeReturn.OK


def key_frame_wish(running_time: int) -> Any:
    """Make the event that asks an encoder for a key frame, as GstVideo would."""
    structure = Gst.Structure.new_from_string(
        f"GstForceKeyUnit,timestamp=(guint64){running_time},stream-time=(guint64){running_time},"
        f"running-time=(guint64){running_time},all-headers=(boolean)true,count=(uint)0"
    )
    return Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure)
