"""Segments that reached the store but no manifest before their Pod was lost: found again and listed.

Each segment carries its facts beside its content, where the store can hold such. The next attempt lists the
folder, and goes on behind what it finds; what can't be listed is left alone under its name, never overwritten.
"""

import re
from datetime import datetime
from typing import Final

from egress_api.base import to_rfc3339_millis
from egress_api.manifest import Manifest, Segment
from egress_api.recorder import RecorderConfig
from egress_api.states import GapReason
from egress_recorder.recording import Recording, SpooledSegment, number_of
from egress_recorder.store import Description, Store

FACT_KEY: Final = "egress"
"""One lower-case word: the only form of a key that every store takes."""
_FACT: Final = re.compile(
    r"v1;(?P<task>[^;]+);(?P<attempt>\d+);(?P<started>[^;]+);(?P<seconds>\d+\.\d+);(?P<jump>[01]|[A-Za-z]+);"
    r"(?P<sha256>[0-9a-f]{64})"
)
_NO_JUMP: Final = "0"
"""Otherwise the reason; 1 where a recorder knew none yet."""

_REASONS: Final = {reason.value: reason for reason in GapReason}


def fact_of(segment: SpooledSegment, config: RecorderConfig, *, sha256: str) -> str:
    """Return the text that goes with a segment's object."""
    started = to_rfc3339_millis(segment.started_at)
    jump = segment.gap_reason or _NO_JUMP
    return f"v1;{config.task_uid};{config.attempt};{started};{segment.seconds:.6f};{jump};{sha256}"


def segment_of(name: str, about: Description, config: RecorderConfig) -> Segment | None:
    """Return the segment that a stored object is, or None when it doesn't say."""
    match = _FACT.fullmatch(about.facts.get(FACT_KEY, ""))
    if match is None or match["task"] != config.task_uid:
        return None
    return Segment(
        index=0,
        name=name,
        attempt=int(match["attempt"]),
        started_at=datetime.fromisoformat(match["started"]),
        duration_seconds=float(match["seconds"]),
        size_bytes=about.size,
        sha256=match["sha256"],
        discontinuity=match["jump"] != _NO_JUMP,
        gap_reason=_REASONS.get(match["jump"]),
        uploaded_at=about.modified,
    )


async def adopt_unlisted(
    store: Store, recording: Recording, config: RecorderConfig, *, earlier: Manifest
) -> tuple[int, int]:
    """List what earlier attempts stored and no manifest tells of; return how many were, and were not, listed.

    Raises:
        StoreError: when the store can't be asked.
    """
    listed = {segment.name for segment in earlier.segments}
    found = [name for name in await store.names() if recording.would_write(name) and number_of(name) >= 0]
    adopted = left = 0
    last = max((number_of(name) for name in listed), default=-1)
    for name in sorted(set(found) - listed, key=number_of):
        segment = segment_of(name, await store.describe(name), config)
        # Only what the last owner recorded, behind what it listed: the rest came from an attempt that had been
        # overtaken and didn't know yet, or was given up, and the playlist has gone on since.
        if segment is None or segment.attempt != earlier.attempt or number_of(name) <= last:
            recording.skip(name)
            left += 1
            continue
        number = number_of(name)
        # What had the numbers between was on the disk that is gone.
        if number != last + 1 and not segment.discontinuity:
            segment = segment.model_copy(
                update={"discontinuity": True, "gap_reason": GapReason.RECORDER_REPLACED}
            )
        recording.adopt(segment)
        last = number
        adopted += 1
    return adopted, left
