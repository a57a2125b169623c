"""The part between join and end: captures run one after another until there is a reason to end.

In: the configuration, the wish to stop, the clock. Out: segments handed to the uploader, and one `Ending`.
A capture that dies or hangs is replaced at once, in a spool folder of its own; the recording goes on behind a
discontinuity. No upload is waited for here.
"""

import errno
from typing import Final

from egress_api.constants import PAUSE_FILE
from egress_api.results import Outcome
from egress_api.states import Reason
from egress_recorder import backoff
from egress_recorder.capture.errors import EndReason
from egress_recorder.capture_config import capture_config
from egress_recorder.capture_end import MAY_COME_BACK, Broken, meaning_of
from egress_recorder.context import Context
from egress_recorder.control import Arrangement, Users, Wish
from egress_recorder.ending import Ending
from egress_recorder.following import Following
from egress_recorder.limits import Patience, RestartLimit
from egress_recorder.recording import Recording
from egress_recorder.spool import Spool
from egress_recorder.uploader import Uploader

_PREDECESSOR_JOINS: Final = 2
"""So often a recorder that was replaced may throw out the one that took over; who does it more often is somebody else."""
_REJOIN_PAUSE_SECONDS: Final = 2.0
_LONGEST_DISK_PAUSE_SECONDS: Final = 5.0


