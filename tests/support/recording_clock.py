"""What clocks say about a recording: the people's own, which is burnt into their pictures, and the playlist's.

In: a `Recording`, a task's status, and people who showed their clock all along. Out: sentences. A recording that has
lost nothing but what its gaps say shows each instant where the playlist's clock says that it is.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from egress_api.states import GapReason
from egress_api.status import MAX_GAPS, Gap
from support.recording_media import Floats
from support.recording_picture import MODULUS, NO_STAMP, Sightings

if TYPE_CHECKING:
    from support.recording import Part, Recording

LATENCY_LIMIT_SECONDS = 1.0
"""From the instant that a picture shows to the one at which the recording has it: capture, network and mixer. It is
0.08 to 0.22 s on an idle machine and 0.6 s on one with ten times more to do than it has cores."""
TOLERANCE_SECONDS = 0.15
"""By which a segment's middle picture may be off that constant, also right behind a gap."""
STRAY_SECONDS = 0.35
"""By which any picture may be off beyond that: a busy node paints and sends some late."""
STRAY_SHARE = 0.02
ROUNDING_SECONDS = 0.05
"""Between two accounts of the same gap: PROGRAM-DATE-TIME and EXTINF pass through milliseconds."""


def clock_problems(
    recording: "Recording",
    *,
    people: Sequence[Any],
    tolerance: float = TOLERANCE_SECONDS,
    away: bool = False,
) -> list[str]:
    """Hold what each frame shows of people's clocks against PROGRAM-DATE-TIME, segment by segment.

    A picture is late by a constant, which is the recording's own: the middle of all its pictures.

    Args:
        recording: what was recorded.
        people: who showed their clock.
        tolerance: by which a segment's middle picture may be off that constant.
        away: whether people may be out of the picture for whole segments, or stand still in it; in the last one
            they must be there, and move.
    """
    watched = recording.watch(people)
    found: list[str] = []
    for identity, sightings in watched.people.items():
        all_late = _lateness(sightings, watched.walls, np.ones(len(watched.times), dtype=bool))
        if not len(all_late):
            found.append(f"{identity}'s clock is nowhere to be read")
            continue
        latency = float(np.median(all_late))
        if not -tolerance <= latency <= LATENCY_LIMIT_SECONDS:
            found.append(f"{identity}'s clock is {latency * 1000:+.0f} ms behind the playlist's all along")
        for part in recording.parts:
            frames = _frames(part, watched.times)
            if away:
                frames &= ~_still(sightings, watched.times)
            late = _lateness(sightings, watched.walls, frames)
            if away and not len(late) and part is not recording.parts[-1]:
                continue
            found += _segment(part.entry.name, identity, late, latency=latency, tolerance=tolerance)
    return found


def gap_problems(
    recording: "Recording",
    status: dict[str, Any],
    *,
    people: Sequence[Any] = (),
    tolerance: float = TOLERANCE_SECONDS,
) -> list[str]:
    """Hold the gaps that manifest and status state against what the playlist's and the people's clocks show."""
    manifest = recording.manifest
    if manifest is None:
        return ["there is no manifest that could state gaps"]
    shown = list(_shown(recording))
    found = [*_same("the manifest", manifest.gaps, shown)]
    told = [Gap.model_validate(gap) for gap in status.get("gaps", [])]
    found += _same("the status", told, manifest.gaps[-MAX_GAPS:])
    lost = sum(gap.seconds for gap in manifest.gaps if gap.reason is not GapReason.PAUSED)
    for who, seconds in (
        ("the manifest", manifest.lost_seconds),
        ("the status", status.get("lostSeconds", 0.0)),
    ):
        if abs(seconds - lost) > ROUNDING_SECONDS * max(1, len(shown)):
            found.append(f"{who} says that {seconds:.3f} s are lost, its gaps add up to {lost:.3f} s")
    for segment in manifest.segments:
        if segment.discontinuity != (segment.gap_reason is not None):
            found.append(f"{segment.name}: jumps: {segment.discontinuity}, its reason: {segment.gap_reason}")
    return [*found, *_jumps(recording, people, tolerance + STRAY_SECONDS)]


