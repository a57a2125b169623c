"""The last part: what is spooled goes into the store, lists are closed, and the end is judged.

In: why the recording ended. Out: the `Ending` to report, which is worse when the store did not take
everything, or a file that is wanted of it could not be made. After SIGTERM the Pod's grace period is the deadline; a recording that ended by itself, or was told to
by its control volume, may take longer, because its files matter more than its Pod.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any, Final

from egress_api.results import Outcome
from egress_api.states import Reason
from egress_api.tracing.spans import OpenSpan
from egress_recorder import backoff
from egress_recorder.context import Context
from egress_recorder.ending import Ending, end_of
from egress_recorder.errors import PackagingError, RecorderError, StoreError, StoreUnreachableError
from egress_recorder.packaging import Packaging
from egress_recorder.recording import Recording
from egress_recorder.uploader import Uploader

_TICK_SECONDS: Final = 0.1
_MARGIN_SECONDS: Final = 10.0
_MARGIN_SHARE: Final = 0.2
"""Of the grace period, kept back for the last lists and the last words, up to the margin."""
_LAST_WORDS_SHARE: Final = 0.3
"""Of the margin, kept back for the exit itself."""
_HURRY_SECONDS: Final = 3.0
"""For the uploads that run, and again for the last lists, when nobody wants to wait."""

_ANOTHER_MAY_RECORD_MORE: Final = frozenset({Reason.STOP_REQUESTED, Reason.MAX_DURATION_REACHED})
_ANOTHER_ENDS_AT_ONCE: Final = frozenset(
    {Reason.MAX_DURATION_REACHED, Reason.MAX_BYTES_REACHED, Reason.SOURCE_CLOSED, Reason.PAGE_ENDED}
)
"""Ends that another attempt finds as they are: it may have more luck with what is made of the recording."""


class Finalizing:
    """The end of one attempt's recording."""

    def __init__(
        self, context: Context, *, recording: Recording, uploader: Uploader, packaging: Packaging
    ) -> None:
        self._context = context
        self._packaging = packaging
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
        span = self._context.span.below("egress.finalize")
        try:
            return await self._finish(ending, uploading=uploading, span=span)
        finally:
            span.end()

    async def _finish(
        self, ending: Ending, *, uploading: asyncio.Task[None], span: OpenSpan
    ) -> tuple[Ending, bool]:
        self._uploader.hurry()
        margin = min(_MARGIN_SECONDS, self._config.finalize_seconds * _MARGIN_SHARE)
        while self._recording.pending and self._may_upload(margin):
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
        closing = span.below(
            "egress.close_lists", attributes={"egress.object.name": self._recording.playlist_name}
        )
        error = await self._close_lists(ending, margin=margin)
        closing.end(error=error.reason if error is not None else "")
        if error is not None:
            return self._unclosed(ending, error), False
        if self._recording.unmade:
            return await self._package(ending, lost=lost, margin=margin, span=span)
        return ending, lost == 0

    async def _package(
        self, ending: Ending, *, lost: int, margin: float, span: OpenSpan
    ) -> tuple[Ending, bool]:
        """Make what is wanted of the recording, which is in the store and closed."""
        names = ", ".join(self._recording.unmade)
        if ending.retryable and not self._config.last_attempt:
            return ending, False  # what is recorded next belongs into it
        if self._stop.asked and not self._stop.told and not self._config.finish_only:
            # Its node is wanted empty, perhaps, and the next Pod, which records on, waits for this one's end.
            return dataclasses.replace(ending, message=f"{ending.message} {names} is not made yet."), False
        self._context.live.message = f"{ending.message} Makes {names} of the recording."
        began = self._clock.monotonic()
        packaging = span.below("egress.package", attributes={"egress.object.name": names})
        error = await self._until_done(
            self._packaging.run,
            name="package",
            late="There was not time enough.",
            began=began,
            reserve=margin,
        )
        packaging.end(error=error.reason if error is not None else "")
        if error is not None:
            self._log.error("not-packaged", names=names, error=str(error))
            if not isinstance(error, StoreError | PackagingError):
                return Ending.of_error(error), False
            ending = self._unpackaged(ending, error, names=names)
        # The manifest has to tell of the file, or why there is none.
        unclosed = await self._close_lists(ending, margin=margin)
        if unclosed is not None:
            return self._unclosed(ending, unclosed), False
        return ending, lost == 0 and error is None

    def _unpackaged(self, ending: Ending, error: RecorderError, *, names: str) -> Ending:
        sentence = f"{ending.message} But {names} could not be made: {error}"
        if ending.outcome is Outcome.FAILED:
            return dataclasses.replace(ending, message=sentence)
        retryable = error.retryable and ending.reason in _ANOTHER_ENDS_AT_ONCE
        return Ending.failed(error.reason, sentence, retryable=retryable)

    def _may_upload(self, margin: float) -> bool:
        if self._stop.hurried_at is not None:
            return self._clock.monotonic() < max(self._stop.hurried_at, self._ended_at) + _HURRY_SECONDS
        return self._seconds_left() > margin

    def _seconds_left(self) -> float:
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
        end = end_of(ending, verdict=self._config.verdict, now=self._clock.now())
        return await self._until_done(
            lambda: self._uploader.finish(complete=self._recording.lost == 0, end=end),
            name="close-lists",
            late="The store did not answer in time.",
            began=self._clock.monotonic(),
            reserve=margin * _LAST_WORDS_SHARE,
        )

    async def _until_done(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        name: str,
        late: str,
        began: float,
        reserve: float,
    ) -> RecorderError | None:
        """Do `work` again while the store fails and time is left; return what forbade it, None when it is done."""
        tries = 0
        error: RecorderError = StoreUnreachableError(late)
        while True:
            doing = asyncio.create_task(work(), name=name)
            if not await self._in_time(doing, began=began, reserve=reserve):
                return error
            try:
                doing.result()
            except StoreError as fault:
                error, tries = fault, tries + 1
                self._log.warning(f"{name}-failed", tries=tries, error=str(fault))
            except RecorderError as fault:
                return fault
            else:
                return None
            pause = asyncio.create_task(asyncio.sleep(backoff.pause(tries, ceiling=2.0)), name="pause")
            if not await self._in_time(pause, began=began, reserve=reserve):
                return error

    async def _in_time(self, work: asyncio.Task[None], *, began: float, reserve: float) -> bool:
        """Wait for `work`, or cancel it when time is up; a SIGTERM that comes meanwhile leaves less of it."""
        while not work.done():
            self._context.beat()
            await asyncio.wait({work}, timeout=_TICK_SECONDS)
            if self._stop.hurried_at is not None:
                left = max(self._stop.hurried_at, began) + _HURRY_SECONDS - self._clock.monotonic()
            else:
                left = self._seconds_left() - reserve
            if left <= 0 and not work.done():
                work.cancel()
                await asyncio.wait({work})
                return False
        return True

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
