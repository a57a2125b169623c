"""MPEG-TS segments in, a file of the whole recording out: the child that makes it.

    python -m egress_recorder.remux measure FORMAT           what stands before and behind the media, and where these are
    python -m egress_recorder.remux write FORMAT FIRST END   the media: the bytes of the file from FIRST to before END
    python -m egress_recorder.remux encode FORMAT KBPS       the whole file, its sound encoded anew
    python -m egress_recorder.remux thumbnails EVERY WIDTH SHEETS   small pictures and their index

In, on stdin, for each segment: a line `{"bytes": 144384, "seconds": 4.0, "jump": false}` and the segment. mp4 and m4a are
made in two passes and not encoded (`mp4_file`), ogg and mp3 in one (`sound_file`), and so are `thumbnails`. A process of its own: whatever a broken
segment does to libav, the recorder outlives it.
"""

import json
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import BinaryIO, Final, Protocol

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from egress_recorder.mp4_file import KINDS, Mp4File, Sink, around
from egress_recorder.remux_errors import RemuxError
from egress_recorder.sound_file import CODECS, SoundFile
from egress_recorder.thumbnails import ThumbnailFile

_USAGE: Final = (
    "measure mp4|m4a, write mp4|m4a FIRST END, encode ogg|mp3 KBPS, or thumbnails EVERY WIDTH SHEETS\n"
)
_CHUNK_BYTES: Final = 1 << 20
_CLOCK: Final = 90_000
"""Ticks a second of MPEG-TS."""
_TOLERANCE_SECONDS: Final = 0.5
"""By which a stretch may differ from what was announced: a picture or two, where its rate is low."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the first pass has found; the line that it says."""

    pictures: int
    sounds: int
    left_out: int
    """Packets of sound that lie before the first picture, or where it goes on behind a gap in the time of others."""
    first: int
    """The media's first byte in the file as libav writes it."""
    end: int
    head: int
    """Bytes of what stands before the media; they follow this line."""
    tail: int
    """Bytes of what stands behind; they follow those."""


class MadeFile(Protocol):
    """What is made of the packets."""

    kinds: frozenset[str]
    """video, audio, or both."""

    def take(self, stream: Stream) -> None:
        """Get ready for a stream, once for each kind."""

    def put(self, packet: "Packet[Stream]", *, shown: Fraction, decoded: Fraction) -> None:
        """Take the next packet, with its times in seconds."""

    def close(self) -> None:
        """Write what comes last."""


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


class Remux:
    """The way of the packets, stretch by stretch, onto one time line without gaps."""

    def __init__(self, segments: Segments, made: MadeFile) -> None:
        self._segments = segments
        self._made = made
        self._shapes: dict[str, tuple[object, ...]] = {}
        self._last: dict[str, Fraction] = {}
        self.counts = {"video": 0, "audio": 0}
        self.left_out = 0
        self._seconds = Fraction(0)
        """End of the last picture."""

    def run(self) -> None:
        """Make the whole file.

        Raises:
            RemuxError: there is no picture, or no sound for a file of it, or another one than before.
            av.FFmpegError: libav can't read a segment, or can't put it into such a file.
        """
        while True:
            announced = self._segments.seconds
            if not self._segments.begin_stretch():
                break
            with av.open(self._segments, "r", format="mpegts") as stretch:
                self._walk(stretch, begin=Fraction(round(announced * _CLOCK), _CLOCK))
            if self._segments.broken:
                raise RemuxError("The segments end in the middle of one.")
            if abs(float(self._seconds) - self._segments.seconds) > _TOLERANCE_SECONDS:
                raise RemuxError(
                    f"The pictures from {announced:.3f} s on end at {float(self._seconds):.3f} s instead of "
                    f"{self._segments.seconds:.3f} s."
                )
        for kind, word in (("video", "picture"), ("audio", "sound")):
            if not self.counts[kind] and (kind == "video" or self._made.kinds == {"audio"}):
                raise RemuxError(f"There is no {word} in the segments.")
        self._made.close()

    def _walk(self, stretch: InputContainer, *, begin: Fraction) -> None:
        for stream in stretch.streams:
            self._take(stream)
        shift: Fraction | None = None
        early: list[Packet[Stream]] = []
        for packet in stretch.demux():
            if packet.dts is None or packet.stream.type not in self._shapes:
                continue  # without a time: libav's word that a stream has ended
            if shift is None and packet.stream.type != "video":
                early.append(packet)  # its place is known by the first picture's
                continue
            if shift is None:
                shift = begin - _shown(packet)
                for sound in early:
                    self._put(sound, shift=shift, begin=begin)
            self._put(packet, shift=shift, begin=begin)
        if shift is None:
            self.left_out += len(early)

    def _take(self, stream: Stream) -> None:
        """Look at a stream; the first stretch says what there is to be."""
        kind, codec = stream.type, stream.codec_context
        if kind not in self.counts:
            return
        names = ("width", "height", "sample_rate")
        shape = (codec.name, *(getattr(codec, name, None) for name in names))
        if kind not in self._shapes and kind in self._made.kinds:
            self._made.take(stream)
        if self._shapes.setdefault(kind, shape) != shape:
            raise RemuxError(f"The {kind} changes from {self._shapes[kind]} to {shape}.")

    def _put(self, packet: "Packet[Stream]", *, shift: Fraction, begin: Fraction) -> None:
        kind, base = packet.stream.type, packet.time_base
        shown, decoded = _shown(packet) + shift, (packet.dts or 0) * base + shift
        if shown < begin or decoded <= self._last.get(kind, Fraction(-1)):
            if kind == "video":
                raise RemuxError(f"At {float(self._seconds):.3f} s the pictures' times go back.")
            self.left_out += 1
            return
        self._last[kind] = decoded
        self.counts[kind] += 1
        if kind == "video":
            self._seconds = max(self._seconds, shown + (packet.duration or 0) * base)
        if kind in self._made.kinds:
            self._made.put(packet, shown=shown, decoded=decoded)