def _shown(recording: "Recording") -> Iterator[Gap]:
    """Read the gaps out of the playlist; the reasons are the manifest's to tell."""
    manifest = recording.manifest
    reasons = {segment.name: segment.gap_reason for segment in manifest.segments} if manifest else {}
    for before, after in pairwise(recording.playlist.entries):
        if after.discontinuity and before.at and after.at:
            ended = before.at + timedelta(seconds=before.seconds)
            yield Gap(
                started_at=ended,
                seconds=max(0.0, (after.at - ended).total_seconds()),
                reason=reasons.get(after.name) or GapReason.SEGMENT_LOST,
            )


def _same(who: str, told: Sequence[Gap], shown: Sequence[Gap]) -> Iterator[str]:
    if len(told) != len(shown):
        yield f"{who} states {len(told)} gaps ({_briefly(told)}), there are {len(shown)} ({_briefly(shown)})"
        return
    for one, other in zip(told, shown, strict=True):
        apart = abs((one.started_at - other.started_at).total_seconds())
        if (
            apart > ROUNDING_SECONDS
            or abs(one.seconds - other.seconds) > ROUNDING_SECONDS
            or one.reason is not other.reason
        ):
            yield f"{who} states the gap {_briefly([one])}, it is {_briefly([other])}"


def _briefly(gaps: Sequence[Gap]) -> str:
    return ", ".join(f"{gap.reason} {gap.started_at:%H:%M:%S.%f} {gap.seconds:.3f} s" for gap in gaps)


def _jumps(recording: "Recording", people: Sequence[Any], tolerance: float) -> Iterator[str]:
    """Compare by how much time people's clocks jump over each discontinuity with what the playlist's clock says."""
    if not people:
        return
    watched = recording.watch(people)
    for before, after in pairwise(recording.parts):
        if before.stretch == after.stretch:
            continue
        for identity, sightings in watched.people.items():
            last = _lateness(sightings, watched.walls, _frames(before, watched.times))[-1:]
            first = _lateness(sightings, watched.walls, _frames(after, watched.times))[:1]
            if not len(last) or not len(first):
                yield f"{after.entry.name}: {identity}'s clock can't be read on both sides of the gap before it"
            elif abs(float(first[0] - last[0])) > tolerance:
                yield (
                    f"{after.entry.name}: over the gap before it {identity}'s clock goes"
                    f" {float(last[0] - first[0]):+.3f} s further than the playlist's"
                )


def _frames(part: "Part", times: Floats) -> Any:
    """Tell which frames of the recording are a segment's."""
    own = part.frame_times()
    return (times >= own[0] - 1e-6) & (times <= own[-1] + 1e-6)


def _still(sightings: Sightings, times: Floats) -> Any:
    """Tell which frames show a picture that has stood for longer than a busy machine would hold it."""
    read = np.flatnonzero(sightings.stamps != NO_STAMP)
    still = np.zeros(len(times), dtype=bool)
    if len(read):
        stamps, when = sightings.stamps[read], times[read]
        changed = np.append(True, stamps[1:] != stamps[:-1])
        since = when[np.maximum.accumulate(np.where(changed, np.arange(len(read)), 0))]
        still[read] = when - since > STRAY_SECONDS
    return still


def _lateness(sightings: Sightings, walls: Floats, frames: Any) -> Floats:
    """Return how much later than it says each readable frame is, seconds."""
    read = frames & (sightings.stamps != NO_STAMP)
    late = np.round(walls[read] * 1000).astype(np.int64) - sightings.stamps[read]
    return np.asarray(((late + MODULUS // 2) % MODULUS - MODULUS // 2) / 1000, dtype=np.float64)


def _segment(name: str, identity: str, late: Floats, *, latency: float, tolerance: float) -> Iterator[str]:
    if not len(late):
        yield f"{name}: {identity}'s clock is not to be read in it"
        return
    off = late - latency
    if abs(float(np.median(off))) > tolerance:
        yield (
            f"{name}: {identity}'s clock is {np.median(late) * 1000:+.0f} ms behind the playlist's,"
            f" {latency * 1000:.0f} ms are usual"
        )
    strays = np.abs(off) > tolerance + STRAY_SECONDS
    if strays.mean() > STRAY_SHARE:
        worst = float(off[np.argmax(np.abs(off))])
        yield (
            f"{name}: {int(strays.sum())} of {len(late)} pictures show another instant than {identity}'s clock"
            f" had, the worst by {worst * 1000:+.0f} ms"
        )
