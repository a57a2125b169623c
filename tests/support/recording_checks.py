"""All the rules that a recording is held against; each finding is a sentence that names the segment.

In: a `Recording` whose segments have been decoded (`Recording.problems` sees to that). Out: sentences. What is
merely a figure (latency, offset, who is visible) is not judged here: the test that asked for it knows what is right.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from egress_api.manifest import Manifest
from support import recording_media, recording_playlist

if TYPE_CHECKING:
    from support.recording import Part, Recording

ROUNDING_SECONDS = 0.002
"""Times pass through milliseconds (PROGRAM-DATE-TIME) and 1/90000 s (MPEG-TS)."""
AUDIO_FRAME_SECONDS = recording_media.AAC_FRAME / recording_media.AUDIO_RATE
LENGTH_TOLERANCE_SECONDS = 0.1
"""By which sound and picture of a stretch may differ in length."""


def problems(
    recording: "Recording", *, ended: bool, hole_seconds: float = 0.0, strays: bool = False
) -> list[str]:
    """Return everything that is wrong, the playlist's faults first."""
    return [
        *recording_playlist.problems(recording.playlist, ended=ended),
        *_files(recording, ended=ended and not strays),
        *(f"{name}: cannot be read: {why}" for name, why in recording.unreadable.items()),
        *(problem for part in recording.parts for problem in _alone(recording, part, hole_seconds)),
        *(
            problem
            for before, after in pairwise(recording.parts)
            for problem in _joint(before, after, hole_seconds)
        ),
        *(problem for stretch in recording.stretches() for problem in _lengths(stretch)),
        *_manifest(recording, ended=ended),
    ]


def _files(recording: "Recording", *, ended: bool) -> Iterator[str]:
    listed = {entry.name for entry in recording.playlist.entries}
    for name in sorted(listed):
        if not (recording.folder / name).is_file():
            yield f"{name}: the playlist lists it, but there is no such file"
    if ended:
        for path in sorted(recording.folder.glob("*.ts")):
            if path.name not in listed:
                yield f"{path.name}: lies beside the playlist, which does not list it"


def _alone(recording: "Recording", part: "Part", hole_seconds: float) -> Iterator[str]:
    """What can be said about a segment without its neighbours."""
    name, segment, video = part.entry.name, part.segment, part.segment.video
    frame = _frame_seconds(part)
    opening = recording_media.opening_problem(segment.path)
    if opening:
        yield f"{name}: {opening}"
    count, complaint = recording.decoded[name]
    if complaint:
        yield f"{name}: ffmpeg complains: {' / '.join(complaint.splitlines()[:3])}"
    if count != len(video.pts):
        yield f"{name}: {count} of its {len(video.pts)} pictures decode"
    if segment.video_count != 1 or segment.audio_count != 1:
        yield f"{name}: has {segment.video_count} video and {segment.audio_count} audio streams"
    lasts = video.end - video.start
    if abs(part.entry.seconds - lasts) > max(frame, hole_seconds) + ROUNDING_SECONDS:
        yield f"{name}: EXTINF is {part.entry.seconds:.3f} s, its pictures last {lasts:.3f} s"
    for kind, packets, longest, allowed in (
        ("picture", video, frame, max(frame, hole_seconds)),
        ("sound", segment.audio, AUDIO_FRAME_SECONDS, AUDIO_FRAME_SECONDS),
    ):
        if (np.diff(packets.dts) <= 0).any():
            yield f"{name}: the {kind}'s decoding times do not increase"
        holes = np.diff(np.sort(packets.pts)) - longest
        wide = holes[holes > allowed + ROUNDING_SECONDS]
        if len(wide):
            yield f"{name}: the {kind} has {len(wide)} holes, the longest of {wide.max() * 1000:.0f} ms"


def _joint(before: "Part", after: "Part", hole_seconds: float) -> Iterator[str]:
    """What can be said about two segments that follow one another."""
    first_streams, second_streams = asdict(before.segment.streams), asdict(after.segment.streams)
    if hole_seconds:  # ffprobe guesses the rate from the pictures that are there
        first_streams["frame_rate"] = second_streams["frame_rate"]
    if first_streams != second_streams and not after.entry.discontinuity:
        yield (
            f"{after.entry.name}: its streams differ from those of {before.entry.name}:"
            f" {after.segment.streams} after {before.segment.streams}"
        )
    if before.stretch != after.stretch:
        return
    old, new = before.segment, after.segment
    for kind, first, second, allowed in (
        ("picture", old.video, new.video, max(_frame_seconds(after), hole_seconds)),
        ("sound", old.audio, new.audio, AUDIO_FRAME_SECONDS),
    ):
        gap = second.start - first.end
        if abs(gap) > allowed + ROUNDING_SECONDS:
            word = "a hole" if gap > 0 else "an overlap"
            yield f"{after.entry.name}: {word} of {abs(gap) * 1000:.0f} ms in the {kind} after {before.entry.name}"
        if second.dts[0] <= first.dts[-1]:
            yield f"{after.entry.name}: the {kind}'s decoding times go back after {before.entry.name}"


