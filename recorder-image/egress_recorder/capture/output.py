"""The output pipeline at work: start, watch, end, and the truth about what was written.

In: the capture config, the wish to pause. Out: events about frames and segments; a future that fails when media fails.
The end is judged by what was seen: end-of-stream on both of the splitter's pads and every opened segment
closed; the bus's own end-of-stream message may be lost (GStreamer 1.22) and is only a shortcut.
Must not: know about sources; wait without a deadline.
"""

import asyncio
import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from egress_recorder.capture.config import LEFT_OUT_FILES, CaptureConfig
from egress_recorder.capture.errors import DiskFull, PipelineError
from egress_recorder.capture.events import Event, Stats, Warned
from egress_recorder.capture.filling import HoleFiller
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.mpegts import salvage
from egress_recorder.capture.pauses import Pauses
from egress_recorder.capture.pipeline import output_pipeline
from egress_recorder.capture.segments import SegmentLedger
from egress_recorder.capture.splitting import PauseSplitter
from egress_recorder.capture.timing import MILLISECOND, SECOND

log = logging.getLogger(__name__)

STATE_CHANGE_SECONDS = 15.0
"""A state change that takes longer than this is stuck."""
PARSERS = ("video-parser", "audio-parser")
BUS_WAIT = 200 * MILLISECOND
SETTLE_SECONDS = 0.7
"""After the last end-of-stream, the splitter may still open one more segment; this long it gets to do so."""
STOP_MARGIN_SECONDS = 2.0
"""The mixers run MIX_LATENCY behind; when they have not reached the stop's instant by then, they are cut off."""