class Capturing:
    """The captures of one attempt."""

    def __init__(self, context: Context, *, recording: Recording, uploader: Uploader) -> None:
        self._context = context
        self._config = context.config
        self._settings = settings = context.settings
        self._clock = context.clock
        self._live = context.live
        self._stop = context.stop
        self._log = context.log
        self._recording = recording
        self._uploader = uploader
        self._spool = Spool(context, recording=recording)
        self._pause = Wish(context.config.control_dir, PAUSE_FILE, log=context.log)
        self._users = Users(context.config.control_dir, begin=tuple(context.config.users))
        self._arrangement = Arrangement(context.config.control_dir, begin=context.config.layout)
        self._earlier_seconds = recording.listed_seconds
        self._joined_now = False
        self._restarts = RestartLimit(limit=settings.restart_limit, window=settings.restart_window_seconds)
        self._thrown_out = 0
        self._hangs = RestartLimit(limit=settings.hang_limit, window=settings.hang_window_seconds)
        self._away = Patience(seconds=settings.rejoin_patience_seconds)
        self._disk = Patience(seconds=settings.disk_patience_seconds)

    async def run(self) -> Ending:
        """Capture until there is a reason to end; every closed segment has been handed on by then."""
        while True:
            end = self._reason_to_end() or await self._capture_once()
            if isinstance(end, Ending):
                return end
            self._log.warning("capture-broke", reason=end.reason, message=end.message)
            self._recording.begin_timeline(end.gap_reason)
            pause = self._pause_after(end, now=self._clock.monotonic())
            if isinstance(pause, Ending):
                return pause
            self._live.restarts += 1
            self._live.message = f"The capture is started again: {end.message}"
            if pause > 0:
                await self._stop.wait(seconds=pause)

    async def _capture_once(self) -> Ending | Broken:
        self._joined_now = False
        self._live.people.forget(now=self._clock.monotonic())
        paused = self._wished_pause()
        self._recording.users = self._users.read()
        if self._config.layout.of_channel:
            self._recording.layout = self._arrangement.read()
        try:
            folder = self._spool.new_folder()
            stop_seconds = self._stop_seconds()
            told = capture_config(
                self._config,
                spool=folder,
                stop_seconds=stop_seconds,
                goes_on=self._live.joined_mono is not None or self._earlier_seconds > 0,
                paused=paused,
                users=self._recording.users,
                layout=self._recording.layout,
            )
            capture = Following(
                self._context,
                recording=self._recording,
                uploader=self._uploader,
                spool=self._spool,
                pause=self._pause,
                users=self._users,
                arrangement=self._arrangement,
                told=told,
                stop_seconds=stop_seconds,
            )
            gone = await capture.run(self._reason_to_end)
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            reason = EndReason.DISK_FULL if full else EndReason.PIPELINE_ERROR
            return Broken(reason, f"The capture can't be started: {error}.")
        self._joined_now = capture.joined
        if capture.joined:
            self._away.worked()
        if capture.recorded:
            self._disk.worked()
        by_predecessor = self._config.attempt > 1 and self._thrown_out < _PREDECESSOR_JOINS
        end = gone.ending or meaning_of(
            gone.code, last_word=gone.last_word, hung=gone.hung, by_predecessor=by_predecessor
        )
        unwanted = isinstance(end, Broken) or end.outcome is Outcome.FAILED
        capture.spans.gone(error=end.reason if unwanted else "")
        if isinstance(end, Broken) and end.reason is EndReason.IDENTITY_TAKEN:
            self._thrown_out += 1
        return end

    def _pause_after(self, end: Broken, *, now: float) -> float | Ending:
        """Return the seconds until the next capture, or the end where there have been too many."""
        settings = self._settings
        if end.reason is EndReason.DISK_FULL:
            return self._pause_for_room(end, now=now)
        if end.reason in MAY_COME_BACK and not self._joined_now:
            # Given up at once on a source that was never joined, and after a while on one that was.
            if self._live.joined_mono is None or not self._away.lasts(now=now):
                return Ending.failed(Reason(end.reason), end.message, retryable=True)
            return _REJOIN_PAUSE_SECONDS
        if end.reason is EndReason.PAGE_HUNG and not self._hangs.allow(now=now):
            return Ending.failed(
                Reason.PAGE_CRASHED,
                f"The page hung {settings.hang_limit + 1} times within "
                f"{settings.hang_window_seconds / 60:.0f} minutes. The last time: {end.message}",
                retryable=False,
            )
        if not self._restarts.allow(now=now):
            return Ending.failed(
                Reason.CAPTURE_FAILED,
                f"The capture failed {settings.restart_limit + 1} times within "
                f"{settings.restart_window_seconds:.0f} s. The last time: {end.message}",
                retryable=True,
            )
        again = self._restarts.within_window - 1
        return settings.restart_pause_seconds * 2 ** (again - 1) if again else 0.0

    def _pause_for_room(self, end: Broken, *, now: float) -> float | Ending:
        """Make room; a full disk is not the capture's fault and doesn't count among its restarts."""
        # What the store takes just now may free the room by itself.
        self._spool.make_room(even_on_their_way=self._uploader.last_error is not None)
        if not self._disk.lasts(now=now):
            patience = self._settings.disk_patience_seconds
            return Ending.failed(
                Reason.CAPTURE_FAILED,
                f"Nothing could be recorded for {patience:.0f} s: {end.message}",
                retryable=True,
            )
        again = self._disk.tries - 1
        return backoff.pause(again, ceiling=_LONGEST_DISK_PAUSE_SECONDS) if again else 0.0

    def _reason_to_end(self) -> Ending | None:
        now = self._clock.monotonic()
        config, joined = self._config, self._live.joined_mono
        if self._stop.asked:
            return Ending.stopped(Reason.STOP_REQUESTED, "Stopped as asked.")
        if self._uploader.fatal is not None:
            return Ending.of_error(self._uploader.fatal)
        lasted = self._earlier_seconds + (now - joined if joined is not None else 0.0)
        if lasted >= config.max_duration_seconds:
            return Ending.stopped(
                Reason.MAX_DURATION_REACHED,
                f"The recording reached its limit of {config.max_duration_seconds} s.",
            )
        idle_limit = config.idle_timeout_seconds
        if idle_limit and self._live.people.idle_seconds(now=now) >= idle_limit:
            return Ending.stopped(Reason.IDLE_TIMEOUT, f"Nobody sent picture or sound for {idle_limit} s.")
        if config.max_bytes and self._recording.total_bytes >= config.max_bytes:
            return Ending.stopped(
                Reason.MAX_BYTES_REACHED, f"The recording reached its limit of {config.max_bytes} bytes."
            )
        return None

    def _wished_pause(self) -> bool:
        """Return whether a capture that starts now starts paused; the book knows from then on."""
        paused, now = self._pause.read(), self._clock.now()
        if paused:
            self._recording.pause_began(now)
        else:
            self._recording.pause_ended(now)
        self._uploader.pause_changed()
        return paused

    def _stop_seconds(self) -> float:
        # A third of the grace period at most: the rest is for the last uploads.
        return min(self._settings.stop_capture_seconds, self._config.finalize_seconds / 3)
