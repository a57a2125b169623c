"""The part between join and end: captures run one after another until there is a reason to end.

In: the configuration, the wish to stop, the clock. Out: segments handed to the uploader, and one `Ending`.
A capture that dies or hangs is replaced within a second, in a spool folder of its own; the recording goes
on behind a discontinuity. No upload is waited for here.
"""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from egress_api.results import RecorderPhase
from egress_api.states import GapReason, Reason
from egress_api.status import FileKind
from egress_recorder.capture.errors import EndReason
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
from egress_recorder.capture_config import capture_config
from egress_recorder.capture_process import CaptureProcess, Exited
from egress_recorder.context import Context
from egress_recorder.ending import Ending
from egress_recorder.limits import RestartLimit
from egress_recorder.recording import Recording
from egress_recorder.uploader import Uploader

_TICK_SECONDS: Final = 0.1
_REJOIN_PAUSE_SECONDS: Final = 2.0
_SEGMENTS_TO_STALL: Final = 3

_ENDED_AS_WANTED: Final = frozenset({EndReason.SOURCE_CLOSED, EndReason.PAGE_ENDED})
_ENDED_FOR_GOOD: Final = frozenset(
    {
        EndReason.JOIN_REFUSED,
        EndReason.IDENTITY_TAKEN,
        EndReason.PAGE_FORBIDDEN,
        EndReason.PAGE_INSECURE,
        EndReason.PAGE_HTTP_ERROR,
        EndReason.PAGE_NOT_READY,
        EndReason.PAGE_CRASHED,
        EndReason.SANDBOX_UNAVAILABLE,
    }
)
_MAY_COME_BACK: Final = frozenset({EndReason.SOURCE_UNREACHABLE, EndReason.PAGE_UNREACHABLE})
"""A source that could not be joined: worth waiting for if it was there before."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """A capture that ended without a reason to end the recording."""

    reason: EndReason
    message: str


class Capturing:
    """The captures of one attempt."""

    def __init__(self, context: Context, *, recording: Recording, uploader: Uploader) -> None:
        self._context = context
        self._config = context.config
        self._settings = context.settings
        self._clock = context.clock
        self._live = context.live
        self._stop = context.stop
        self._log = context.log
        self._recording = recording
        self._uploader = uploader
        self._earlier_seconds = recording.listed_seconds
        self._joined_mono: float | None = None
        self._lost_mono: float | None = None
        self._sign_mono = 0.0
        self._joined_now = False

    async def run(self) -> Ending:
        """Capture until there is a reason to end; every closed segment has been handed on by then."""
        restarts = RestartLimit(
            limit=self._settings.restart_limit, window=self._settings.restart_window_seconds
        )
        hangs = RestartLimit(limit=self._settings.hang_limit, window=self._settings.hang_window_seconds)
        while True:
            end = self._reason_to_end() or await self._capture_once()
            if isinstance(end, Ending):
                return end
            now = self._clock.monotonic()
            self._log.warning("capture-broke", reason=end.reason, message=end.message)
            if end.reason in _MAY_COME_BACK and not self._joined_now:
                if given_up := self._rejoin_given_up(end, now=now):
                    return given_up
                pause = _REJOIN_PAUSE_SECONDS
            elif end.reason is EndReason.PAGE_HUNG and not hangs.allow(now=now):
                return Ending.failed(
                    Reason.PAGE_CRASHED,
                    f"The page hung {self._settings.hang_limit + 1} times within "
                    f"{self._settings.hang_window_seconds / 60:.0f} minutes. The last time: {end.message}",
                    retryable=False,
                )
            elif restarts.allow(now=now):
                pause = self._settings.restart_pause_seconds
            else:
                return Ending.failed(
                    Reason.CAPTURE_FAILED,
                    f"The capture failed {self._settings.restart_limit + 1} times within "
                    f"{self._settings.restart_window_seconds:.0f} s. The last time: {end.message}",
                    retryable=True,
                )
            self._live.restarts += 1
            self._live.message = f"The capture is started again: {end.message}"
            await self._stop.wait(seconds=pause)

    async def _capture_once(self) -> Ending | _Broken:
        spool = self._new_spool()
        told = capture_config(
            self._config,
            spool=spool,
            stop_seconds=self._stop_seconds(),
            goes_on=self._joined_mono is not None or self._earlier_seconds > 0,
        )
        self._recording.begin_timeline(GapReason.CAPTURE_RESTARTED)
        self._live.people.forget(now=self._clock.monotonic())
        self._joined_now = False
        self._sign_mono = self._clock.monotonic()
        try:
            capture = await CaptureProcess.start(self._settings.capture_command, told, log=self._log)
        except OSError as error:
            return _Broken(EndReason.PIPELINE_ERROR, f"The capture can't be started: {error}.")
        try:
            return await self._follow(capture, spool)
        finally:
            capture.kill()
            self._sweep(spool)

    async def _follow(self, capture: CaptureProcess, spool: Path) -> Ending | _Broken:
        last_word: Ended | None = None
        ending: Ending | None = None
        hung: str | None = None
        kill_at: float | None = None
        while True:
            event = await capture.next(timeout=_TICK_SECONDS)
            now = self._context.beat()
            match event:
                case Exited():
                    break
                case Ended():
                    last_word = event
                case None:
                    pass
                case _:
                    self._note(event, spool, now=now)
            if ending is None and (ending := self._reason_to_end()) is not None:
                self._log.info("capture-stopping", reason=ending.reason)
                self._live.phase, self._live.message = RecorderPhase.FINALIZING, ending.message
                await capture.stop()
                kill_at = now + self._stop_seconds()
            if kill_at is None and (hung := self._hung(now=now)) is not None:
                kill_at = now
            if kill_at is not None and (now >= kill_at or self._stop.hurry or (ending and ending.fenced)):
                self._log.warning("capture-killed", pid=capture.pid, why=hung or "it did not end in time")
                capture.kill()
                kill_at = float("inf")
        self._log.info("capture-exited", code=event.code)
        return ending or self._meaning(event.code, last_word, hung)

    def _note(  # noqa: C901, PLR0912 - a line or two for each kind of event
        self,
        event: Event,
        spool: Path,
        *,
        now: float,
    ) -> None:
        live = self._live
        match event:
            case Joined():
                live.joined_at = live.joined_at or _moment(event.at)
                self._joined_mono = self._joined_mono or now
                self._lost_mono, self._joined_now, self._sign_mono = None, True, now
                self._recording.forget_evidence()
                live.people.joined(now=now)
                if live.phase is not RecorderPhase.FINALIZING:
                    live.phase, live.message = RecorderPhase.RECORDING, "Recording."
                self._log.info("joined")
            case FirstFrame():
                live.producing = True
                live.page.first_frame()
                self._recording.first_frame_at = self._recording.first_frame_at or _moment(event.at)
            case SegmentClosed():
                self._sign_mono = now
                self._take(event, spool)
            case SegmentOpened() | PauseChanged():
                pass
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
                self._keep(event, spool)
            case Ended():
                raise AssertionError("the end is seen to where it arrives")
            case _:
                assert_never(event)

    def _keep(self, event: Evidence, spool: Path) -> None:
        """Read what shows why a page failed: the spool of a capture that is gone is swept."""
        try:
            data = (spool / Path(event.path).name).read_bytes()
        except OSError as error:
            self._log.warning("evidence-missing", path=event.path, error=str(error))
            return
        self._recording.keep_evidence(FileKind(event.kind), data)

    def _take(self, event: SegmentClosed, spool: Path) -> None:
        path = spool / Path(event.path).name
        try:
            size = path.stat().st_size
        except OSError as error:
            self._log.error("segment-missing", path=str(path), error=str(error))
            self._recording.begin_timeline(GapReason.SEGMENT_LOST)
            return
        segment = self._recording.add(
            path, size_bytes=size, started_at=_moment(event.started_at), seconds=event.duration
        )
        if self._recording.overlong(event.duration):
            self._log.warning("segment-overlong", name=segment.name, seconds=event.duration)
        self._uploader.submit(segment)

    def _reason_to_end(self) -> Ending | None:
        now = self._clock.monotonic()
        limit, idle_limit = self._config.max_duration_seconds, self._config.idle_timeout_seconds
        if self._stop.asked:
            return Ending.stopped(Reason.STOP_REQUESTED, "Stopped as asked.")
        if self._uploader.fatal is not None:
            return Ending.of_error(self._uploader.fatal)
        recorded = self._earlier_seconds + (now - self._joined_mono if self._joined_mono is not None else 0.0)
        if recorded >= limit:
            return Ending.stopped(
                Reason.MAX_DURATION_REACHED, f"The recording reached its limit of {limit} s."
            )
        if idle_limit and self._live.people.idle_seconds(now=now) >= idle_limit:
            return Ending.stopped(Reason.IDLE_TIMEOUT, f"Nobody sent picture or sound for {idle_limit} s.")
        room = self._config.spool_bytes * self._settings.spool_share
        if (waiting := self._recording.pending_bytes) > room:
            error = self._uploader.last_error
            return Ending.failed(
                Reason.STORE_UNREACHABLE,
                f"The recording was ended because {waiting} bytes wait for the store: the spool is full. "
                + (f"The last error: {error}" if error else "The store takes less than is recorded."),
                retryable=True,
            )
        return None

    def _hung(self, *, now: float) -> str | None:
        silent = now - self._sign_mono
        if self._joined_now:
            patience = _SEGMENTS_TO_STALL * self._config.segment_seconds + self._settings.stall_margin_seconds
            return f"it closed no segment for {silent:.0f} s" if silent > patience else None
        patience = self._config.join_timeout_seconds + self._settings.join_margin_seconds
        return f"it neither joined nor gave up for {silent:.0f} s" if silent > patience else None

    def _meaning(self, code: int, last_word: Ended | None, hung: str | None) -> Ending | _Broken:
        """Decide what the end of a capture that nobody asked for means."""
        reason = EndReason(last_word.reason) if last_word else _reason_of_exit(code)
        message = last_word.message if last_word else _words_of_exit(code, hung)
        if reason in _ENDED_AS_WANTED:
            return Ending.stopped(Reason(reason), message)
        if reason in _ENDED_FOR_GOOD:
            return Ending.failed(Reason(reason), message, retryable=False)
        return _Broken(reason, message)

    def _rejoin_given_up(self, broken: _Broken, *, now: float) -> Ending | None:
        """Give up at once on a source that was never joined, and after a while on one that was."""
        self._lost_mono = self._lost_mono or now
        patient = (
            self._joined_mono is not None and now - self._lost_mono < self._settings.rejoin_patience_seconds
        )
        if patient:
            return None
        return Ending.failed(Reason(broken.reason), broken.message, retryable=True)

    def _new_spool(self) -> Path:
        number = 0
        while True:
            spool = self._settings.spool / f"attempt-{self._config.attempt}-capture-{number}"
            try:
                spool.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return spool

    def _sweep(self, spool: Path) -> None:
        """Remove what a capture that is gone left half-written: it would take its room for good."""
        waiting = self._recording.spooled_paths()
        with contextlib.suppress(OSError):
            for path in spool.iterdir():
                if path not in waiting:
                    path.unlink(missing_ok=True)

    def _stop_seconds(self) -> float:
        # A third of the grace period at most: the rest is for the last uploads.
        return min(self._settings.stop_capture_seconds, self._config.finalize_seconds / 3)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _reason_of_exit(code: int) -> EndReason:
    """Return what an exit code says where there was no last word; a signal or a surprise is a crash."""
    return next((reason for reason in EndReason if reason.exit_code == code), EndReason.PIPELINE_ERROR)


def _words_of_exit(code: int, hung: str | None) -> str:
    if hung:
        return f"The capture hung: {hung}."
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"The capture died without a word ({how})."
