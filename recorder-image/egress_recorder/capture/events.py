"""The capture child's voice: one JSON object per line on its own stdout.

In: typed events. Out: lines the supervisor reads. `parse_event` is the supervisor's side of the same contract.
Must not: be the place where anything is decided. Times are unix seconds, durations seconds.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, get_args


class Change(StrEnum):
    """What a participant did."""

    JOINED = "joined"
    LEFT = "left"
    VIDEO_ON = "video-on"
    VIDEO_OFF = "video-off"
    AUDIO_ON = "audio-on"
    AUDIO_OFF = "audio-off"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The source is joined and the pipeline plays."""

    event: ClassVar[str] = "joined"
    at: float


@dataclass(frozen=True, kw_only=True)
class FirstFrame:
    """The first picture that has something to show is encoded; `at` is its instant."""

    event: ClassVar[str] = "first-frame"
    at: float


@dataclass(frozen=True, kw_only=True)
class SegmentOpened:
    """A segment begins: should the capture die, what its file holds until then can still be counted in."""

    event: ClassVar[str] = "segment-opened"
    path: str
    index: int
    started_at: float
    jump: bool = False
    """Whether something was left out before it: a pause, or a beginning without a picture."""


@dataclass(frozen=True, kw_only=True)
class SegmentClosed:
    """A segment is complete in the spool; `duration` comes from its frames, `started_at` is its first one."""

    event: ClassVar[str] = "segment-closed"
    path: str
    index: int
    duration: float
    started_at: float
    jump: bool = False
    """Whether something was left out before it: a pause, or a beginning without a picture."""


@dataclass(frozen=True, kw_only=True)
class PauseChanged:
    """A pause has begun or ended, at this instant of the recording."""

    event: ClassVar[str] = "pause"
    paused: bool
    at: float


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Somebody who is recorded came, went, or changed what they send."""

    event: ClassVar[str] = "participant"
    identity: str
    change: Change


class PageStep(StrEnum):
    """What has to happen before a page is recorded."""

    LOADED = "loaded"
    READY = "ready"


@dataclass(frozen=True, kw_only=True)
class PageStepped:
    """A page's step is decided: it happened, or it will not."""

    event: ClassVar[str] = "page-step"
    step: PageStep
    done: bool
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class PageSeen:
    """What is known of the page and its browser, each field once it is known; or that it was loaded again."""

    event: ClassVar[str] = "page"
    sandbox: bool | None = None
    http_status: int | None = None
    reloaded: bool = False


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A file in the spool that shows why a page could not be recorded."""

    event: ClassVar[str] = "evidence"
    path: str
    kind: str
    """screenshot or page-log, as `egress_api.status.FileKind`."""


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something a person should know, and the capture goes on."""

    event: ClassVar[str] = "warning"
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Frames encoded since the start, and frames missing on the timeline."""

    event: ClassVar[str] = "stats"
    frames: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The last event, exactly once."""

    event: ClassVar[str] = "ended"
    reason: str
    message: str


Event = (
    Joined
    | FirstFrame
    | SegmentOpened
    | SegmentClosed
    | PauseChanged
    | Participant
    | PageStepped
    | PageSeen
    | Evidence
    | Warned
    | Stats
    | Ended
)
_KINDS: dict[str, type[Event]] = {kind.event: kind for kind in get_args(Event)}


def to_line(event: Event) -> str:
    """Write an event as one line of JSON, without the newline."""
    return json.dumps({"event": event.event, **asdict(event)}, separators=(",", ":"))


def parse_event(line: str | bytes) -> Event:
    """Read a line back. Raises ValueError for anything that is not an event; unknown fields are ignored."""
    given: dict[str, Any] = json.loads(line)
    kind = _KINDS.get(given.get("event", "")) if isinstance(given, dict) else None
    if kind is None:
        raise ValueError(f"not a capture event: {line!r:.200}")
    values = {item.name: given[item.name] for item in fields(kind) if item.name in given}
    if "change" in values:
        values["change"] = Change(values["change"])
    if "step" in values:
        values["step"] = PageStep(values["step"])
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"a {kind.event} event lacks fields: {error}") from error


class EventWriter:
    """Writes events to a file descriptor; may be called from any thread, a line is never torn."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._ended = False
        self.broken = threading.Event()

    def emit(self, event: Event) -> None:
        """Write one event; nothing after `ended`. A reader that is gone sets `broken`, it does not raise."""
        data = (to_line(event) + "\n").encode()
        with self._lock:
            if self._ended:
                return
            self._ended = isinstance(event, Ended)
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                self.broken.set()
