"""A recording in a few lines, for people: the demo prints it.

In: a `Recording` and the people in it. Out: `Summary`, whose `str()` is a small table. Figures only; what is wrong
stands in its list of problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from support.recording_hearing import Offsets, av_offsets, tones
from support.recording_media import Streams
from support.recording_seeing import Strip, strips

if TYPE_CHECKING:
    from support.recording import Recording


@dataclass(frozen=True, kw_only=True)
class PersonSummary:
    """What was seen and heard of one person."""

    identity: str
    seen: float
    """Share of the frames that show them."""
    heard: float
    """Share of the seconds in which their tone is to be heard."""
    offset: Offsets
    strip: Strip | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a recording is, at a glance."""

    name: str
    streams: Streams
    seconds: float
    frames_per_second: float
    segments: int
    discontinuities: int
    size_bytes: int
    people: list[PersonSummary] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        streams = self.streams
        picture = (
            f"{streams.video_codec} {streams.profile} {streams.width}x{streams.height},"
            f" {self.frames_per_second:.2f} frames a second"
        )
        rows = [
            ("playlist", f"{self.name}: {self.segments} segments, {self.discontinuities} discontinuities"),
            ("length", f"{self.seconds:.2f} s, {self.size_bytes / 1e6:.2f} MB"),
            ("picture", picture),
            ("sound", f"{streams.audio_codec} {streams.sample_rate} Hz, {streams.channels} channels"),
        ]
        for person in self.people:
            text = f"seen {person.seen:.0%}, heard {person.heard:.0%}"
            if len(person.offset.each):
                text += f", sound {person.offset.median * 1000:+.0f} ms to the picture (sd {person.offset.spread * 1000:.0f})"
            if person.strip and person.strip.readable:
                text += f", {person.strip.latency * 1000:.0f} ms behind, longest freeze {person.strip.longest_freeze * 1000:.0f} ms"
            rows.append((person.identity, text))
        rows += [("problem", problem) for problem in self.problems] or [("problems", "none")]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def summary(recording: "Recording", *, people: Sequence[Any] = (), ended: bool = True) -> Summary:
    """Look at everything and sum it up."""
    problems = recording.problems(ended=ended, people=people)
    watched = recording.watch(people)
    offsets, heard = av_offsets(recording, people=people), tones(recording, people=people)
    told = strips(recording, people=people)
    return Summary(
        name=recording.playlist_path.name,
        streams=recording.streams,
        seconds=recording.seconds,
        frames_per_second=recording.frames_per_second,
        segments=len(recording.playlist.entries),
        discontinuities=sum(entry.discontinuity for entry in recording.playlist.entries),
        size_bytes=sum(part.segment.path.stat().st_size for part in recording.parts),
        people=[
            PersonSummary(
                identity=person.identity,
                seen=float(watched.people[person.identity].seen.mean()),
                heard=float(np.mean(heard[person.identity] or [False])),
                offset=offsets[person.identity],
                strip=told.get(person.identity),
            )
            for person in people
        ],
        problems=problems,
    )
