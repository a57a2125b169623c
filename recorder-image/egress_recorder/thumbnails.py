"""Thumbnails: small pictures on sheets, and a WebVTT index that says which part of which sheet is for what time.

In: packets of pictures, on one time line. Out: for each sheet a line `{"bytes": 20480}` and its JPEG, then the same for the
index. Key frames alone are decoded: a thumbnail is the first one at its time or behind it, or half a second before it.
"""

import json
from fractions import Fraction
from typing import Any, BinaryIO, Final, cast

import av
import numpy as np
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

COLUMNS: Final = 5
ROWS: Final = 5
_EARLY_SECONDS: Final = Fraction(1, 2)
"""A key frame that comes so much before its time will do: times are rounded, and the next one is two seconds away."""
_QUALITY: Final = 4
"""JPEG's, as libav counts it: 2 is the best, 31 the worst."""


class ThumbnailFile:
    """The sheets, and the index last.

    Args:
        out: where they go.
        every: seconds between two thumbnails.
        width: of one, in pixels.
        sheets: the sheets' names, with a `%03d` for the number.
    """

    kinds = frozenset({"video"})

    def __init__(self, out: BinaryIO, *, every: int, width: int, sheets: str) -> None:
        self._out = out
        self._every = every
        self._width = width
        self._sheets = sheets
        self._codec: VideoCodecContext | None = None
        self._size = (width, width)
        self._due = Fraction(0)
        self._end = Fraction(0)
        self._tiles: list[Any] = []
        self._times: list[Fraction] = []
        self._written = 0

    def take(self, stream: Stream) -> None:
        """Learn the pictures' shape."""
        codec = cast("VideoCodecContext", stream.codec_context)
        height = round(self._width * codec.height / codec.width / 2) * 2
        self._size = (self._width, max(2, height))

    def put(self, packet: "Packet[Stream]", *, shown: Fraction, decoded: Fraction) -> None:
        """Take the next packet."""
        del decoded
        self._end = max(self._end, shown + (packet.duration or 0) * packet.time_base)
        if not packet.is_keyframe or shown + _EARLY_SECONDS < self._due:
            return
        codec = cast("VideoCodecContext", packet.stream.codec_context)
        frames = [*codec.decode(cast("Any", packet)), *codec.decode(None)]
        codec.flush_buffers()
        if not frames:
            return
        width, height = self._size
        small = frames[0].reformat(width=width, height=height, format="rgb24")
        self._tiles.append(small.to_ndarray())
        self._times.append(self._due)
        # What lies between has no key frame of its own: this one is for it, too.
        self._due += self._every * (
            int(max(shown + _EARLY_SECONDS - self._due, Fraction(0)) / self._every) + 1
        )
        if len(self._tiles) == COLUMNS * ROWS:
            self._sheet()

    def close(self) -> None:
        """Write the last sheet and the index."""
        if self._tiles:
            self._sheet()
        self._say(self._index().encode())

    def _sheet(self) -> None:
        width, height = self._size
        rows = -(-len(self._tiles) // COLUMNS)
        sheet = np.zeros((rows * height, min(len(self._tiles), COLUMNS) * width, 3), dtype=np.uint8)
        for place, tile in enumerate(self._tiles):
            row, column = divmod(place, COLUMNS)
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
        self._say(_jpeg(sheet))
        self._tiles.clear()
        self._written += 1

    def _index(self) -> str:
        width, height = self._size
        lines = ["WEBVTT", ""]
        ends = [*self._times[1:], max(self._end, *self._times)] if self._times else []
        for number, (begin, end) in enumerate(zip(self._times, ends, strict=True)):
            sheet, place = divmod(number, COLUMNS * ROWS)
            row, column = divmod(place, COLUMNS)
            area = f"{column * width},{row * height},{width},{height}"
            lines += [f"{_clock(begin)} --> {_clock(end)}", f"{self._sheets % sheet}#xywh={area}", ""]
        return "\n".join(lines)

    def _say(self, data: bytes) -> None:
        self._out.write(json.dumps({"bytes": len(data)}).encode() + b"\n" + data)


def _jpeg(pixels: Any) -> bytes:
    frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = Fraction(1, 1)
    codec.qmin = codec.qmax = _QUALITY
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def _clock(at: Fraction) -> str:
    milliseconds = round(at * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
