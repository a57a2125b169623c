"""The status of an EgressTask: what the operator found out, and nothing that a user asked for."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from egress_api.base import Moment, PreciseMoment, Tolerant
from egress_api.outbox import WebhookStatus
from egress_api.page import PageStatus
from egress_api.states import ConditionStatus, ConditionType, GapReason, State

MAX_FILES = 50
"""Files listed in a status; the manifest in the store lists every object."""
MAX_GAPS = 50
"""Gaps listed in a status, the newest; the manifest lists all."""
MAX_MESSAGE = 1024


class FileKind(StrEnum):
    """What a listed file is."""

    PLAYLIST = "playlist"
    VIDEO = "video"
    AUDIO = "audio"
    THUMBNAILS = "thumbnails"
    IMAGE = "image"
    SCREENSHOT = "screenshot"
    PAGE_LOG = "page-log"


class OutputFile(Tolerant):
    """An output of the task in the store."""

    name: str = Field(description="File name, without the task's folder.", max_length=255)
    uri: str = Field(description="Where the file is, as a URL of the store.", max_length=2048)
    kind: FileKind = Field(description="What the file is.")
    size_bytes: int = Field(description="Bytes in the store; for a playlist, of all its segments.", ge=0)
    duration_seconds: float = Field(0.0, description="Recorded seconds; 0 for what has none.", ge=0)
    sha256: str | None = Field(
        None, description="SHA-256 of the file, hex, once it no longer changes.", max_length=64
    )


class Gap(Tolerant):
    """A stretch of time that is not in the recording, though it had begun: the playlist has a discontinuity there."""

    started_at: PreciseMoment = Field(description="End of the last picture before it.")
    seconds: float = Field(description="Until the first picture behind it.", ge=0)
    reason: GapReason = Field(description="Why. Paused is as wanted, all others are losses.")


class Verdict(Tolerant):
    """How a task will end, once a last recorder has closed its playlist."""

    state: State = Field(description="STOPPED or FAILED.")
    reason: str = Field(description="Why, as one CamelCase word.", max_length=64)
    message: str = Field("", description="Why, as a sentence.", max_length=MAX_MESSAGE)
    since: Moment = Field(description="When it was decided: the closing has a deadline.")


class Condition(Tolerant):
    """One aspect of the task: `metav1.Condition`."""

    type: ConditionType = Field(description="The aspect.")
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(
        description="One CamelCase word.", min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$"
    )
    message: str = Field("", description="A sentence for people.", max_length=MAX_MESSAGE)
    last_transition_time: Moment = Field(description="When status last changed.")
    observed_generation: int = Field(0, description="The generation of the spec it was found for.", ge=0)


class EgressTaskStatus(Tolerant):
    """Where the task is, why, and what it has made."""

    state: State = Field(
        State.ENQUEUED, description="ENQUEUED, PROCESSING, STOPPING, then STOPPED, FAILED or TIMEOUT."
    )
    reason: str = Field("", description="Why, as one CamelCase word.", max_length=64)
    message: str = Field("", description="Why, as a sentence.", max_length=MAX_MESSAGE)
    source: str | None = Field(
        None, description="What is recorded: the channel, or the page's host.", max_length=253
    )
    attempt: int = Field(
        0, description="Number of the recorder Pod in use, from 1; 0 before the first.", ge=0
    )
    queue_position: int | None = Field(
        None,
        description="While the task waits for a place, how many are before it and itself, from 1; with reason "
        "AppLimitReached among its app's tasks, else among all whose apps may start. Written when it begins to wait "
        "and renewed at most every 30 s, the first in the queue first: further behind it may be older.",
        ge=1,
    )
    free_restarts: int = Field(
        0,
        description="Attempts that the platform ended before recording began; not counted as retries.",
        ge=0,
    )
    pod_name: str | None = Field(None, description="The recorder Pod of this attempt.", max_length=253)
    pod_uid: str | None = Field(None, description="Its UID, once it exists.", max_length=64)
    pod_phase: str | None = Field(None, description="Its phase, copied from the Pod.", max_length=32)
    node_name: str | None = Field(None, description="The node it runs on.", max_length=253)
    observed_generation: int = Field(0, description="The generation of the spec last acted on.", ge=0)
    enqueued_at: Moment | None = Field(None, description="When the operator first saw the task.")
    started_at: Moment | None = Field(None, description="When the recorder had first joined its source.")
    first_frame_at: Moment | None = Field(None, description="When the first frame was recorded.")
    stopped_at: Moment | None = Field(None, description="When the task ended.")
    retry_at: Moment | None = Field(
        None, description="When the next attempt begins, while one is waited for."
    )
    page: PageStatus | None = Field(None, description="The page, with layout freestyle.")
    files: list[OutputFile] = Field(
        default_factory=list, description="Outputs in the store, at most 50.", max_length=MAX_FILES
    )
    files_total: int = Field(0, description="Number of outputs, listed or not.", ge=0)
    manifest_uri: str | None = Field(
        None, description="The manifest, which lists every object with size and SHA-256.", max_length=2048
    )
    gaps: list[Gap] = Field(
        default_factory=list,
        description="Where time is missing in the recording, at most the newest 50.",
        max_length=MAX_GAPS,
    )
    lost_seconds: float = Field(
        0.0, description="Seconds missing in the recording altogether, pauses not counted.", ge=0
    )
    pending_bytes: int = Field(
        0, description="Bytes that wait for a store that is behind; 0 while it keeps up.", ge=0
    )
    verdict: Verdict | None = Field(
        None, description="How the task will end, while a last recorder closes its playlist."
    )
    webhooks: WebhookStatus | None = Field(
        None, description="Events for the app's webhook; absent where it has none."
    )
    conditions: list[Condition] = Field(
        default_factory=list, description="The aspects of the task.", max_length=16
    )

    def condition(self, wanted: ConditionType) -> Condition | None:
        """Return the condition of that type, if it has been set."""
        return next((c for c in self.conditions if c.type is wanted), None)


def with_condition(
    conditions: list[Condition],
    wanted: ConditionType,
    status: ConditionStatus,
    *,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> list[Condition]:
    """Return `conditions` with one set; its transition time moves only when its status does."""
    old = next((c for c in conditions if c.type is wanted), None)
    new = Condition(
        type=wanted,
        status=status,
        reason=reason,
        message=message[:MAX_MESSAGE],
        last_transition_time=now if old is None or old.status is not status else old.last_transition_time,
        observed_generation=generation,
    )
    if old is None:
        return [*conditions, new]
    return [new if c.type is wanted else c for c in conditions]
