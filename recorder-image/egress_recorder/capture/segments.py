"""From split points to `segment-opened` and `segment-closed` events, with durations that are true.

In: what splitmuxsink says (a file opens at a running time; it is closed) and the last picture's time.
Out: events, in order, each once. A segment lasts from its own first frame to the next file's, so the event that it
is closed waits for the next to open; the last one ends with the last frame. Files that are left out bound
others, and are no segments. Must not: touch files.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from egress_recorder.capture.events import SegmentClosed, SegmentOpened
from egress_recorder.capture.timing import SECOND


@dataclass(frozen=True, kw_only=True)
class _File:
    name: str
    starts: int
    index: int
    """Among the segments; one that is left out has the next segment's."""
    kept: bool
    jump: bool


@dataclass(kw_only=True)
class SegmentLedger:
    """Keeps account of segments; called from GStreamer's threads."""

    emit: Callable[[SegmentOpened | SegmentClosed], None]
    wall_clock: Callable[[int], float]
    """Running time to unix seconds, one fixed line, so that segments follow on one another exactly."""
    frame_duration: int
    _files: list[_File] = field(default_factory=list)
    _closed: set[str] = field(default_factory=set)
    _reported: int = 0
    _last_frame: int = 0
    _frozen: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self, *, path: Path, starts: int, kept: bool = True) -> None:
        """Note that a file begins with the frame of this running time."""
        with self._lock:
            if self._frozen:  # the splitter tries on, frame by frame, where it cannot open one
                return
            file = _File(
                name=path.name,
                starts=starts,
                index=sum(file.kept for file in self._files),
                kept=kept,
                jump=bool(self._files) and not self._files[-1].kept,
            )
            self._files.append(file)
            self._report()
            if kept:
                at = round(self.wall_clock(starts), 6)
                self.emit(SegmentOpened(path=file.name, index=file.index, started_at=at, jump=file.jump))

    def closed(self, path: Path) -> None:
        """Note that a file is complete."""
        with self._lock:
            if not self._frozen:
                self._closed.add(path.name)
            self._report()

    def frame(self, running_time: int) -> None:
        """Note the newest encoded frame."""
        self._last_frame = max(self._last_frame, running_time)

    @property
    def all_closed(self) -> bool:
        """Whether every file that was opened is closed."""
        with self._lock:
            return len(self._closed) >= len(self._files)

    @property
    def open_path(self) -> str | None:
        """The segment that is still being written."""
        with self._lock:
            files = (file for file in self._files if file.kept and file.name not in self._closed)
            return next((file.name for file in files), None)

    def freeze(self) -> None:
        """Believe no more that files begin or are complete: media has failed, and the splitter closes what it has."""
        self._frozen = True

    def finish(self) -> None:
        """Report the last segment: no frame comes any more."""
        with self._lock:
            self._report(last_ends=self._last_frame + self.frame_duration)

    def finish_cut(self, name: str, seconds: float) -> None:
        """Report the last segment, whose file was not closed but holds so many seconds."""
        with self._lock:
            self._closed.add(name)
            starts = next(file.starts for file in self._files if file.name == name)
            self._report(last_ends=starts + round(seconds * SECOND), cut=name)

    def _report(self, *, last_ends: int | None = None, cut: str | None = None) -> None:
        ends = [*(file.starts for file in self._files[1:]), last_ends]
        while self._reported < len(self._files):
            file = self._files[self._reported]
            end = last_ends if file.name == cut else ends[self._reported]
            if file.kept and (end is None or file.name not in self._closed):
                return
            self._reported += 1
            if not file.kept or end is None:
                continue
            event = SegmentClosed(
                path=file.name,
                index=file.index,
                duration=round((end - file.starts) / SECOND, 6),
                started_at=round(self.wall_clock(file.starts), 6),
                jump=file.jump,
            )
            self.emit(event)
