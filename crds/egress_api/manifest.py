"""manifest.json: every object of a task, written beside the media and read by the next attempt.

It is the recording's memory: segment numbering, discontinuities and the clock go on from here when a new
Pod takes over. Where a Pod's last words are lost it is the only full list (the operator can't read the store). And it
outlives the task's resource: what the task was and how it ended stand here too, but nothing secret.
"""

from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from egress_api.base import PreciseMoment, Tolerant
from egress_api.media import Audio, CanvasRegion, Layout, Output, OutputFormat, Video
from egress_api.page import StartRule
from egress_api.placement import Place
from egress_api.states import GapReason, State
from egress_api.status import Gap, OutputFile

SEGMENTS_KEY: Final = b',"segments":[\n'
"""Where the list begins that grows with the recording; all else stands before it. A line's end is in no JSON text."""


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


class Asked(Tolerant):
    """What the task was asked for."""

    namespace: str = Field("", description="Where the task stood; older recorders did not say.")
    request_id: str | None = Field(None, description="The id of the request that made it, if one did.")
    created_at: PreciseMoment = Field(description="When the task was made.")
    layout: Layout
    channel: str | None = None
    users: list[str] = Field(default_factory=list)
    regions: list[CanvasRegion] = Field(default_factory=list)
    url: str | None = Field(None, description="The page without its query and fragment: keys stand there.")
    web_gl: bool = Field(False, alias="webGL")
    start: StartRule = Field(default_factory=StartRule)
    format: OutputFormat
    outputs: list[Output] = Field(default_factory=list)
    video: Video
    audio: Audio
    placement: Place | None = Field(None, description="Where it was asked to record, if it was.")


class End(Tolerant):
    """How the task ended, as its last recorder knew it."""

    state: State = Field(description="STOPPED or FAILED.")
    reason: str = Field(max_length=64, description="A word of `Reason`.")
    message: str = Field("", description="A sentence for people.")
    at: PreciseMoment


class Manifest(Tolerant):
    """The content of manifest.json."""

    v: Literal[1] = 1
    task_id: str
    task_uid: str
    app_id: str
    attempt: int = Field(ge=1, description="The attempt that wrote it: a later one fences off an earlier.")
    created_at: PreciseMoment
    asked: Asked | None = Field(
        None,
        description="What was asked for; absent from older recorders, and unreadable where it has words of a newer one.",
    )
    joined_at: PreciseMoment | None = Field(None, description="When a recorder had first joined the source.")
    first_frame_at: PreciseMoment | None = None
    complete: bool = Field(False, description="Whether the recording has ended and every object is verified.")
    reason: str = Field("", description="Why it ended, once it has.")
    end: End | None = Field(
        None, description="How it ended, once it has; absent and unreadable as `asked` is."
    )
    segment_seconds: int
    files: list[OutputFile] = Field(default_factory=list)
    gaps: list[Gap] = Field(default_factory=list, description="Where time is missing between segments.")
    lost_seconds: float = Field(0.0, ge=0, description="Their sum, pauses not counted.")
    segments: list[Segment] = Field(default_factory=list)

    @field_validator("asked", "end", mode="wrap")
    @classmethod
    def _only_told(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        # Nothing rests on these two: a recording goes on whatever words a newer recorder has for them.
        try:
            return read(value)
        except ValidationError:
            return None

    @classmethod
    def from_head(cls, head: bytes) -> Self | None:
        """Return the manifest whose first bytes these are, without its segments; None where they are none.

        A day's recording has megabytes of segments: whoever asks only what the recording is need not read them.
        """
        start, found, _ = head.partition(SEGMENTS_KEY)
        try:
            # Also within `video` and `audio`, which are strict for users: a newer recorder may say more.
            return cls.model_validate_json(start + b"}" if found else head, extra="ignore")
        except ValidationError:
            return None


def without_query(url: str) -> str:
    """Return a page's URL as it may stand where players read: without query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
