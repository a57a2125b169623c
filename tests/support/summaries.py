"""What recorders say, ready made: live reports and termination summaries of one playlist."""

from datetime import UTC, datetime
from typing import Any

from egress_api.results import LiveReport, Outcome, RecorderPhase, TerminationSummary
from egress_api.states import Reason
from egress_api.status import FileKind, OutputFile

START = datetime(2026, 11, 23, 5, 11, 22, tzinfo=UTC)
FOLDER = "s3://recordings/demo/task"


def playlist(*, seconds: float = 8.0) -> OutputFile:
    return OutputFile(
        name="recording.m3u8",
        uri=f"{FOLDER}/recording.m3u8",
        kind=FileKind.PLAYLIST,
        size_bytes=int(seconds * 100_000),
        duration_seconds=seconds,
    )


def live(*, attempt: int = 1, seconds: float = 4.0, **changes: Any) -> LiveReport:
    fields: dict[str, Any] = {
        "attempt": attempt,
        "phase": RecorderPhase.RECORDING,
        "joined_at": START,
        "first_frame_at": START,
        "recorded_seconds": seconds,
        "files": [playlist(seconds=seconds)],
        "files_total": 1,
        "manifest_uri": f"{FOLDER}/manifest.json",
    }
    return LiveReport(**{**fields, **changes})


def summary(
    outcome: Outcome = Outcome.STOPPED,
    reason: str = Reason.STOP_REQUESTED,
    *,
    attempt: int = 1,
    **changes: Any,
) -> TerminationSummary:
    fields: dict[str, Any] = {
        "attempt": attempt,
        "outcome": outcome,
        "reason": reason,
        "uploaded": True,
        "ended_at": START,
        "joined_at": START,
        "first_frame_at": START,
        "recorded_seconds": 8.0,
        "files": [playlist()],
        "files_total": 1,
        "manifest_uri": f"{FOLDER}/manifest.json",
        "message": "as the recorder said",
    }
    return TerminationSummary(**{**fields, **changes})


def failed(
    reason: str, *, retryable: bool = False, joined: bool = False, **changes: Any
) -> TerminationSummary:
    nothing = {} if joined else {"joined_at": None, "first_frame_at": None, "files": [], "files_total": 0}
    return summary(Outcome.FAILED, reason, retryable=retryable, uploaded=joined, **{**nothing, **changes})
