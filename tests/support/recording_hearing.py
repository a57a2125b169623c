"""Questions about the sound: when do the beeps come, which tones go on, how far are sound and picture apart.

In: a `Recording` and people. Out: media seconds and seconds. The sound is decoded once for each stretch between
discontinuities, as a player does, and every sample carries the time of the packet it came out of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from support import demo, recording_media, recording_sound
from support.recording_media import AAC_FRAME, AUDIO_RATE, Floats
from support.recording_seeing import flashes

if TYPE_CHECKING:
    from support.recording import Part, Recording

BEEP_SHARE = 0.25
"""Of its published amplitude that a beep must have to count."""
TONE_SHARE = 0.25
PAIRING_SECONDS = 0.45
"""A flash and a beep belong together up to this distance: they come once a second."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """The sound of a stretch."""

    samples: npt.NDArray[np.float32]
    """[sample, channel]"""
    packet_times: Floats
    """Media seconds of each packet, which is of `AAC_FRAME` samples."""

    @property
    def mono(self) -> npt.NDArray[np.float32]:
        """Both channels in one."""
        mixed: npt.NDArray[np.float32] = self.samples.mean(axis=1, dtype=np.float32)
        return mixed

    def times(self, positions: Floats) -> Floats:
        """Return the media seconds of samples."""
        packet = np.clip(positions // AAC_FRAME, 0, len(self.packet_times) - 1).astype(int)
        seconds: Floats = self.packet_times[packet] + (positions - packet * AAC_FRAME) / AUDIO_RATE
        return seconds


@dataclass(frozen=True, kw_only=True)
class Offsets:
    """How much later a person's beeps are than their flashes, in seconds (negative: earlier)."""

    each: Floats
    at: Floats
    """Media seconds of each."""

    @property
    def median(self) -> float:
        """The middle one; nan where nothing could be paired."""
        return float(np.median(self.each)) if len(self.each) else float("nan")

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(self.each.std()) if len(self.each) else float("nan")


def hear(stretch: Sequence["Part"]) -> Sound:
    """Decode the sound of the segments between two discontinuities."""
    samples = recording_media.decode_audio([part.segment.path for part in stretch])
    times = np.concatenate([part.segment.audio.pts - part.base for part in stretch])
    return Sound(samples=samples, packet_times=times)


def beeps(recording: "Recording", *, people: Sequence[Any]) -> dict[str, Floats]:
    """Return the media seconds at which each person's beeps begin, to about 2 ms."""
    names = demo.publisher()
    return {
        person.identity: np.concatenate(
            [
                sound.times(
                    recording_sound.onsets(
                        sound.mono,
                        person.beep,
                        beep_seconds=names.BEEP_SECONDS,
                        least=names.BEEP_AMPLITUDE * BEEP_SHARE,
                    )
                )
                for sound in recording.sound
            ]
            or [np.empty(0)]
        )
        for person in people
    }


def tones(recording: "Recording", *, people: Sequence[Any]) -> dict[str, list[bool]]:
    """Say for each whole second of the recording's sound whether each person's tone is to be heard."""
    least = demo.publisher().TONE_AMPLITUDE * TONE_SHARE
    return {
        person.identity: [
            bool(level > least)
            for sound in recording.sound
            for level in recording_sound.tone_levels(sound.mono, person.tone)
        ]
        for person in people
    }


def av_offsets(recording: "Recording", *, people: Sequence[Any]) -> dict[str, Offsets]:
    """Return by how much each person's sound is behind their picture."""
    seen, heard = flashes(recording, people=people), beeps(recording, people=people)
    return {person.identity: _paired(seen[person.identity], heard[person.identity]) for person in people}


def _paired(seen: Floats, heard: Floats) -> Offsets:
    if not len(heard) or not len(seen):
        return Offsets(each=np.empty(0), at=np.empty(0))
    nearest = np.array([heard[np.abs(heard - moment).argmin()] - moment for moment in seen])
    belong = np.abs(nearest) < PAIRING_SECONDS
    return Offsets(each=nearest[belong], at=seen[belong])
