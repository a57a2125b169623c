"""The last part: what is spooled goes into the store, lists are closed, and the end is judged.

In: why the recording ended. Out: the `Ending` to report, which is worse when the store did not take
everything. After SIGTERM the Pod's grace period is the deadline; a recording that ended by itself may take
longer, because its files matter more than its Pod.
"""

import asyncio
import dataclasses
from typing import Final

from egress_api.results import Outcome
from egress_api.states import Reason
from egress_recorder import backoff
from egress_recorder.context import Context
from egress_recorder.ending import Ending
from egress_recorder.errors import RecorderError, StoreError
from egress_recorder.recording import Recording
from egress_recorder.uploader import Uploader

_TICK_SECONDS: Final = 0.1
_MARGIN_SECONDS: Final = 10.0
_MARGIN_SHARE: Final = 0.2
"""Of the grace period, kept back for the last lists and the last words, up to the margin."""
_LAST_WORDS_SHARE: Final = 0.3
"""Of the margin, kept back for the exit itself."""
_HURRY_SECONDS: Final = 3.0
"""For the last lists when nobody wants to wait."""

_ANOTHER_MAY_RECORD_MORE: Final = frozenset({Reason.STOP_REQUESTED, Reason.MAX_DURATION_REACHED})


class Finalizing:
    """The end of one attempt's recording."""

    def __init__(self, context: Context, *, recording: Recording, uploader: Uploader) -> None:
        self._context = context
        self._config = context.config
        self._settings = context.settings
        self._clock = context.clock
        self._stop = context.stop
        self._log = context.log
        self._recording = recording
        self._uploader = uploader
        self._ended_at = context.clock.monotonic()

    async def run(self, ending: Ending, *, uploading: asyncio.Task[None]) -> tuple[Ending, bool]:
        """Upload and close everything; return the end to report and whether all of it is in the store."""
        if ending.fenced:
            uploading.cancel()
            return ending, False
        self._uploader.hurry()
        margin = min(_MARGIN_SECONDS, self._config.finalize_seconds * _MARGIN_SHARE)
        while self._recording.pending and self._seconds_left() > margin:
            if self._uploader.fatal is not None or uploading.done():
                break
            await self._tick()
        uploading.cancel()
        await asyncio.wait({uploading})
        if self._uploader.fatal is not None:
            return Ending.of_error(self._uploader.fatal), False
        waiting = self._recording.pending
        lost = self._recording.give_up_pending()
        if lost:
            ending = self._incomplete(ending, waiting=waiting, lost=lost)
        error = await self._close_lists(ending, margin=margin)
        if error is not None:
            return self._unclosed(ending, error), False
        return ending, lost == 0

    def _seconds_left(self) -> float:
        if self._stop.hurry:
            return 0.0
        now = self._clock.monotonic()
        by_itself = self._ended_at + self._settings.upload_patience_seconds
        if self._stop.asked_at is None:
            return by_itself - now
        return min(by_itself, self._stop.asked_at + self._config.finalize_seconds) - now

    async def _tick(self) -> None:
        self._context.beat()
        await asyncio.sleep(_TICK_SECONDS)

    async def _close_lists(self, ending: Ending, *, margin: float) -> RecorderError | None:
        """Write the last playlist and manifest; return what forbade it, None when they are written."""
        tries = 0
        seconds = (
            _HURRY_SECONDS
            if self._stop.hurry
            else max(self._seconds_left() - margin * _LAST_WORDS_SHARE, 0.0)
        )
        deadline = self._clock.monotonic() + seconds
        complete = self._recording.lost == 0
        while True:
            self._context.beat()
            try:
                async with asyncio.timeout(max(deadline - self._clock.monotonic(), 0.1)):
                    await self._uploader.finish(complete=complete, reason=ending.reason.value)
            except TimeoutError:
                return self._uploader.last_error or StoreError("The store did not answer in time.")
            except StoreError as error:
                tries += 1
                pause = backoff.pause(tries, ceiling=2.0)
                self._log.warning("lists-not-written", tries=tries, error=str(error))
                if self._clock.monotonic() + pause > deadline:
                    return error
                await asyncio.sleep(pause)
            except RecorderError as error:
                return error
            else:
                return None

    def _incomplete(self, ending: Ending, *, waiting: int, lost: int) -> Ending:
        error = self._uploader.last_error
        why = f"The last error: {error}" if waiting and error else "The spool could not be read."
        reason = error.reason if waiting and error else Reason.RECORDER_FAILED
        if ending.outcome is Outcome.FAILED:
            return dataclasses.replace(ending, message=f"{ending.message} {lost} segments are missing. {why}")
        return Ending.failed(
            reason,
            f"{ending.message} But {lost} segments did not reach the store. {why}",
            retryable=ending.reason in _ANOTHER_MAY_RECORD_MORE,
        )

    def _unclosed(self, ending: Ending, error: RecorderError) -> Ending:
        if not isinstance(error, StoreError):
            return Ending.of_error(error)
        if ending.outcome is Outcome.FAILED:
            return ending
        return Ending.failed(
            error.reason,
            f"{ending.message} But the playlist and the manifest could not be closed: {error}",
            retryable=True,
        )
