"""An MP4 in two passes: measured first, for its index stands before its media and is known last.

In: packets of one encode, in order, on one time line. Out: in the first pass what stands around the media, in the second the
media alone. Neither needs a disk, nor memory for the media. M4A is the same with the sound alone.
"""

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Final

import av
from av.packet import Packet
from av.stream import Stream

from egress_recorder.remux_errors import RemuxError

_HEAD_BYTES: Final = 4096
"""Kept of the file's beginning: what stands before the media has some 50."""
_BOXES_WITH_BOXES: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_OFFSETS: Final = {b"stco": "I", b"co64": "Q"}
"""Boxes that say where media are, and the array type of their numbers."""
_LARGEST_32: Final = 0xFFFF_FFFF
KINDS: Final = {"mp4": frozenset({"video", "audio"}), "m4a": frozenset({"audio"})}
"""What is in a file of each format."""
_MUXERS: Final = {"mp4": "mp4", "m4a": "ipod"}


class Mp4File:
    """The file as libav writes it, into a sink."""

    def __init__(self, wanted: str, sink: "Sink") -> None:
        self.kinds = KINDS[wanted]
        self._sink = sink
        self._tracks: dict[str, Stream] = {}
        self._out = av.open(sink, "w", format=_MUXERS[wanted])

    def take(self, stream: Stream) -> None:
        """Make a track for a stream, once for each kind."""
        self._tracks[stream.type] = self._out.add_stream_from_template(stream, opaque=True)

    def put(self, packet: "Packet[Stream]", *, shown: Fraction, decoded: Fraction) -> None:
        """Take the next packet, with its times in seconds."""
        base = packet.time_base
        packet.pts, packet.dts = round(shown / base), round(decoded / base)
        packet.stream = self._tracks[packet.stream.type]
        self._out.mux_one(packet)

    def close(self) -> None:
        """Write what comes last."""
        self._sink.keep_tail()
        self._out.close()


@dataclass(frozen=True)
class Around:
    """What stands around the media of a file."""

    head: bytes
    tail: bytes
    first: int
    """The media's first byte in the file as libav writes it."""
    end: int


def around(sink: "Sink") -> Around:
    """Return what stands around the media that went through a sink, with the index in front where that can be."""
    before = {kind: span for kind, *span in boxes(sink.head, 0, len(sink.head))}
    _, first, end = before[b"mdat"]
    behind = {kind: span for kind, *span in boxes(sink.tail, end - sink.tail_from, len(sink.tail))}
    begins, _, ends = behind[b"moov"]
    moov, (_, _, type_ends) = bytes(sink.tail[begins:ends]), before[b"ftyp"]
    in_front = moved(moov, by=len(moov))
    head = bytes(sink.head[:type_ends]) + (in_front or b"") + bytes(sink.head[type_ends:first])
    return Around(head, b"" if in_front else moov, first, end)


class Sink:
    """The file that libav writes: kept are its beginning and what comes after the media, which go out or nowhere.

    Args:
        out: where the media go.
        first: the first byte of them.
        end: where they end.
    """

    def __init__(self, out: BinaryIO | None = None, *, first: int = 0, end: int = 0) -> None:
        self._out = out
        self._first, self._end = first, end
        self._position = self._size = 0
        self.head = bytearray()
        self.tail = bytearray()
        self.tail_from = sys.maxsize

    @property
    def written(self) -> int:
        """Media bytes that have gone out, as the place in the file behind them."""
        return self._first

    def keep_tail(self) -> None:
        """Keep what is written from now on: the index is among it."""
        self.tail_from = self._size

    def write(self, data: bytes) -> int:
        """Take bytes at the current place, as a file does."""
        place, self._position = self._position, self._position + len(data)
        self._size = max(self._size, self._position)
        _overlay(self.head, data[: max(_HEAD_BYTES - place, 0)], at=place)
        if self._position > self.tail_from:
            before = max(self.tail_from - place, 0)
            _overlay(self.tail, data[before:], at=place + before - self.tail_from)
        if self._out is not None:
            self._send(data, place, self._out)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place, as a file does."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the current place."""
        return self._position

    def _send(self, data: bytes, place: int, out: BinaryIO) -> None:
        media = data[max(self._first - place, 0) : max(self._end - place, 0)]
        if not media:
            return
        if place > self._first:
            raise RemuxError("The media were not written in order.")
        out.write(media)
        self._first += len(media)


def _overlay(kept: bytearray, data: bytes, *, at: int) -> None:
    if data:
        kept.extend(bytes(max(at - len(kept), 0)))
        kept[at : at + len(data)] = data


def boxes(data: bytes | bytearray, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield the boxes between two places: type, where it begins, where its content does, where it ends."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        if size < content - start:
            raise RemuxError(f"The box {kind!r} at byte {start} has no length.")
        yield bytes(kind), start, content, start + size
        start += size


def moved(moov: bytes, *, by: int) -> bytes | None:
    """Return an index for media that lie so many bytes further on; None where a number has no room for it."""
    index = bytearray(moov)

    def move(start: int, end: int) -> bool:
        for kind, _, content, behind in boxes(index, start, end):
            if kind in _BOXES_WITH_BOXES and not move(content, behind):
                return False
            if kind in _OFFSETS:
                numbers = array(_OFFSETS[kind])
                first = content + 8  # behind version, flags and count
                numbers.frombytes(index[first:behind])
                if sys.byteorder == "little":
                    numbers.byteswap()
                if kind == b"stco" and max(numbers, default=0) + by > _LARGEST_32:
                    return False
                numbers = array(_OFFSETS[kind], (number + by for number in numbers))
                if sys.byteorder == "little":
                    numbers.byteswap()
                index[first:behind] = numbers.tobytes()
        return True

    return bytes(index) if move(0, len(index)) else None
