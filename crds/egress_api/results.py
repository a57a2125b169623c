"""What a recorder tells the operator: while it runs (`GET /status`) and at its end (termination message).

Written by the recorder and read by the operator with this same code. Kubernetes cuts a termination message
at 4096 bytes, so a summary drops gaps, oldest first, then files until it fits; the manifest has all. Reading
survives everything that can stand there: nothing, half a text, another program's words.
"""

from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import Field, ValidationError

from egress_api.base import PreciseMoment, Tolerant
from egress_api.page import PageReport
from egress_api.status import Gap, OutputFile

MAX_TERMINATION_BYTES: Final = 3500
_STEP_CHARACTERS: Final = 80
"""Of a step's sentence in a termination message."""


class RecorderPhase(StrEnum):
    """How far a recorder is."""

    STARTING = "starting"
    RECORDING = "recording"
    FINALIZING = "finalizing"
    ENDED = "ended"


class RecorderReport(Tolerant):
    """What both messages say."""

    v: Literal[1] = 1
    attempt: int = Field(ge=1)
    joined_at: PreciseMoment | None = Field(None, description="When this attempt joined its source.")
    first_frame_at: PreciseMoment | None = Field(None, description="The task's first frame, of any attempt.")
    recorded_seconds: float = Field(0, ge=0, description="Seconds in the playlist, all attempts together.")
    files: list[OutputFile] = Field(default_factory=list)
    files_total: int = Field(0, ge=0)
    manifest_uri: str | None = None
    gaps: list[Gap] = Field(default_factory=list, description="The newest gaps, all attempts together.")
    lost_seconds: float = Field(0.0, ge=0, description="All gaps together, pauses not counted.")
    page: PageReport | None = Field(None, description="How far the page is, with layout freestyle.")
    message: str = Field("", description="A sentence for people.")


class LiveReport(RecorderReport):
    """The body of the recorder's `GET /status`."""

    phase: RecorderPhase
    pending_bytes: int = Field(0, ge=0, description="Recorded but not in the store yet.")
    upload_error: str = Field(
        "", description="Why the last try to upload failed; empty once one has worked again."
    )
    upload_reason: str = Field(
        "", description="A word of `Reason` for that: StoreUnreachable or StoreRefused.", max_length=64
    )
    paused: bool = Field(False, description="Whether what comes now is left out, as asked.")
    participants: int = Field(0, ge=0, description="People in the picture or in the sound now.")


def _briefly(page: PageReport) -> PageReport:
    # The conditions have had the sentences from /status; three long ones would leave no room for the files.
    steps = {name: getattr(page, name) for name in ("loaded", "ready", "first_frame")}
    return page.model_copy(
        update={
            name: step.model_copy(update={"message": step.message[:_STEP_CHARACTERS]})
            for name, step in steps.items()
            if step is not None
        }
    )


class Outcome(StrEnum):
    """Whether the recorder did what it was there for."""

    STOPPED = "stopped"
    FAILED = "failed"


class TerminationSummary(RecorderReport):
    """The termination message: the recorder's last words."""

    outcome: Outcome
    reason: str = Field(description="A word of `Reason`.", max_length=64)
    retryable: bool = Field(False, description="Whether another attempt could do better.")
    uploaded: bool = Field(description="Whether every object was verified in the store.")
    ended_at: PreciseMoment

    def to_message(self) -> str:
        """Return the text to write, at most `MAX_TERMINATION_BYTES` of UTF-8."""
        summary = self.model_copy(update={"message": self.message[:500]})
        if self.page is not None:
            summary = summary.model_copy(update={"page": _briefly(self.page)})
        while True:
            text = summary.model_dump_json(by_alias=True, exclude_none=True)
            if len(text.encode()) <= MAX_TERMINATION_BYTES or not (summary.gaps or summary.files):
                return text
            shorter = {"gaps": summary.gaps[1:]} if summary.gaps else {"files": summary.files[:-1]}
            summary = summary.model_copy(update=shorter)

    @classmethod
    def from_message(cls, text: str | None) -> Self | None:
        """Return the summary in `text`, or None where there is none to be read."""
        try:
            return cls.model_validate_json(text or "")
        except ValidationError:
            return None
