"""What is on the display, as pictures: taken when something has changed, and only then.

In: a display and a feed. Out: buffers pushed into the feed's appsrc, one for each slot of the recording in which the
page drew. GStreamer's ximagesrc looks at its own pace instead: it sees some of a page's pictures twice and misses
others, and copies a page that stands still thirty times a second (docs/benchmarks.md). The X server writes into
shared memory that GStreamer reads in place. Must not: block the loop (this is a thread), know what is shown.
"""

import contextlib
import ctypes
import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any

import xcffib
import xcffib.damage
import xcffib.shm
import xcffib.xproto

from egress_recorder.capture.branches import Shape, VideoFeed
from egress_recorder.capture.errors import PipelineError
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.memory import Memory, Release, pointer_of
from egress_recorder.capture.timing import SECOND, FrameGrid

log = logging.getLogger(__name__)

PICTURES = 6
"""Pictures that GStreamer may hold at a time; it holds one or two unless it is short of CPU."""
_BYTES_PER_PIXEL = 4
_ALL_PLANES = 0xFFFFFFFF
_IPC_PRIVATE, _IPC_CREAT, _IPC_RMID = 0, 0o1000, 0
_NO_ADDRESS = ctypes.c_void_p(-1).value
_LOOK_SECONDS = 0.5
"""The thread looks up this often, to see whether it is to end."""


class SharedPictures:
    """A ring of pictures in System V shared memory: the X server writes them, GStreamer reads them."""

    def __init__(self, *, size: int) -> None:
        self.size = size
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        self._libc = libc
        self.id = libc.shmget(_IPC_PRIVATE, ctypes.c_size_t(size * PICTURES), _IPC_CREAT | 0o600)
        if self.id < 0:
            raise PipelineError("There is no shared memory for the pictures (shmget).")
        self.address = libc.shmat(self.id, None, 0)
        if self.address in {None, _NO_ADDRESS}:
            raise PipelineError("The shared memory for the pictures can't be used (shmat).")
        self._free = set(range(PICTURES))

    def forget_name(self) -> None:
        """Let the memory go when the last process lets go of it: called once the X server has it."""
        self._libc.shmctl(self.id, _IPC_RMID, None)

    def take(self) -> int | None:
        """Give a place that nobody reads."""
        with contextlib.suppress(KeyError):
            return self._free.pop()
        return None

    def give_back(self, place: int) -> None:
        """Note that a place is read no more; may be called from any thread."""
        self._free.add(place)


class Screen:
    """Watches a display from a thread of its own."""

    def __init__(
        self, display: str, *, width: int, height: int, frame_rate: int, on_lost: Callable[[str], None]
    ) -> None:
        self._size = width, height
        self._frame_rate = frame_rate
        self._on_lost = on_lost
        self._ended = threading.Event()
        self._feed: VideoFeed | None = None
        self._appsrc = 0
        self._grid: FrameGrid | None = None
        self._asked_at: int | None = None
        self._memory = Memory()
        try:
            self._x = xcffib.connect(display)
            self._root = self._x.get_setup().roots[0].root
            self._pictures = SharedPictures(size=width * height * _BYTES_PER_PIXEL)
            self._shm, self._segment = self._attach()
            self._damage, self._watch = self._watch_damage()
        except xcffib.XcffibException as error:
            raise PipelineError(f"The display can't be watched: {error!r}.") from error
        self._released = Release(self._pictures.give_back)
        self._release = ctypes.cast(self._released, ctypes.c_void_p)
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def play(self, feed: VideoFeed, *, base_time: int) -> None:
        """Push what is shown now as the first picture, and from then on what changes."""
        self._grid = FrameGrid(base_time=base_time, frame_rate=self._frame_rate)
        self._feed, self._appsrc = feed, pointer_of(feed.appsrc)
        self._thread.start()

    def overdue_seconds(self) -> float:
        """Say for how long the X server has owed us a picture; 0 when it owes none."""
        asked = self._asked_at
        return (time.monotonic_ns() - asked) / SECOND if asked is not None else 0.0

    def end(self) -> None:
        """Look no more; may wait a moment for the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(2 * _LOOK_SECONDS)

    def _attach(self) -> tuple[Any, int]:
        shm = self._x(xcffib.shm.key)
        segment = self._x.generate_id()
        try:
            shm.Attach(segment, self._pictures.id, False, is_checked=True).check()
        finally:
            self._pictures.forget_name()
        return shm, segment

    def _watch_damage(self) -> tuple[Any, int]:
        damage = self._x(xcffib.damage.key)
        damage.QueryVersion(1, 1).reply()
        watch = self._x.generate_id()
        level = xcffib.damage.ReportLevel.NonEmpty  # one event until we have looked
        damage.Create(watch, self._root, level, is_checked=True).check()
        return damage, watch

    def _run(self) -> None:
        assert self._grid is not None  # noqa: S101 - play() made it; for the type checker
        changed_at: int | None = self._grid.base_time
        poller = select.poll()
        poller.register(self._x.get_file_descriptor(), select.POLLIN)
        spacing = SECOND * 3 // (4 * self._frame_rate)
        last = -spacing
        try:
            while not self._ended.is_set():
                if changed_at is None:
                    if not self._changed():
                        poller.poll(_LOOK_SECONDS * 1000)
                        continue
                    changed_at = time.monotonic_ns()
                early = last + spacing - time.monotonic_ns()
                if early > 0:
                    self._ended.wait(early / SECOND)
                    continue
                last = time.monotonic_ns()
                # what could not be taken is still to be shown, should nothing change any more
                changed_at = None if self._take(changed_at) else last
        except (xcffib.XcffibException, OSError) as error:
            self._on_lost(f"The display was lost: {error!r}.")

    def _changed(self) -> bool:
        """Say whether a damage event has come; eat all that have."""
        seen = False
        while (event := self._x.poll_for_event()) is not None:
            seen = seen or isinstance(event, xcffib.damage.NotifyEvent)
        return seen

    def _take(self, changed_at: int) -> bool:
        feed, grid, place = self._feed, self._grid, self._pictures.take()
        if feed is None or grid is None or place is None:
            return False
        self._damage.Subtract(self._watch, 0, 0)
        width, height = self._size
        offset = place * self._pictures.size
        self._asked_at = time.monotonic_ns()
        self._shm.GetImage(
            self._root, 0, 0, width, height, _ALL_PLANES, xcffib.xproto.ImageFormat.ZPixmap,
            self._segment, offset,
        ).reply()  # fmt: skip
        self._asked_at = None
        slot = grid.slot(changed_at)
        pts = None
        if slot is not None:
            stamp = grid.base_time + slot * SECOND // self._frame_rate
            pts = feed.admit(
                Shape(width, height), timestamp_us=-(-stamp // 1000), now=stamp, caps=Gst.Caps.from_string
            )
        if slot is None or pts is None:
            self._pictures.give_back(place)
            return False
        feed.on_slot(slot)
        buffer = self._memory.wrap(
            address=self._pictures.address + offset, size=self._pictures.size, pts=pts,
            release=self._release, owner=place,
        )  # fmt: skip
        self._memory.push(self._appsrc, buffer)
        return True
