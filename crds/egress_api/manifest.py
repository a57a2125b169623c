"""manifest.json: every object of a task, written beside the media and read by the next attempt.

It is the recording's memory: segment numbering, discontinuities and the clock go on from here when a new
Pod takes over. Where a Pod's last words are lost it is the only full list (the operator can't read the store).
"""

from typing import Literal

from pydantic import Field

from egress_api.base import PreciseMoment, Tolerant
from egress_api.states import GapReason
from egress_api.status import Gap, OutputFile


class Segment(Tolerant):
    """One media segment in the store."""

    index: int = Field(ge=0, description="Position in the playlist, from 0, without gaps.")
    name: str
    attempt: int = Field(ge=1, description="The attempt that recorded it.")
    started_at: PreciseMoment = Field(description="Wall clock of its first frame.")
    duration_seconds: float = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: str
    discontinuity: bool = Field(False, description="Whether the timeline jumps before it.")
    gap_reason: GapReason | None = Field(None, description="Why, where it does.")
    uploaded_at: PreciseMoment


class Manifest(Tolerant):
    """The content of manifest.json."""

    v: Literal[1] = 1
    task_id: str
    task_uid: str
    app_id: str
    attempt: int = Field(ge=1, description="The attempt that wrote it: a later one fences off an earlier.")
    created_at: PreciseMoment
    first_frame_at: PreciseMoment | None = None
    complete: bool = Field(False, description="Whether the recording has ended and every object is verified.")
    reason: str = Field("", description="Why it ended, once it has.")
    segment_seconds: int
    files: list[OutputFile] = Field(default_factory=list)
    gaps: list[Gap] = Field(default_factory=list, description="Where time is missing between segments.")
    lost_seconds: float = Field(0.0, ge=0, description="Their sum, pauses not counted.")
    segments: list[Segment] = Field(default_factory=list)
