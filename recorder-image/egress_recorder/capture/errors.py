"""What can end a capture, and the exit code that says so.

    CaptureError            .reason .message → `ended` event, exit code
    ├── ConfigError         the first line of stdin is not a capture config (64: trying again is no use)
    ├── JoinRefused         the token, its rights or the channel (64)
    ├── SourceUnreachable   nobody answers, not in time, or no longer (65: worth joining again)
    ├── SourceClosed        it was there and is gone for good (66)
    ├── IdentityTaken       somebody else joined under the recorder's identity (67)
    ├── PipelineError       media, browser, display or sound server failed here (70)
    ├── DiskFull            the spool's disk has no room for the next bytes (71: no use before some is made)
    ├── PageEnded           the page said that it is over (80)
    ├── PageForbidden       its address, or one it leads to, is not allowed (81)
    ├── PageUnreachable     no address, no connection, no answer (82: may do better later)
    ├── PageInsecure        TLS failed (83)
    ├── PageHttpError       it answered, and not with a page (84)
    ├── PageNotReady        the start rule was not met in time (85)
    ├── PageCrashed         it broke its browser tab again and again (86)
    ├── PageHung            it answers nothing any more (87: a new browser may do better)
    └── SandboxUnavailable  the browser's sandbox is demanded and can't hold here (88)

Messages are sentences for a person who starts recordings; they never hold a token.
"""

from enum import StrEnum
from typing import ClassVar


class EndReason(StrEnum):
    """Why a capture ended, as the `ended` event says it."""

    STOPPED = "Stopped"
    JOIN_REFUSED = "JoinRefused"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_CLOSED = "SourceClosed"
    IDENTITY_TAKEN = "IdentityTaken"
    PIPELINE_ERROR = "PipelineError"
    DISK_FULL = "DiskFull"

    PAGE_ENDED = "PageEnded"
    PAGE_FORBIDDEN = "PageForbidden"
    PAGE_UNREACHABLE = "PageUnreachable"
    PAGE_INSECURE = "PageInsecure"
    PAGE_HTTP_ERROR = "PageHttpError"
    PAGE_NOT_READY = "PageNotReady"
    PAGE_CRASHED = "PageCrashed"
    PAGE_HUNG = "PageHung"
    SANDBOX_UNAVAILABLE = "SandboxUnavailable"

    @property
    def exit_code(self) -> int:
        """Give the process's exit code (sysexits.h where one fits)."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    EndReason.STOPPED: 0,
    EndReason.JOIN_REFUSED: 64,
    EndReason.SOURCE_UNREACHABLE: 65,
    EndReason.SOURCE_CLOSED: 66,
    EndReason.IDENTITY_TAKEN: 67,
    EndReason.PIPELINE_ERROR: 70,
    EndReason.DISK_FULL: 71,
    EndReason.PAGE_ENDED: 80,
    EndReason.PAGE_FORBIDDEN: 81,
    EndReason.PAGE_UNREACHABLE: 82,
    EndReason.PAGE_INSECURE: 83,
    EndReason.PAGE_HTTP_ERROR: 84,
    EndReason.PAGE_NOT_READY: 85,
    EndReason.PAGE_CRASHED: 86,
    EndReason.PAGE_HUNG: 87,
    EndReason.SANDBOX_UNAVAILABLE: 88,
}


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
    """GStreamer, the browser, its display or its sound server failed."""


class DiskFull(CaptureError):  # noqa: N818 - see JoinRefused
    """The spool cannot take what is recorded; all that was written before is reported or can be salvaged."""

    reason = EndReason.DISK_FULL


class PageEnded(CaptureError):  # noqa: N818 - see JoinRefused
    """The page logged END_RECORDING.

    Args:
        message: the sentence.
        at: when it did, in nanoseconds of CLOCK_MONOTONIC: nothing later is recorded.
    """

    reason = EndReason.PAGE_ENDED

    def __init__(self, message: str, *, at: int) -> None:
        super().__init__(message)
        self.at = at


class PageForbidden(CaptureError):  # noqa: N818 - see JoinRefused
    """The page, or where it leads, is not allowed by the rules for addresses."""

    reason = EndReason.PAGE_FORBIDDEN


class PageUnreachable(CaptureError):  # noqa: N818 - see JoinRefused
    """The page's host has no address, refuses, or does not answer."""

    reason = EndReason.PAGE_UNREACHABLE


class PageInsecure(CaptureError):  # noqa: N818 - see JoinRefused
    """TLS with the page's host failed."""

    reason = EndReason.PAGE_INSECURE


class PageHttpError(CaptureError):
    """The host answered with an error, with redirects without end, or with something that is no page."""

    reason = EndReason.PAGE_HTTP_ERROR


class PageNotReady(CaptureError):  # noqa: N818 - see JoinRefused
    """The start rule was not met in time."""

    reason = EndReason.PAGE_NOT_READY


class PageCrashed(CaptureError):  # noqa: N818 - see JoinRefused
    """The page broke its tab more often than it may."""

    reason = EndReason.PAGE_CRASHED


class PageHung(CaptureError):  # noqa: N818 - see JoinRefused
    """The page answers nothing any more."""

    reason = EndReason.PAGE_HUNG


class SandboxUnavailable(CaptureError):  # noqa: N818 - see JoinRefused
    """The browser's own sandbox is demanded, and the node does not allow it."""

    reason = EndReason.SANDBOX_UNAVAILABLE
