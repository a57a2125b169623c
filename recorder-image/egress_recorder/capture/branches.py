"""One user's picture or sound on its way into the mixers: a GStreamer bin with an appsrc at its head.

In: frames, by a source's own thread. Out: a source pad that the mixer links. A feed is what a source holds; it
can be pushed to at any time, also while and after the mixer takes it away (then frames go nowhere).
Must not: know which source pushes, decide the layout.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from egress_recorder.capture.pipeline import FROZEN_AFTER, source_video_caps
from egress_recorder.capture.timing import AudioTimeline, VideoTimeline

DIMMED_ALPHA = 0.4
"""Over black: dark enough that nobody takes an old picture for a live one."""

UPRIGHT, CLOCKWISE, UPSIDE_DOWN, COUNTER_CLOCKWISE = range(4)
"""Quarter turns that a picture needs, in WebRTC's numbering."""


@dataclass(frozen=True)
class Shape:
    """A picture's size as it arrives, and the quarter turns it needs."""

    width: int
    height: int
    rotation: int = UPRIGHT

    @property
    def shown(self) -> tuple[int, int]:
        """The size as people see it."""
        turned = self.rotation in {CLOCKWISE, COUNTER_CLOCKWISE}
        return (self.height, self.width) if turned else (self.width, self.height)


class VideoFeed:
    """Where a source pushes one user's pictures."""

    def __init__(
        self,
        *,
        name: str,
        order: tuple[int, int],
        bin_: Any,
        timeline: VideoTimeline,
        screen: bool = False,
        shared: bool = False,
        whose: str = "",
    ) -> None:
        self.name = name
        self._screen = screen
        self.shared = shared
        """Whether it is something that somebody shows the others, such as their screen."""
        self.whose = whose
        """The user, where it is one's."""
        self.order = order
        """The place in the grid: the smallest comes first."""
        self.bin = bin_
        self.appsrc = bin_.get_by_name("source")
        self.pad: Any = None
        self.shape: Shape | None = None
        self.on_shape: Callable[[], None] = lambda: None
        """Called in the source's thread when the first picture comes, or another size."""
        self.on_cell: Callable[[int], None] = lambda _height: None
        """Called by the mixer with the height, in pixels, at which the picture is shown."""
        self.on_slot: Callable[[int], None] = lambda _slot: None
        """Told by a screen's source which slot of the recording its next picture is for."""
        self.shown_from: int | None = None
        """The first picture's running time, in nanoseconds."""
        self.seen_at: int | None = None
        """When the newest picture came, in nanoseconds of CLOCK_MONOTONIC."""
        self.dimmed = False
        self.shown = True
        """Whether it has a place."""
        self._timeline = timeline
        self._lock = threading.Lock()
        self._open = True

    def admit(self, shape: Shape, *, timestamp_us: int, now: int, caps: Callable[[str], Any]) -> int | None:
        """Give the next picture's running time, or None if it is not wanted; sees to a change of shape."""
        with self._lock:
            if not self._open:
                return None
            self.seen_at = now
            if self.dimmed:
                self._light(dimmed=False)
            pts = self._timeline.stamp(timestamp_us=timestamp_us, now=now)
            if pts is None:
                return None
            if shape != self.shape:
                changed_caps = source_video_caps(width=shape.width, height=shape.height, screen=self._screen)
                self.appsrc.set_property("caps", caps(changed_caps))
                turned = ("identity", "90r", "180", "90l")[shape.rotation]
                self.bin.get_by_name("flip").set_property("video-direction", turned)
                self.shape = shape
                self.shown_from = pts if self.shown_from is None else self.shown_from
                self.on_shape()
            return pts

    def dim_if_frozen(self, *, now: int) -> None:
        """Darken the last picture when none has come for a while; the next one is bright again."""
        with self._lock:
            frozen = self.seen_at is not None and now - self.seen_at >= FROZEN_AFTER
            if self._open and frozen and not self.dimmed:
                self._light(dimmed=True)

    @property
    def alpha(self) -> float:
        """How bright it is shown."""
        if not self.shown:
            return 0.0
        return DIMMED_ALPHA if self.dimmed else 1.0

    def _light(self, *, dimmed: bool) -> None:
        self.dimmed = dimmed
        if self.pad is not None:
            self.pad.set_property("alpha", self.alpha)

    def show_later(self, shift: int) -> None:
        """Show pictures so many nanoseconds after their own time, from now on, gently."""
        self._timeline.shift = shift

    def close(self) -> None:
        """Want no more pictures."""
        with self._lock:
            self._open = False


class AudioFeed:
    """Where a source pushes one user's sound."""

    def __init__(self, *, name: str, bin_: Any, timeline: AudioTimeline) -> None:
        self.name = name
        self.bin = bin_
        self.appsrc = bin_.get_by_name("source")
        self.pad: Any = None
        self._timeline = timeline
        self._open = True

    def admit(self, *, samples: int, now: int) -> tuple[int, bool] | None:
        """Give the next frame's running time and whether there is a jump before it; None: not wanted."""
        return self._timeline.stamp(samples=samples, now=now) if self._open else None

    def close(self) -> None:
        """Want no more sound."""
        self._open = False


Feed = VideoFeed | AudioFeed
