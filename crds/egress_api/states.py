"""The words for where a task is and why.

`State` is what REST answers and `kubectl get` shows. `Reason` is one CamelCase word for machines; the
sentence beside it is for people. A reason says what happened, a state says what it means for the task:
Unschedulable explains both an ENQUEUED task and one that ended in TIMEOUT.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """ENQUEUED → PROCESSING → STOPPING → STOPPED, or FAILED, or TIMEOUT (aged out while enqueued)."""

    ENQUEUED = "ENQUEUED"
    PROCESSING = "PROCESSING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"

    @property
    def terminal(self) -> bool:
        """True for a state that is never left again."""
        return self in TERMINAL_STATES


TERMINAL_STATES: Final = frozenset({State.STOPPED, State.FAILED, State.TIMEOUT})


class Reason(StrEnum):
    """Why a task is in its state."""

    # On the way
    ACCEPTED = "Accepted"
    POD_PENDING = "PodPending"
    POD_STARTING = "PodStarting"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    QUEUE_FULL = "QueueFull"
    APP_LIMIT_REACHED = "AppLimitReached"
    START_RATE_LIMITED = "StartRateLimited"
    QUEUE_GATED = "QueueGated"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a word
    IMAGE_PULL_FAILED = "ImagePullFailed"
    RETRYING = "Retrying"
    RECORDING = "Recording"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    CLOSING = "Closing"
    # Ended as wanted
    STOP_REQUESTED = "StopRequested"
    STOPPED_BEFORE_START = "StoppedBeforeStart"
    MAX_DURATION_REACHED = "MaxDurationReached"
    MAX_BYTES_REACHED = "MaxBytesReached"
    IDLE_TIMEOUT = "IdleTimeout"
    SOURCE_CLOSED = "SourceClosed"
    PAGE_ENDED = "PageEnded"
    # Ended by a fault on the recorder's side
    JOIN_REFUSED = "JoinRefused"
    IDENTITY_TAKEN = "IdentityTaken"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    PAGE_FORBIDDEN = "PageForbidden"
    PAGE_UNREACHABLE = "PageUnreachable"
    PAGE_INSECURE = "PageInsecure"
    PAGE_HTTP_ERROR = "PageHttpError"
    PAGE_NOT_READY = "PageNotReady"
    PAGE_CRASHED = "PageCrashed"
    SANDBOX_UNAVAILABLE = "SandboxUnavailable"
    STORE_REFUSED = "StoreRefused"
    STORE_UNREACHABLE = "StoreUnreachable"
    OUTPUT_EXISTS = "OutputExists"
    CAPTURE_FAILED = "CaptureFailed"
    PACKAGING_FAILED = "PackagingFailed"
    RECORDER_FAILED = "RecorderFailed"
    # Ended by a fault on the platform's side
    INVALID_IMAGE = "InvalidImage"
    CONFIG_ERROR = "ConfigError"
    ADMISSION_REFUSED = "AdmissionRefused"
    OOM_KILLED = "OOMKilled"
    POD_DELETED = "PodDeleted"
    POD_EVICTED = "PodEvicted"
    PREEMPTED = "Preempted"
    NODE_SHUTDOWN = "NodeShutdown"
    NODE_LOST = "NodeLost"
    POD_NAME_CONFLICT = "PodNameConflict"
    # Ended before anything was tried
    ENQUEUE_TIMEOUT = "EnqueueTimeout"
    INVALID_SPEC = "InvalidSpec"
    LAYOUT_NOT_SUPPORTED = "LayoutNotSupported"
    NOT_CONFIGURED = "NotConfigured"
    PLACEMENT_NOT_ALLOWED = "PlacementNotAllowed"


WAITS_FOR_A_PLACE: Final = frozenset({Reason.QUEUE_FULL, Reason.APP_LIMIT_REACHED, Reason.START_RATE_LIMITED})
"""Of an ENQUEUED task that has no recorder yet because the operator starts no more now: as many as may run at once
do (QueueFull), or as many of its app (AppLimitReached), or as many as may begin in a second have begun."""


class GapReason(StrEnum):
    """Why a recording's timeline jumps."""

    CAPTURE_RESTARTED = "CaptureRestarted"
    SOURCE_LOST = "SourceLost"
    RECORDER_REPLACED = "RecorderReplaced"
    SPOOL_FULL = "SpoolFull"
    SEGMENT_LOST = "SegmentLost"
    PAUSED = "Paused"


class ConditionType(StrEnum):
    """The conditions of a task, each True, False or Unknown with a reason and a sentence.

    PageLoaded, PageReady and FirstFrame are there for pages (layout freestyle) alone.
    """

    ACCEPTED = "Accepted"
    POD_SCHEDULED = "PodScheduled"
    PAGE_LOADED = "PageLoaded"
    PAGE_READY = "PageReady"
    FIRST_FRAME = "FirstFrame"
    RECORDING = "Recording"
    UPLOADED = "Uploaded"
    COMPLETE = "Complete"
    FAILED = "Failed"


class ConditionStatus(StrEnum):
    """The three values that Kubernetes knows for a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"