def _lengths(stretch: "list[Part]") -> Iterator[str]:
    first, last = stretch[0].segment, stretch[-1].segment
    begin = first.audio.start - first.video.start
    end = last.audio.end - last.video.end
    for word, difference in (("begins", begin), ("ends", end)):
        if abs(difference) > LENGTH_TOLERANCE_SECONDS:
            side = "after" if difference > 0 else "before"
            yield (
                f"{(stretch[0] if word == 'begins' else stretch[-1]).entry.name}:"
                f" the sound {word} {abs(difference) * 1000:.0f} ms {side} the picture"
            )


def _manifest(recording: "Recording", *, ended: bool) -> Iterator[str]:
    manifest = recording.manifest
    if manifest is None:
        yield f"there is no manifest in {recording.folder}"
        return
    if manifest.complete != ended:
        yield f"the manifest says complete: {manifest.complete}, it should be {ended}"
    listed = [entry.name for entry in recording.playlist.entries]
    told = [segment.name for segment in manifest.segments]
    if told != listed and not (not ended and told[: len(listed)] == listed):
        yield f"the manifest's segments {told} are not the playlist's {listed}"
    if [segment.index for segment in manifest.segments] != list(range(len(told))):
        yield "the manifest's segments are not numbered from 0 without gaps"
    yield from _manifest_segments(recording, manifest)
    yield from _manifest_playlist(recording, manifest, ended=ended)


def _manifest_segments(recording: "Recording", manifest: Manifest) -> Iterator[str]:
    entries = {entry.name: entry for entry in recording.playlist.entries}
    for segment in manifest.segments:
        path, entry = recording.folder / segment.name, entries.get(segment.name)
        if path.is_file():
            data = path.read_bytes()
            if len(data) != segment.size_bytes:
                yield f"{segment.name}: the manifest says {segment.size_bytes} bytes, the file has {len(data)}"
            elif hashlib.sha256(data).hexdigest() != segment.sha256:
                yield f"{segment.name}: the manifest's SHA-256 is another file's"
        if entry is None:
            continue
        if abs(segment.duration_seconds - entry.seconds) > ROUNDING_SECONDS:
            yield (
                f"{segment.name}: the manifest says {segment.duration_seconds:.3f} s,"
                f" the playlist {entry.seconds:.3f} s"
            )
        if entry.at and abs((segment.started_at - entry.at).total_seconds()) > ROUNDING_SECONDS:
            yield f"{segment.name}: the manifest says it began at {segment.started_at}, the playlist {entry.at}"
        if segment.discontinuity != entry.discontinuity:
            yield f"{segment.name}: manifest and playlist do not agree on whether the timeline jumps before it"


def _manifest_playlist(recording: "Recording", manifest: Manifest, *, ended: bool) -> Iterator[str]:
    name = recording.playlist_path.name
    listed = next((file for file in manifest.files if file.name == name), None)
    if listed is None:
        if ended:
            yield f"the manifest does not list {name} among its files"
        return
    data = recording.playlist_path.read_bytes()
    if ended and listed.sha256 != hashlib.sha256(data).hexdigest():
        yield f"{name}: the manifest's SHA-256 is {(listed.sha256 and 'another file’s') or 'missing'}"
    if ended and abs(listed.duration_seconds - recording.playlist.seconds) > ROUNDING_SECONDS * max(
        1, len(recording.playlist.entries)
    ):
        yield (
            f"{name}: the manifest says {listed.duration_seconds:.3f} s, its segments add up to"
            f" {recording.playlist.seconds:.3f} s"
        )
    sizes = sum(segment.size_bytes for segment in manifest.segments)
    if ended and listed.size_bytes != sizes:
        yield f"{name}: the manifest says {listed.size_bytes} bytes, its segments add up to {sizes}"


def _frame_seconds(part: "Part") -> float:
    rate = part.segment.streams.frame_rate
    return 1 / rate if rate else AUDIO_FRAME_SECONDS
