"""A recording, read from its files as a player would, and what is to be seen and heard in it.

In: a folder with a playlist, its segments and manifest.json (`fetch` downloads one). Out: typed answers, and
`problems()`: sentences, none when all is well. It trusts nothing that the recorder says about its own work.

    recording = load(folder)
    assert recording.problems() == []
    assert visible_users(recording, at=8.0, people=two_users()).keys() == {"user1", "user2"}
    assert abs(av_offsets(recording, people=two_users())["user1"].median) < 0.1

Times called `at` or "media seconds" count from the recording's first frame, over all segments.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from egress_api.constants import MANIFEST_NAME
from egress_api.manifest import Manifest
from support import recording_checks, recording_media, recording_picture, recording_playlist
from support.recording_fetch import fetch
from support.recording_hearing import Offsets, Sound, av_offsets, beeps, hear, tones
from support.recording_media import Floats, Streams
from support.recording_picture import Box, Sightings, grid
from support.recording_playlist import Entry, Playlist
from support.recording_seeing import Strip, flashes, strips, visible_users
from support.recording_summary import Summary, summary

__all__ = [
    "Box", "Offsets", "Recording", "RecordingError", "Sound", "Strip", "Summary",
    "av_offsets", "beeps", "fetch", "flashes", "grid", "load", "strips", "summary", "tones", "visible_users",
]  # fmt: skip

WIDE_PICTURE = 1280
SMALL_PICTURE = 640
TINY_PICTURE = 64
"""Enough where nobody is looked for: whether a picture decodes does not depend on its size."""
FEW_PEOPLE = 4
"""Up to so many the strips can be read at half size: a cell is half as wide as the picture."""


class RecordingError(RuntimeError):
    """There is nothing in the folder that could be read as a recording."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A segment in its place in the recording."""

    entry: Entry
    segment: recording_media.Segment
    stretch: int
    """Number of the stretch between two discontinuities that it belongs to."""
    base: float
    """What to take from a packet's time to get media seconds."""

    @property
    def start(self) -> float:
        """Media seconds of its first picture."""
        return self.segment.video.start - self.base

    def frame_times(self) -> Floats:
        """Return the media seconds of its pictures, in the order they are shown."""
        return np.sort(self.segment.video.pts) - self.base


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What every decoded frame of the recording shows of some people."""

    times: Floats
    """Media seconds of each frame."""
    walls: Floats
    """Unix seconds of each frame, by PROGRAM-DATE-TIME; nan where there is none."""
    people: dict[str, Sightings]


class Recording:
    """A recording in a folder. Reading is lazy, and nothing is decoded twice for the same people."""

    def __init__(self, folder: Path, playlist_path: Path) -> None:
        self.folder, self.playlist_path = folder, playlist_path
        self.playlist: Playlist = recording_playlist.read(playlist_path.read_text())
        self.unreadable: dict[str, str] = {}
        """Sentences about segments that could not be read at all, by name."""
        self.decoded: dict[str, tuple[int, str]] = {}
        """Frames that came out of each segment and what ffmpeg complained of, by name, once it was decoded."""
        self._watched: dict[tuple[str, ...], Watched] = {}

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest, where there is one."""
        path = self.folder / MANIFEST_NAME
        return Manifest.model_validate_json(path.read_bytes()) if path.exists() else None

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The segments that can be read, in the playlist's order."""
        present = [entry for entry in self.playlist.entries if (self.folder / entry.name).is_file()]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            probed = list(pool.map(self._probe, present))
        parts: list[Part] = []
        for entry, segment in zip(present, probed, strict=True):
            if segment is None:
                continue
            last = parts[-1] if parts else None
            if last is None:
                stretch, base = 0, segment.video.start
            elif entry.discontinuity:
                stretch = last.stretch + 1
                base = segment.video.start - (last.segment.video.end - last.base)
            else:
                stretch, base = last.stretch, last.base
            parts.append(Part(entry=entry, segment=segment, stretch=stretch, base=base))
        return tuple(parts)

    @property
    def streams(self) -> Streams:
        """What the recording's first segment holds."""
        if not self.parts:
            raise RecordingError(f"no segment in {self.folder} can be read: {list(self.unreadable.values())}")
        return self.parts[0].segment.streams

    @property
    def seconds(self) -> float:
        """How long it is, by what its packets say."""
        return sum(part.segment.video.end - part.segment.video.start for part in self.parts)

    @property
    def frames_per_second(self) -> float:
        """Pictures by the second, counted."""
        return sum(len(part.segment.video.pts) for part in self.parts) / self.seconds if self.parts else 0.0

    @property
    def keyframe_seconds(self) -> float:
        """The longest time from one keyframe to the next, or to the segment's end: what a player may have to skip."""
        longest = 0.0
        for part in self.parts:
            video = part.segment.video
            moments = np.append(np.sort(video.pts[video.key]), video.end)
            longest = max(longest, float(np.diff(moments).max(initial=0.0)))
        return longest

    def problems(
        self,
        *,
        ended: bool = True,
        people: Sequence[Any] = (),
        hole_seconds: float = 0.0,
        strays: bool = False,
    ) -> list[str]:
        """Say all that is wrong with the recording, as sentences.

        Args:
            ended: whether it should be finished: ENDLIST there, manifest complete.
            people: those whom the caller will look for, so that what is decoded here serves that as well.
            hole_seconds: up to which pictures may be missing within a segment: a machine without a free core
                makes a recorder leave some out, which is no damage. Sound may never be missing.
            strays: whether segments may lie beside the playlist that no list names.
        """
        self.watch(people)
        return recording_checks.problems(self, ended=ended, hole_seconds=hole_seconds, strays=strays)

    def watch(self, people: Sequence[Any]) -> Watched:
        """Decode every segment by itself and look for `people` in each frame."""
        key = tuple(f"{person.identity} {person.hue} {person.width}x{person.height}" for person in people)
        if key not in self._watched and not (not people and self._watched):
            self._watched[key] = self._watch(people)
        return self._watched.get(key) or next(iter(self._watched.values()))

    def stretches(self) -> Iterator[list[Part]]:
        """Give the parts between discontinuities."""
        for number in range(self.parts[-1].stretch + 1 if self.parts else 0):
            yield [part for part in self.parts if part.stretch == number]

    @cached_property
    def sound(self) -> tuple[Sound, ...]:
        """The decoded sound, one piece for each stretch between discontinuities."""
        return tuple(hear(stretch) for stretch in self.stretches())

    def part_at(self, at: float) -> Part:
        """Return the segment that shows media second `at`."""
        started = [part for part in self.parts if part.start <= at + 1e-6]
        if not started or at > self.parts[-1].segment.video.end - self.parts[-1].base:
            raise RecordingError(f"{at:.3f} s is outside of the recording of {self.seconds:.3f} s")
        return started[-1]

    def save_frame(self, picture: Path, *, at: float) -> None:
        """Save the picture at media second `at` as a PNG."""
        part = self.part_at(at)
        recording_media.save_frame(part.segment.path, seconds=at - part.start, picture=picture)

    def _probe(self, entry: Entry) -> recording_media.Segment | None:
        try:
            return recording_media.probe(self.folder / entry.name)
        except recording_media.MediaError as problem:
            self.unreadable[entry.name] = str(problem)
            return None

    def _watch(self, people: Sequence[Any]) -> Watched:
        if not self.parts:
            return Watched(times=np.empty(0), walls=np.empty(0), people={})
        small = (SMALL_PICTURE if len(people) <= FEW_PEOPLE else WIDE_PICTURE) if people else TINY_PICTURE
        width = min(self.streams.width, small)
        height = max(4, self.streams.height * width // self.streams.width // 4 * 4)

        def look(part: Part) -> list[Sightings]:
            frames, complaint = recording_media.decode(part.segment.path, width=width, height=height)
            self.decoded[part.entry.name] = (len(frames.luma), complaint)
            return recording_picture.look(frames, people)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            seen = list(pool.map(look, self.parts))
        times, walls = [], []
        for part in self.parts:
            # a damaged segment gives fewer pictures than it has packets: problems() says so
            shown = part.frame_times()[: self.decoded[part.entry.name][0]]
            times.append(shown)
            begin = part.entry.at.timestamp() if part.entry.at else float("nan")
            walls.append(shown - part.start + begin)
        return Watched(
            times=np.concatenate(times),
            walls=np.concatenate(walls),
            people={
                person.identity: recording_picture.joined([of_part[place] for of_part in seen])
                for place, person in enumerate(people)
            },
        )


def load(folder: Path) -> Recording:
    """Read a downloaded recording.

    Raises:
        RecordingError: where there is not exactly one media playlist in the folder.
    """
    found = [path for path in sorted(folder.glob("*.m3u8")) if "#EXT-X-STREAM-INF" not in path.read_text()]
    if len(found) != 1:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise RecordingError(f"{folder} has {len(found)} media playlists instead of one; it holds {there}")
    return Recording(folder, found[0])
