"""One capture from join to ended: who is called when.

In: the config, an event writer, a stop event, the wish to pause. Out: the reason it ended. Every way out passes through `finish`,
so what was captured is closed whatever happened. Must not: read stdin, exit the process.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from egress_recorder.capture.choice import Choice, Users
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.cpus import available_cpus, threads
from egress_recorder.capture.errors import CaptureError, EndReason, PageEnded
from egress_recorder.capture.events import Ended, Event, FirstFrame, Joined
from egress_recorder.capture.mixer import Mixer
from egress_recorder.capture.output import Output
from egress_recorder.capture.pauses import Pauses
from egress_recorder.capture.sources import Source, make_source

log = logging.getLogger(__name__)

STATS_SECONDS = 1.0
"""Also the sign of life: a supervisor that hears nothing for a few of these takes the capture as hung."""


async def record(
    config: CaptureConfig,
    *,
    emit: Callable[[Event], None],
    stop: asyncio.Event,
    pauses: Pauses,
    choice: Choice[Users],
    arrangement: Choice[str],
) -> EndReason:
    """Capture until told to stop or something ends it; emit `ended` last, exactly once."""
    source: Source | None = None
    reporter: asyncio.Future[None] | None = None
    reason, message = EndReason.STOPPED, "Stopped as asked."
    try:
        loop = asyncio.get_running_loop()
        cpus = available_cpus(limit=config.cpus)
        output = Output(config, threads=threads(cpus), pauses=pauses, emit=emit, loop=loop)
        source = make_source(config, emit=emit)
        choose = source.choose
        choice.follow(lambda users: loop.call_soon_threadsafe(choose, users))
        what = f"channel {config.source.channel} at {config.source.url}" if not config.page else "the page"
        log.info("joining %s, threads=%d", what, threads(cpus))
        if await _unless(stop, source.join()):
            # Until the last event: while it closes and leaves, it still is to be heard from.
            reporter = asyncio.ensure_future(_report(output, emit))
            await _play(config, source, output, pauses=pauses, arrangement=arrangement, emit=emit, stop=stop)
    except CaptureError as error:
        reason, message = error.reason, error.message
    except Exception as error:
        log.exception("the capture failed")
        reason, message = EndReason.PIPELINE_ERROR, f"The capture failed: {type(error).__name__}: {error}."
    if source is not None:
        await source.leave()
    if reporter is not None:
        reporter.cancel()
    emit(Ended(reason=reason, message=message))
    return reason


async def _play(
    config: CaptureConfig,
    source: Source,
    output: Output,
    *,
    pauses: Pauses,
    arrangement: Choice[str],
    emit: Callable[[Event], None],
    stop: asyncio.Event,
) -> None:
    """Run the pipeline between join and end. Raises what ended it, after everything is closed."""
    loop = asyncio.get_running_loop()
    mixer = Mixer(output.pipeline, config, loop=loop)
    arrangement.follow(lambda layout: loop.call_soon_threadsafe(mixer.arrange, layout))
    output.on_branch_error = mixer.branch_failed
    output.left_out = lambda: mixer.left_out
    mixer.on_shown = lambda at: pauses.filled(at=at)
    last_instant: int | None = None
    try:
        await output.start()
        emit(Joined(at=round(time.time(), 6)))
        output.first_frame.add_done_callback(lambda done: emit(FirstFrame(at=done.result())))
        source.play(mixer)
        waiting = asyncio.ensure_future(stop.wait())
        endings: list[asyncio.Future[Any]] = [waiting, source.closed, output.failed]
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not stop.is_set():
            for ended in (output.failed, source.closed):
                if ended.done():
                    ended.result()
    except PageEnded as ended:
        last_instant = ended.at
        raise
    finally:
        await output.finish(last_instant=last_instant)
        mixer.close()
        emit(output.stats())


async def _report(output: Output, emit: Callable[[Event], None]) -> None:
    while True:
        await asyncio.sleep(STATS_SECONDS)
        emit(output.stats())


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work unless the stop comes first; say whether it was done."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
    return False