class Output:
    """One output pipeline, used once."""

    def __init__(
        self,
        config: CaptureConfig,
        *,
        threads: int,
        pauses: Pauses,
        emit: Callable[[Event], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._config, self._emit, self._loop = config, emit, loop
        self._pauses = pauses
        try:
            self.pipeline = Gst.parse_launch(output_pipeline(config, threads=threads))
        except Exception as error:  # GLib.Error: an element is missing
            raise PipelineError(f"The media pipeline cannot be built: {error}.") from error
        self.pipeline.use_clock(Gst.SystemClock.obtain())
        self.failed: asyncio.Future[None] = loop.create_future()
        self.left_out: Callable[[], int] = lambda: 0
        """Says how many pictures were left out on purpose."""
        self.on_branch_error: Callable[[str], None] = lambda _name: None
        self.first_frame: asyncio.Future[float] = loop.create_future()
        """Done with the first encoded frame that is not empty: its unix time."""
        self._wall_at_zero: float | None = None
        self._frames = 0
        self._first_pts: int | None = None
        self._begun = False
        self._last_pts = 0
        self._eos_pads: set[str] = set()
        self._bus_eos = False
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self.ledger = SegmentLedger(
            emit=emit, wall_clock=self.wall_clock, frame_duration=SECOND // config.frame_rate
        )
        self._opened: list[bool] = []
        into_encoder = self.pipeline.get_by_name("raw-video").get_static_pad("src")
        self._filler = HoleFiller(into_encoder, frame_rate=config.frame_rate, emit=emit)
        PauseSplitter(self.pipeline, pauses, emit=emit, wall_clock=self.wall_clock)
        self._watch_pads()

    def wall_clock(self, running_time: int) -> float:
        """Give the unix time of an instant of the recording."""
        if (
            self._wall_at_zero is None
        ):  # read once: the wall clock may be set, a recording's time must not jump
            self._wall_at_zero = time.time() - self.running_time() / SECOND
        return self._wall_at_zero + running_time / SECOND

    def running_time(self) -> int:
        """Give the present instant of the recording."""
        return time.monotonic_ns() - int(self.pipeline.get_base_time())

    async def start(self) -> None:
        """Bring the pipeline to PLAYING. Raises PipelineError."""
        threading.Thread(target=self._watch_bus, name="bus", daemon=True).start()
        await self._set_state(Gst.State.PLAYING)

    async def finish(self, *, last_instant: int | None = None) -> None:
        """Write everything up to this instant, close the last segment, report it, and tear down.

        Args:
            last_instant: write only what is wholly before this instant of CLOCK_MONOTONIC, in nanoseconds.

        Never raises and always returns in time: what could not be closed in an orderly way is said in a warning.
        """
        loop, deadline = self._loop, self._loop.time() + self._config.finish_timeout_seconds
        if not self.failed.done():
            stop_at = self.running_time()
            if last_instant is not None:
                early = (
                    3 * SECOND // (2 * self._config.frame_rate)
                )  # as early as FrameGrid may place a picture
                stop_at = min(stop_at, last_instant - int(self.pipeline.get_base_time()) - early)
            for name in ("compositor", "mixer"):
                pad = self.pipeline.get_by_name(name).get_static_pad("src")
                pad.add_probe(Gst.PadProbeType.BUFFER, self._cut, stop_at)
            cut_off = loop.time() + STOP_MARGIN_SECONDS
            await loop.run_in_executor(None, self._wait_until, self._cut_done, cut_off, 0.0)
            if not self._cut_done():
                for name in ("raw-video", "raw-audio"):
                    self.pipeline.get_by_name(name).get_static_pad("sink").send_event(Gst.Event.new_eos())
            await loop.run_in_executor(None, self._wait_until, self._complete, deadline, SETTLE_SECONDS)
        complete = self._complete()
        left_open = self.ledger.open_path
        if complete:  # told before the tear-down, which may get stuck: then we are killed
            self.ledger.finish()
        try:
            await self._set_state(Gst.State.NULL)
        except PipelineError as error:
            self._emit(Warned(reason="TearDownStuck", message=error.message))
        self._stopping.set()
        if left_open and not complete:
            self._rescue(left_open)
        else:
            self.ledger.finish()
        self._throw_away()

    def stats(self) -> Stats:
        """Count frames, and the ones that are missing between the first and the last."""
        if self._first_pts is None:
            return Stats(frames=0, dropped=0)
        due = round((self._last_pts - self._first_pts) * self._config.frame_rate / SECOND) + 1
        frames = self._frames - self._filler.filled
        return Stats(frames=self._frames, dropped=max(0, due - frames - self.left_out()))

    def _rescue(self, name: str) -> None:
        """Count in the segment that was not closed: a transport stream needs no trailer to be played."""
        path = Path(self._config.spool) / name
        frame = 1 / self._config.frame_rate
        seconds = salvage(path, frame_seconds=frame)
        if seconds:
            message = f"The last segment, {name}, was not closed in order; it holds {seconds:.3f} s."
            self._emit(Warned(reason="LastSegmentCut", message=message))
            self.ledger.finish_cut(name, seconds)

    def _throw_away(self) -> None:
        """Remove what was left out and not closed."""
        for path in Path(self._config.spool).glob(LEFT_OUT_FILES):
            path.unlink(missing_ok=True)

    def _cut_done(self) -> bool:
        return len(self._eos_pads) == len(PARSERS)

    def _complete(self) -> bool:
        return self._bus_eos or (self._cut_done() and self.ledger.all_closed)

    def _wait_until(self, done: Callable[[], bool], deadline: float, settle: float) -> None:
        """Wait, in a worker thread, until `done` has held for `settle` seconds, or the deadline of the loop's clock."""
        held_since: float | None = None
        with self._changed:
            while (now := self._loop.time()) < deadline and not self.failed.done():
                held_since = (held_since or now) if done() else None
                if self._bus_eos or (held_since is not None and now - held_since >= settle):
                    return
                self._changed.wait(0.1)

    async def _set_state(self, state: Any) -> None:
        def change() -> bool:
            if self.pipeline.set_state(state) == Gst.StateChangeReturn.FAILURE:
                return False
            result, _, _ = self.pipeline.get_state(int(STATE_CHANGE_SECONDS * SECOND))
            return bool(result != Gst.StateChangeReturn.FAILURE)

        try:
            done = await asyncio.wait_for(self._loop.run_in_executor(None, change), STATE_CHANGE_SECONDS + 1)
        except TimeoutError:
            raise PipelineError(f"The media pipeline is stuck on its way to {state.value_nick}.") from None
        if not done and not self.failed.done():
            raise PipelineError(f"The media pipeline refuses to go to {state.value_nick}.")
        if self.failed.done() and state == Gst.State.PLAYING:
            self.failed.result()

    def _watch_pads(self) -> None:
        segments = self.pipeline.get_by_name("segments")
        segments.connect("format-location-full", self._name_segment)
        for name in PARSERS:  # the splitter's own pads have other names in every version
            pad = self.pipeline.get_by_name(name).get_static_pad("src")
            pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event, name)
            if name == PARSERS[0]:
                pad.add_probe(Gst.PadProbeType.BUFFER, self._on_frame)

    def _name_segment(self, _element: Any, _index: int, sample: Any) -> str:
        starts = sample.get_segment().to_running_time(Gst.Format.TIME, sample.get_buffer().pts)
        kept = self._pauses.kept(starts)
        name = self._config.segment_path if kept else self._config.left_out_path
        path = name(self._opened.count(kept))
        self._opened.append(kept)
        self.ledger.opened(path=path, starts=starts, kept=kept)
        return str(path)

    def _on_frame(self, pad: Any, info: Any) -> Any:
        pts = info.get_buffer().pts
        event = pad.get_sticky_event(Gst.EventType.SEGMENT, 0) if self._first_pts is None else None
        if event is not None:
            self._segment = event.parse_segment().copy()
        running_time = self._segment.to_running_time(Gst.Format.TIME, pts)
        self._frames += 1
        self._last_pts = running_time
        self.ledger.frame(running_time)
        if self._first_pts is None:
            self._first_pts = running_time
        if not self._begun and self._pauses.shows(running_time):
            self._begun = True
            at = round(self.wall_clock(running_time), 6)
            self._loop.call_soon_threadsafe(self.first_frame.set_result, at)
        return Gst.PadProbeReturn.OK

    def _on_event(self, _pad: Any, info: Any, name: str) -> Any:
        if info.get_event().type == Gst.EventType.EOS:
            with self._changed:
                self._eos_pads.add(name)
                self._changed.notify_all()
        return Gst.PadProbeReturn.OK

    def _cut(self, pad: Any, info: Any, stop_at: int) -> Any:
        """End the stream with the first buffer after the stop, in the thread it flows in."""
        if info.get_buffer().pts < stop_at:  # the mixers count running time from zero
            return Gst.PadProbeReturn.OK
        pad.push_event(Gst.Event.new_eos())
        return Gst.PadProbeReturn.DROP

    def _watch_bus(self) -> None:
        bus = self.pipeline.get_bus()
        wanted = (
            Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.ELEMENT | Gst.MessageType.LATENCY
        )
        while not self._stopping.is_set():
            message = bus.timed_pop_filtered(BUS_WAIT, wanted)
            if message is not None:
                self._on_message(message)

    def _on_message(self, message: Any) -> None:
        if message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            branch = _branch_of(message.src)
            if branch:
                self._loop.call_soon_threadsafe(self.on_branch_error, branch)
            else:
                self.ledger.freeze()
                name = message.src.get_name() if message.src else "?"
                log.error("media failed in %s: %s (%s)", name, error.message, debug)
                full = error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NO_SPACE_LEFT)
                full = full or os.strerror(errno.ENOSPC) in (debug or "")  # where a file cannot be opened
                self._loop.call_soon_threadsafe(self._fail, f"{name}: {error.message}", full)
        elif message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()
        elif message.type == Gst.MessageType.EOS:
            self._bus_eos = True
        elif message.get_structure().get_name() == "splitmuxsink-fragment-closed":
            path = Path(message.get_structure().get_string("location"))
            self.ledger.closed(path)
            if path.match(LEFT_OUT_FILES):
                path.unlink(missing_ok=True)
        with self._changed:
            self._changed.notify_all()

    def _fail(self, what: str, disk_full: bool) -> None:  # noqa: FBT001 - call_soon takes no keywords
        if self.failed.done():
            return
        if disk_full:
            self.failed.set_exception(DiskFull(f"The disk of the spool {self._config.spool} is full."))
        else:
            self.failed.set_exception(
                PipelineError(f"The recording cannot be written on: {what.rstrip('.')}.")
            )


def _branch_of(element: Any) -> str | None:
    """Give the name of the user's branch an element is in; None for the output itself."""
    while element is not None:
        if "-branch-" in element.get_name():
            return str(element.get_name())
        element = element.get_parent()
    return None
