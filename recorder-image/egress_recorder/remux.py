"""MPEG-TS segments in, one MP4 out, without decoding: the child that makes the file of a whole recording.

    python -m egress_recorder.remux measure          what stands before and behind the media, and where these are
    python -m egress_recorder.remux write FIRST END  the media: the bytes of the file from FIRST to before END

In, on stdin, for each segment: a line `{"bytes": 144384, "seconds": 4.0, "jump": false}` and the segment. A player needs
an MP4's index before its media, and the index is known last. So there are two passes: neither disk nor memory is needed for
the file, however long it is (the index takes 20 MB for each hour). A process of its own: whatever a broken segment does to
libav, the recorder outlives it.
"""

import json
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import BinaryIO, Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

_HEAD_BYTES: Final = 4096
"""Kept of the file's beginning: what stands before the media has some 50."""
_CHUNK_BYTES: Final = 1 << 20
_CLOCK: Final = 90_000
"""Ticks a second of MPEG-TS."""
_TOLERANCE_SECONDS: Final = 0.5
"""By which a stretch may differ from what was announced: a picture or two, where its rate is low."""
_BOXES_WITH_BOXES: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_OFFSETS: Final = {b"stco": "I", b"co64": "Q"}
"""Boxes that say where media are, and the array type of their numbers."""
_LARGEST_32: Final = 0xFFFF_FFFF


class RemuxError(Exception):
    """No MP4 can be made of these segments; `str()` is the sentence for people."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the first pass has found; the line that it says."""

    pictures: int
    sounds: int
    left_out: int
    """Packets of sound that lie before the first picture, or where it goes on behind a gap in the time of others."""
    seconds: float
    first: int
    """The media's first byte in the file as libav writes it."""
    end: int
    head: int
    """Bytes of what stands before the media; they follow this line."""
    tail: int
    """Bytes of what stands behind; they follow those."""


@dataclass(frozen=True, kw_only=True)
class Announced:
    """The line before a segment."""

    bytes: int
    seconds: float
    jump: bool
    """Whether the time line jumps before it."""


