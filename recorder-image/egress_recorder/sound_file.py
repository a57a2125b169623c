"""A file of the sound alone, encoded anew: Ogg with Opus, or MP3.

In: packets of AAC, in order, on one time line. Out: the file, in one pass. The time line stays true: where sound is missing
there is silence, and what would come too early is left out.
"""

from fractions import Fraction
from typing import BinaryIO, Final, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

CODECS: Final = {"ogg": "libopus", "mp3": "libmp3lame"}
_OPUS_RATE: Final = 48_000
_MOST_KBPS: Final = {"ogg": 256, "mp3": 320}
"""Of Opus for each channel, as its library allows; of MP3 altogether."""
_OPTIONS: Final = {"ogg": {}, "mp3": {"write_xing": "0"}}
"""Nothing can be written at the beginning of what has gone out."""
_STEP_SECONDS: Final = Fraction(30, 1000)
"""A smaller hole is none: a packet of AAC lasts 21 ms."""


class SoundFile:
    """The file as libav writes it."""

    kinds = frozenset({"audio"})

    def __init__(self, wanted: str, out: BinaryIO, *, kbps: int) -> None:
        self._wanted = wanted
        self._kbps = kbps
        self._out = av.open(_Pipe(out), "w", format=wanted, options=_OPTIONS[wanted])
        self._track: AudioStream | None = None
        self._samples = 0
        """That have been given to the encoder, at the rate that they come in."""

    def take(self, stream: Stream) -> None:
        """Set the encoder up for a stream."""
        codec = cast("AudioStream", stream).codec_context
        rate = _OPUS_RATE if self._wanted == "ogg" else codec.sample_rate
        track = cast("AudioStream", self._out.add_stream(CODECS[self._wanted], rate=rate))
        track.layout = codec.layout.name
        most = _MOST_KBPS[self._wanted] * (codec.layout.nb_channels if self._wanted == "ogg" else 1)
        track.bit_rate = min(self._kbps, most) * 1000
        self._track = track

    def put(self, packet: "Packet[Stream]", *, shown: Fraction, decoded: Fraction) -> None:
        """Take the next packet; `decoded` is not needed for sound."""
        del decoded
        for frame in cast("list[AudioFrame]", packet.decode()):
            self._give(frame, at=shown)

    def close(self) -> None:
        """Write what the encoder still has."""
        if self._track is not None:
            self._out.mux(self._track.encode(None))
        self._out.close()

    def _give(self, frame: AudioFrame, *, at: Fraction) -> None:
        rate = frame.sample_rate
        missing = round(at * rate) - self._samples
        if missing < -round(_STEP_SECONDS * rate):
            return
        if missing > round(_STEP_SECONDS * rate):
            for start in range(0, missing, rate):
                self._encode(_silence(frame, samples=min(rate, missing - start)))
        self._encode(frame)

    def _encode(self, frame: AudioFrame) -> None:
        if self._track is None:
            return
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += frame.samples
        self._out.mux(self._track.encode(frame))


class _Pipe:
    """What can only be written to, as libav is to know."""

    def __init__(self, out: BinaryIO) -> None:
        self.write = out.write


def _silence(like: AudioFrame, *, samples: int) -> AudioFrame:
    frame = AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
    frame.sample_rate = like.sample_rate
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
