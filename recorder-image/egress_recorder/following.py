"""One capture from its start to its exit: listened to, told what is wanted, replaced by none.

In: what it is to capture, and a reason to end as soon as there is one. Out: its segments, handed to the
uploader in the order they were recorded, also the one it died over; what it said, noted; how it ended. No
upload is waited for here, and nothing is decided about what comes next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from egress_api.results import RecorderPhase
from egress_api.states import GapReason
from egress_api.status import FileKind
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.events import (
    Ended,
    Event,
    Evidence,
    FirstFrame,
    Joined,
    PageSeen,
    PageStepped,
    Participant,
    PauseChanged,
    SegmentClosed,
    SegmentOpened,
    Stats,
    Warned,
)
from egress_recorder.capture_process import CaptureProcess, Exited
from egress_recorder.context import Context
from egress_recorder.control import Arrangement, Users, Wish
from egress_recorder.ending import Ending
from egress_recorder.pulse import Bounds, Pulse
from egress_recorder.recording import Recording
from egress_recorder.salvaging import OpenSegments
from egress_recorder.spool import Spool
from egress_recorder.tracing import CaptureSpans
from egress_recorder.uploader import Uploader

_TICK_SECONDS: Final = 0.1
_LOOK_AT_SPOOL_SECONDS: Final = 0.5
_SEGMENTS_TO_STALL: Final = 3


@dataclass(frozen=True, slots=True)
class Gone:
    """How a capture ended; `ending` when that was wanted."""

    code: int
    ending: Ending | None
    last_word: Ended | None
    hung: str | None


class Following:
    """One capture.

    Args:
        context: the attempt.
        recording: the book.
        uploader: takes the segments.
        spool: where room is made.
        pause: whether to leave out what comes.
        users: whom to record.
        arrangement: how to lay them out.
        told: what the capture is started with.
        stop_seconds: what it gets from the stop until it is killed.
    """

    def __init__(
        self,
        context: Context,
        *,
        recording: Recording,
        uploader: Uploader,
        spool: Spool,
        pause: Wish,
        users: Users,
        arrangement: Arrangement,
        told: CaptureConfig,
        stop_seconds: float,
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._live = context.live
        self._log = context.log
        self._recording = recording
        self._uploader = uploader
        self._spool = spool
        self._pause = pause
        self._users = users
        self._arrangement = arrangement
        self._told = told
        self._stop_seconds = stop_seconds
        self._folder = Path(told.spool)
        self._told_paused = told.paused
        self._told_users = told.users
        self._told_layout = told.layout
        self._open = OpenSegments()
        self._looked_at_spool = 0.0
        self.spans = CaptureSpans(context.span)
        self.joined = False
        self.recorded = False
        """Whether it has closed a segment."""

    async def run(self, reason_to_end: Callable[[], Ending | None]) -> Gone:
        """Start it and follow it until it is gone.

        Args:
            reason_to_end: asked again and again; once there is one the capture is stopped.

        Raises:
            OSError: when it can't be started.
        """
        began = self._context.clock.monotonic()
        capture = await CaptureProcess.start(self._settings.capture_command, self._told, log=self._log)
        self._log.info("capture-started", pid=capture.pid, took=round(self._context.beat() - began, 3))
        try:
            gone = await self._until_gone(capture, reason_to_end)
            if not (gone.ending and gone.ending.fenced):
                await self._salvage()
        finally:
            capture.kill()
            self._spool.sweep(self._folder)
        return gone

    async def _until_gone(self, capture: CaptureProcess, reason_to_end: Callable[[], Ending | None]) -> Gone:
        pulse = Pulse(self._bounds(), now=self._context.beat())
        last_word: Ended | None = None
        ending: Ending | None = None
        hung: str | None = None
        kill_at: float | None = None
        while True:
            event = await capture.next(timeout=_TICK_SECONDS)
            now = self._context.beat()
            pulse.tick(now=now, paused=self._recording.paused)
            match event:
                case Exited():
                    break
                case Ended():
                    last_word = event
                    # All that is left to it is to exit.
                    kill_at = kill_at or now + self._settings.silent_seconds
                case None:
                    pass
                case _:
                    pulse.heard(event)
                    self._note(event, now=now)
            if ending is None and (ending := reason_to_end()) is not None:
                self._log.info("capture-stopping", reason=ending.reason)
                self._live.phase, self._live.message = RecorderPhase.FINALIZING, ending.message
                await capture.stop()
                kill_at = min(kill_at or float("inf"), now + self._stop_seconds)
            if kill_at is None:
                if (hung := pulse.hung()) is not None:
                    kill_at = now
                await self._tell(capture)
            if kill_at is not None and (
                now >= kill_at or self._context.stop.hurry or (ending and ending.fenced)
            ):
                self._log.warning("capture-killed", pid=capture.pid, why=hung or "it did not end in time")
                capture.kill()
                kill_at = float("inf")
            self._look_at_spool(now=now)
        self._log.info("capture-exited", code=event.code)
        return Gone(event.code, ending, last_word, hung)

    def _note(  # noqa: C901, PLR0912 - a line or two for each kind of event
        self, event: Event, *, now: float
    ) -> None:
        live = self._live
        match event:
            case Joined():
                live.joined_at = live.joined_at or _moment(event.at)
                self._recording.joined_at = self._recording.joined_at or live.joined_at
                self.spans.joined(_moment(event.at))
                self.joined = True
                live.joined_mono = live.joined_mono or now
                self._recording.forget_evidence()
                live.people.joined(now=now)
                if live.phase is not RecorderPhase.FINALIZING:
                    live.phase, live.message = RecorderPhase.RECORDING, self._message()
                self._log.info("joined")
            case FirstFrame():
                live.producing = True
                self.spans.first_frame(_moment(event.at))
                live.page.first_frame()
                if not self._recording.paused:
                    self._recording.first_frame_at = self._recording.first_frame_at or _moment(event.at)
            case SegmentOpened():
                self._recording.first_frame_at = self._recording.first_frame_at or _moment(event.started_at)
                self._open.opened(event)
            case SegmentClosed():
                self.recorded = True
                self._open.closed(event)
                self._take(event)
            case PauseChanged():
                self._note_pause(event)
            case Participant():
                live.people.note(event.identity, event.change, now=now)
                self._log.info("participant", identity=event.identity, change=event.change)
            case Warned():
                live.warnings += 1
                self._log.warning("capture-warning", reason=event.reason, message=event.message)
            case Stats():
                live.frames, live.dropped = event.frames, event.dropped
            case PageStepped() | PageSeen():
                live.page.note(event)
                if live.phase is RecorderPhase.STARTING:
                    live.message = live.page.message or live.message
            case Evidence():
                self._keep(event)
            case Ended():
                raise AssertionError("the end is seen to where it arrives")
            case _:
                assert_never(event)

    def _note_pause(self, event: PauseChanged) -> None:
        self._log.info("pause", paused=event.paused)
        if event.paused:
            self._recording.pause_began(_moment(event.at))
        else:
            self._recording.pause_ended(_moment(event.at))
        self._uploader.pause_changed()
        if self._live.phase is RecorderPhase.RECORDING:
            self._live.message = self._message()

    def _message(self) -> str:
        return "Paused, as asked." if self._recording.paused else "Recording."

    async def _tell(self, capture: CaptureProcess) -> None:
        """Pass on the wish to pause or to go on, whom to record and how, once the capture can meet it."""
        if not self.joined:
            return
        wanted, users = self._pause.read(), self._users.read()
        if wanted != self._told_paused:
            self._told_paused = wanted
            self._log.info("capture-told", paused=wanted)
            await (capture.pause() if wanted else capture.resume())
        if users != self._told_users:
            self._told_users = self._recording.users = users
            self._log.info("capture-told", users=users)
            await capture.choose(users)
        if self._told.page is None and (layout := self._arrangement.read()) != self._told_layout:
            self._told_layout = self._recording.layout = layout
            self._log.info("capture-told", layout=layout)
            await capture.arrange(layout)

    def _keep(self, event: Evidence) -> None:
        """Read what shows why a page failed: the spool of a capture that is gone is swept."""
        try:
            data = (self._folder / Path(event.path).name).read_bytes()
        except OSError as error:
            self._log.warning("evidence-missing", path=event.path, error=str(error))
            return
        self._recording.keep_evidence(FileKind(event.kind), data)

    def _take(self, event: SegmentClosed) -> None:
        """Put a complete segment into the book and on its way."""
        path = self._folder / Path(event.path).name
        if event.jump:
            self._recording.begin_timeline(GapReason.PAUSED)
        size, missing = 0, None
        try:
            size = path.stat().st_size
        except OSError as error:
            missing = error
        segment = self._recording.add(
            path, size_bytes=size, started_at=_moment(event.started_at), seconds=event.duration
        )
        if missing is not None:
            self._log.error("segment-missing", path=str(path), error=str(missing))
            self._recording.mark_lost(segment.number)
            return
        if self._recording.overlong(event.duration):
            self._log.warning("segment-overlong", name=segment.name, seconds=event.duration)
        self._uploader.submit(segment)

    async def _salvage(self) -> None:
        """Take over what the capture had not closed when it went."""
        frame_seconds = 1 / self._told.frame_rate
        for event in await self._open.salvage(self._folder, frame_seconds=frame_seconds, log=self._log):
            self._take(event)

    def _look_at_spool(self, *, now: float) -> None:
        if now - self._looked_at_spool >= _LOOK_AT_SPOOL_SECONDS:
            self._looked_at_spool = now
            self._spool.make_room()

    def _bounds(self) -> Bounds:
        config, settings = self._context.config, self._settings
        return Bounds(
            join=config.join_timeout_seconds + settings.join_margin_seconds,
            silent=settings.silent_seconds,
            still=settings.still_seconds,
            unclosed=_SEGMENTS_TO_STALL * config.segment_seconds + settings.stall_margin_seconds,
        )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