class Segments:
    """What comes on stdin, as one file for each stretch without a jump."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = 0
        self._next = self._announced()
        self.broken = False
        """Whether they have ended in the middle of one."""
        self._begun = False
        self._fresh = False
        self.seconds = 0.0
        """Of all segments that have been begun."""

    def begin_stretch(self) -> bool:
        """Go on with the next stretch; say whether there is one."""
        while self._begun and self.read(_CHUNK_BYTES):
            pass
        self._begun = self._fresh = True
        return self._next is not None

    def read(self, size: int) -> bytes:
        """Return what follows in this stretch, nothing at its end."""
        if self._left == 0:
            if self._next is None or (self._next.jump and not self._fresh):
                return b""
            self._left, self._fresh = self._next.bytes, False
            self.seconds += self._next.seconds
        data = self._source.read(min(size, self._left))
        self._left -= len(data)
        if not data:
            # libav would take an exception for the end of the file, too.
            self.broken, self._left, self._next = True, 0, None
        elif self._left == 0:
            self._next = self._announced()
        return data

    def _announced(self) -> Announced | None:
        line = self._source.readline()
        return Announced(**json.loads(line)) if line else None


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


class Remux:
    """The copying of packets, stretch by stretch, onto one time line without gaps."""

    def __init__(self, segments: Segments, sink: Sink) -> None:
        self._segments = segments
        self._sink = sink
        self._tracks: dict[str, Stream] = {}
        self._shapes: dict[str, tuple[object, ...]] = {}
        self._last: dict[str, Fraction] = {}
        self.counts = {"video": 0, "audio": 0}
        self.left_out = 0
        self.seconds = Fraction(0)
        """End of the last picture."""

    def run(self) -> None:
        """Write the whole file into the sink.

        Raises:
            RemuxError: there is no picture, or another one than before.
            av.FFmpegError: libav can't read a segment, or can't put it into an MP4.
        """
        out = av.open(self._sink, "w", format="mp4")
        while True:
            announced = self._segments.seconds
            if not self._segments.begin_stretch():
                break
            with av.open(self._segments, "r", format="mpegts") as stretch:
                self._copy(stretch, out, begin=Fraction(round(announced * _CLOCK), _CLOCK))
            if self._segments.broken:
                raise RemuxError("The segments end in the middle of one.")
            if abs(float(self.seconds) - self._segments.seconds) > _TOLERANCE_SECONDS:
                raise RemuxError(
                    f"The pictures from {announced:.3f} s on end at {float(self.seconds):.3f} s instead of "
                    f"{self._segments.seconds:.3f} s."
                )
        if not self.counts["video"]:
            raise RemuxError("There is no picture in the segments.")
        self._sink.keep_tail()
        out.close()

    def _copy(self, stretch: InputContainer, out: OutputContainer, *, begin: Fraction) -> None:
        for stream in stretch.streams:
            self._take(stream, out)
        shift: Fraction | None = None
        early: list[Packet[Stream]] = []
        for packet in stretch.demux():
            if packet.dts is None or packet.stream.type not in self._tracks:
                continue  # without a time: libav's word that a stream has ended
            if shift is None and packet.stream.type != "video":
                early.append(packet)  # its place is known by the first picture's
                continue
            if shift is None:
                shift = begin - _shown(packet)
                for sound in early:
                    self._put(sound, out, shift=shift, begin=begin)
            self._put(packet, out, shift=shift, begin=begin)
        if shift is None:
            self.left_out += len(early)

    def _take(self, stream: Stream, out: OutputContainer) -> None:
        """Give a stream its track; the first stretch says what the tracks are."""
        kind, codec = stream.type, stream.codec_context
        if kind not in self.counts:
            return
        shape = (codec.name, *(getattr(codec, name, None) for name in ("width", "height", "sample_rate")))
        if self._shapes.setdefault(kind, shape) != shape:
            raise RemuxError(f"The {kind} changes from {self._shapes[kind]} to {shape}.")
        if kind not in self._tracks:
            self._tracks[kind] = out.add_stream_from_template(stream, opaque=True)

    def _put(
        self, packet: "Packet[Stream]", out: OutputContainer, *, shift: Fraction, begin: Fraction
    ) -> None:
        kind, base = packet.stream.type, packet.time_base
        shown, decoded = _shown(packet) + shift, (packet.dts or 0) * base + shift
        if shown < begin or decoded <= self._last.get(kind, Fraction(-1)):
            if kind == "video":
                raise RemuxError(f"At {float(self.seconds):.3f} s the pictures' times go back.")
            self.left_out += 1
            return
        self._last[kind] = decoded
        self.counts[kind] += 1
        if kind == "video":
            self.seconds = max(self.seconds, shown + (packet.duration or 0) * base)
        packet.pts, packet.dts = round(shown / base), round(decoded / base)
        packet.stream = self._tracks[kind]
        out.mux_one(packet)


def _shown(packet: "Packet[Stream]") -> Fraction:
    return (packet.pts or 0) * packet.time_base


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


def measure(source: BinaryIO, out: BinaryIO) -> None:
    """Go through the segments and say what stands around the media."""
    sink = Sink()
    remux = Remux(Segments(source), sink)
    remux.run()
    before = {kind: span for kind, *span in boxes(sink.head, 0, len(sink.head))}
    _, first, end = before[b"mdat"]
    behind = {kind: span for kind, *span in boxes(sink.tail, end - sink.tail_from, len(sink.tail))}
    begins, _, ends = behind[b"moov"]
    moov, (_, _, type_ends) = bytes(sink.tail[begins:ends]), before[b"ftyp"]
    in_front = moved(moov, by=len(moov))
    head = bytes(sink.head[:type_ends]) + (in_front or b"") + bytes(sink.head[type_ends:first])
    after = b"" if in_front else moov
    told = Measured(
        pictures=remux.counts["video"],
        sounds=remux.counts["audio"],
        left_out=remux.left_out,
        seconds=round(float(remux.seconds), 6),
        first=first,
        end=end,
        head=len(head),
        tail=len(after),
    )
    out.write(json.dumps(asdict(told)).encode() + b"\n" + head + after)
    out.flush()


def write(source: BinaryIO, out: BinaryIO, *, first: int, end: int) -> None:
    """Go through the segments again and give the media alone."""
    sink = Sink(out, first=first, end=end)
    Remux(Segments(source), sink).run()
    out.flush()
    if sink.written != end:
        raise RemuxError(f"The media end at byte {sink.written} instead of {end}.")


def main(arguments: list[str]) -> int:
    """Run one of the two; what went wrong is the last line on stderr."""
    try:
        match arguments:
            case ["measure"]:
                measure(sys.stdin.buffer, sys.stdout.buffer)
            case ["write", first, end]:
                write(sys.stdin.buffer, sys.stdout.buffer, first=int(first), end=int(end))
            case _:
                sys.stderr.write("measure, or write FIRST END\n")
                return 2
    except BrokenPipeError:
        return 1
    except (RemuxError, av.FFmpegError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
