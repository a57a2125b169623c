"""What can end a capture, and the exit code that says so.

    CaptureError            .reason .message → `ended` event, exit code
    ├── ConfigError         the first line of stdin is not a capture config (64: trying again is no use)
    ├── JoinRefused         the token, its rights or the channel (64)
    ├── SourceUnreachable   nobody answers, not in time, or no longer (65: worth joining again)
    ├── SourceClosed        it was there and is gone for good (66)
    ├── IdentityTaken       somebody else joined under the recorder's identity (67)
    └── PipelineError       media or disk failed here (70)

Messages are sentences for a person who starts recordings; they never hold a token.
"""

from enum import StrEnum
from typing import ClassVar, assert_never


class EndReason(StrEnum):
    """Why a capture ended, as the `ended` event says it."""

    STOPPED = "Stopped"
    JOIN_REFUSED = "JoinRefused"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_CLOSED = "SourceClosed"
    IDENTITY_TAKEN = "IdentityTaken"
    PIPELINE_ERROR = "PipelineError"

    @property
    def exit_code(self) -> int:
        """Give the process's exit code (sysexits.h where one fits)."""
        match self:
            case EndReason.STOPPED:
                return 0
            case EndReason.JOIN_REFUSED:
                return 64
            case EndReason.SOURCE_UNREACHABLE:
                return 65
            case EndReason.SOURCE_CLOSED:
                return 66
            case EndReason.IDENTITY_TAKEN:
                return 67
            case EndReason.PIPELINE_ERROR:
                return 70
            case _:
                assert_never(self)


class CaptureError(Exception):
    """A capture cannot go on."""

    reason: ClassVar[EndReason] = EndReason.PIPELINE_ERROR

    @property
    def message(self) -> str:
        """The sentence for the `ended` event."""
        return str(self)


class ConfigError(CaptureError):
    """The capture config does not say what to capture."""

    reason = EndReason.JOIN_REFUSED


class JoinRefused(CaptureError):  # noqa: N818 - the reason's own name, as users read it
    """The source answered and said no."""

    reason = EndReason.JOIN_REFUSED


class SourceUnreachable(CaptureError):  # noqa: N818 - see JoinRefused
    """The source did not answer in time, or the connection to it was lost."""

    reason = EndReason.SOURCE_UNREACHABLE


class SourceClosed(CaptureError):  # noqa: N818 - see JoinRefused
    """The source ended the session."""

    reason = EndReason.SOURCE_CLOSED


class IdentityTaken(CaptureError):  # noqa: N818 - see JoinRefused
    """Somebody else is in the channel under the recorder's identity: joining again would throw them out."""

    reason = EndReason.IDENTITY_TAKEN


class PipelineError(CaptureError):
    """GStreamer or the spool's disk failed."""
