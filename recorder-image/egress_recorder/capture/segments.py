"""From split points to `segment-closed` events, with durations that are true.

In: what splitmuxsink says (a segment opens at a running time; a file is closed) and the last picture's time.
Out: SegmentClosed events, in order, each once. A segment lasts from its own first frame to the next one's, so
its event waits for the next to open; the last one ends with the last frame. Must not: touch files.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from egress_recorder.capture.events import SegmentClosed
from egress_recorder.capture.timing import SECOND


@dataclass(kw_only=True)
class SegmentLedger:
    """Keeps account of segments; called from GStreamer's threads."""

    emit: Callable[[SegmentClosed], None]
    wall_clock: Callable[[int], float]
    """Running time to unix seconds, one fixed line, so that segments follow on one another exactly."""
    frame_duration: int
    _starts: list[int] = field(default_factory=list)
    _paths: list[str] = field(default_factory=list)
    _closed: set[str] = field(default_factory=set)
    _reported: int = 0
    _last_frame: int = 0
    _frozen: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self, *, path: Path, starts: int) -> None:
        """Note that a segment begins with the frame of this running time."""
        with self._lock:
            self._starts.append(starts)
            self._paths.append(path.name)
            self._report()

    def closed(self, path: Path) -> None:
        """Note that a segment's file is complete."""
        with self._lock:
            if not self._frozen:
                self._closed.add(path.name)
            self._report()

    def frame(self, running_time: int) -> None:
        """Note the newest encoded frame."""
        self._last_frame = max(self._last_frame, running_time)

    @property
    def all_closed(self) -> bool:
        """Whether every segment that was opened is closed."""
        with self._lock:
            return len(self._closed) >= len(self._paths)

    @property
    def open_path(self) -> str | None:
        """The file that is still being written."""
        with self._lock:
            return next((path for path in self._paths if path not in self._closed), None)

    def freeze(self) -> None:
        """Believe no more that files are complete: media has failed, and the splitter closes what it has."""
        self._frozen = True

    def finish(self) -> None:
        """Report the last segment: no frame comes any more."""
        with self._lock:
            self._report(last_ends=self._last_frame + self.frame_duration)

    def finish_cut(self, seconds: float) -> None:
        """Report the last segment, whose file was not closed but holds so many seconds."""
        with self._lock:
            self._closed.add(self._paths[-1])
            self._report(last_ends=self._starts[-1] + round(seconds * SECOND))

    def _report(self, *, last_ends: int | None = None) -> None:
        ends = [*self._starts[1:], last_ends]
        while self._reported < len(self._paths):
            index = self._reported
            end, path = ends[index], self._paths[index]
            if end is None or path not in self._closed:
                return
            self._reported += 1
            start = self._starts[index]
            duration = round((end - start) / SECOND, 6)
            event = SegmentClosed(
                path=path, index=index, duration=duration, started_at=round(self.wall_clock(start), 6)
            )
            self.emit(event)
