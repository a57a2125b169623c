"""What is known while the recorder runs: read by /status, /metrics and the probes, written by the flow.

Pure state and the two reports made of it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from egress_api.constants import MANIFEST_NAME
from egress_api.media import Layout
from egress_api.recorder import RecorderConfig
from egress_api.results import LiveReport, RecorderPhase, TerminationSummary
from egress_api.status import MAX_GAPS
from egress_recorder.ending import Ending
from egress_recorder.errors import StoreError
from egress_recorder.page import PageProgress
from egress_recorder.people import People
from egress_recorder.recording import Recording, object_uri

_LIVE_ALONE: Final = (set(LiveReport.model_fields) - set(TerminationSummary.model_fields)) | {"message"}


class Uploads(Protocol):
    """What is to be known of the uploads."""

    last_error: StoreError | None
    """Why the newest try failed; None once one has worked."""


@dataclass(slots=True)
class Live:
    """The facts of this attempt."""

    config: RecorderConfig
    people: People
    beat_at: float
    """Monotonic seconds at which the main flow last moved."""
    phase: RecorderPhase = RecorderPhase.STARTING
    recording: Recording | None = None
    uploads: Uploads | None = None
    claimed: bool = False
    """Whether the manifest in the store is ours."""
    joined_at: datetime | None = None
    joined_mono: float | None = None
    """The same in monotonic seconds."""
    producing: bool = False
    """Whether this attempt's pipeline has produced a frame."""
    message: str = "The recorder starts."
    frames: int = 0
    dropped: int = 0
    warnings: int = 0
    restarts: int = 0
    upload_failures: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    playlist_sha256: str | None = None
    dropping: str = ""
    """What the spool has no room for, as a sentence."""
    page: PageProgress = field(default_factory=PageProgress)

    @property
    def ready(self) -> bool:
        """Whether it has joined and encoded a picture; it stays so while a dead capture is replaced."""
        return self.joined_at is not None and self.producing

    def status(self) -> LiveReport:
        """Return the body of /status."""
        book = self.recording
        files = book.files(playlist_sha256=self.playlist_sha256) if book else []
        error = self.uploads.last_error if self.uploads else None
        return LiveReport(
            attempt=self.config.attempt,
            joined_at=self.joined_at,
            first_frame_at=book.first_frame_at if book else None,
            recorded_seconds=book.listed_seconds if book else 0.0,
            files=files,
            files_total=len(files),
            manifest_uri=self._manifest_uri(),
            gaps=book.gaps[-MAX_GAPS:] if book else [],
            lost_seconds=book.lost_seconds if book else 0.0,
            message=f"{self.message} {self.dropping}".rstrip(),
            page=self.page.report() if self.config.layout is Layout.FREESTYLE else None,
            phase=self.phase,
            pending_bytes=book.pending_bytes if book else 0,
            upload_error=str(error or ""),
            upload_reason=error.reason if error else "",
            paused=book.paused if book else False,
            participants=self.people.active,
        )

    def summary(self, ending: Ending, *, uploaded: bool, now: datetime) -> TerminationSummary:
        """Return the last words."""
        said = self.status().model_dump(exclude=_LIVE_ALONE)
        return TerminationSummary(
            **said,
            message=ending.message,
            outcome=ending.outcome,
            reason=ending.reason,
            retryable=ending.retryable,
            uploaded=uploaded,
            ended_at=now,
        )

    def _manifest_uri(self) -> str | None:
        return object_uri(self.config, MANIFEST_NAME) if self.claimed else None