def _shown(packet: "Packet[Stream]") -> Fraction:
    return (packet.pts or 0) * packet.time_base


def measure(source: BinaryIO, out: BinaryIO, *, wanted: str) -> None:
    """Go through the segments and say what stands around the media."""
    sink = Sink()
    remux = Remux(Segments(source), Mp4File(wanted, sink))
    remux.run()
    found = around(sink)
    told = Measured(
        pictures=remux.counts["video"],
        sounds=remux.counts["audio"],
        left_out=remux.left_out,
        first=found.first,
        end=found.end,
        head=len(found.head),
        tail=len(found.tail),
    )
    out.write(json.dumps(asdict(told)).encode() + b"\n" + found.head + found.tail)


def write(source: BinaryIO, out: BinaryIO, *, wanted: str, first: int, end: int) -> None:
    """Go through the segments again and give the media alone."""
    sink = Sink(out, first=first, end=end)
    Remux(Segments(source), Mp4File(wanted, sink)).run()
    if sink.written != end:
        raise RemuxError(f"The media end at byte {sink.written} instead of {end}.")


def encode(source: BinaryIO, out: BinaryIO, *, wanted: str, kbps: int) -> None:
    """Go through the segments once and give the whole file."""
    Remux(Segments(source), SoundFile(wanted, out, kbps=kbps)).run()


def draw(source: BinaryIO, out: BinaryIO, *, every: int, width: int, sheets: str) -> None:
    """Go through the segments once and give the sheets of thumbnails, then their index."""
    Remux(Segments(source), ThumbnailFile(out, every=every, width=width, sheets=sheets)).run()


def main(arguments: list[str]) -> int:
    """Run one of the four; what went wrong is the last line on stderr."""
    source, out = sys.stdin.buffer, sys.stdout.buffer
    try:
        match arguments:
            case ["measure", wanted] if wanted in KINDS:
                measure(source, out, wanted=wanted)
            case ["write", wanted, first, end] if wanted in KINDS:
                write(source, out, wanted=wanted, first=int(first), end=int(end))
            case ["encode", wanted, kbps] if wanted in CODECS:
                encode(source, out, wanted=wanted, kbps=int(kbps))
            case ["thumbnails", every, width, sheets]:
                draw(source, out, every=int(every), width=int(width), sheets=sheets)
            case _:
                sys.stderr.write(_USAGE)
                return 2
        out.flush()
    except BrokenPipeError:
        return 1
    except (RemuxError, av.FFmpegError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
