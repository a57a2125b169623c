"""The operator put together: connection, queue, watches, workers, resync and probes, until told to stop."""

import asyncio
import contextlib
import functools
import signal
import threading
import time
from datetime import UTC, datetime
from typing import Final

import aiohttp
import kopf
import structlog
from kopf._cogs.clients.errors import APIError
from kopf._cogs.clients.watching import WatchingError
from kopf._cogs.structs.references import Insights

from egress_api.constants import RECORDER_PORT
from egress_operator.cluster import Cluster
from egress_operator.errors import ApiError, ResourceMissingError
from egress_operator.handlers import build_registry, kopf_settings
from egress_operator.hung import hung_watches_ended
from egress_operator.keys import TaskKey
from egress_operator.live import LiveReports
from egress_operator.metrics import Metrics
from egress_operator.probes import Health, ProbeServer, WatchHealth
from egress_operator.reconciler import Reconciler
from egress_operator.resync import Resync
from egress_operator.served import ended_unless_served
from egress_operator.settings import Settings
from egress_operator.sweep import Sweep
from egress_operator.task_traces import TaskTraces, exporter_of
from egress_operator.turns import Turns
from egress_operator.watched import Watched
from egress_operator.webhooks.notices import Notices
from egress_operator.webhooks.sender import Sender
from egress_operator.workqueue import WorkQueue

SHUTDOWN_SECONDS: Final = 10
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 15.0
"""Before the operator begins anew; less than the time that a Pod has to end."""
_PASSING: Final = (APIError, WatchingError, ResourceMissingError, aiohttp.ClientError, TimeoutError)

logger = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """Return the wall clock."""
    return datetime.now(UTC)


async def run(
    settings: Settings,
    *,
    stop: asyncio.Event | None = None,
    recorder_port: int = RECORDER_PORT,
) -> None:
    """Run the operator until SIGTERM, SIGINT or `stop`.

    kopf gives up where a list or a watch is answered with an error again and again (etcd away, rights taken for a
    moment) or at once (410, 404), and it waits for ever for a resource that was not there when it looked. Nothing is lost
    with it, so all begins anew: sooner than a container would, whose restarts come later and later. The probes and what
    was counted go on meanwhile.

    Args:
        settings: the operator's.
        stop: ends it as a signal would.
        recorder_port: where recorders answer.
    """
    exporter = exporter_of(settings.tracing)
    traces = TaskTraces(exporter, rules=settings.tracing, clock=utc_now) if exporter is not None else None
    try:
        await _run_until(stop or asyncio.Event(), settings, recorder_port=recorder_port, traces=traces)
    finally:
        if exporter is not None:
            await exporter.close()


async def _run_until(
    stop: asyncio.Event, settings: Settings, *, recorder_port: int, traces: TaskTraces | None
) -> None:
    metrics, health = Metrics(), Health(clock=time.monotonic)
    life = functools.partial(
        _run, settings, stop=stop, recorder_port=recorder_port, metrics=metrics, health=health, traces=traces
    )
    async with ProbeServer(port=settings.metrics_port, health=health, metrics=metrics):
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                await life()
            except _PASSING as error:
                lasted = time.monotonic() - began
                pause = FIRST_PAUSE_SECONDS if lasted > LONGEST_PAUSE_SECONDS else pause
                logger.error("The operator begins anew", error=f"{error}", seconds=pause)  # noqa: TRY400 - no fault of the program
                health.end(f"the operator begins anew: {error}")
            else:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _heed_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and SIGINT set `stop`, in kopf's stead: its own handlers outlive it, and then tell nobody."""
    if threading.current_thread() is not threading.main_thread():
        return  # no signal comes there
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _run(
    settings: Settings,
    *,
    stop: asyncio.Event,
    recorder_port: int,
    metrics: Metrics,
    health: Health,
    traces: TaskTraces | None,
) -> None:
    queue: WorkQueue[TaskKey] = WorkQueue()
    watch = WatchHealth(clock=time.monotonic)
    health.begin(watch, stuck_seconds=lambda: queue.stuck_seconds)
    metrics.observe_queue(depth=lambda: queue.depth, oldest=lambda: queue.oldest_seconds)
    async with contextlib.AsyncExitStack() as stack:
        cluster = await Cluster.connect()
        stack.push_async_callback(cluster.close)
        live = await stack.enter_async_context(
            LiveReports[TaskKey](
                poll_seconds=settings.poll_seconds, ring=queue.add, metrics=metrics, port=recorder_port
            )
        )
        turns = Turns(
            settings.queue,
            namespaces=settings.namespaces,
            queue=queue,
            metrics=metrics,
            clock=utc_now,
            monotonic=time.monotonic,
        )
        sender = await stack.enter_async_context(
            Sender(settings.webhooks, ring=queue.add_after, metrics=metrics, clock=utc_now, traces=traces)
        )
        metrics.observe_webhooks(oldest=lambda: sender.oldest_seconds)
        watched, sweep = Watched(), Sweep(cluster)
        reconciler = Reconciler(
            cluster=cluster,
            watched=watched,
            sweep=sweep,
            settings=settings,
            live=live,
            turns=turns,
            metrics=metrics,
            clock=utc_now,
            notices=Notices(settings.webhooks, sender=sender, clock=utc_now),
            traces=traces,
        )
        resync = Resync(
            cluster=cluster,
            settings=settings,
            queue=queue,
            watch=watch,
            turns=turns,
            watched=watched,
            sweep=sweep,
            metrics=metrics,
            clock=utc_now,
        )

        def failed(key: TaskKey, error: Exception, pause: float) -> None:
            metrics.reconciles.labels("failed").inc()
            logger.warning(
                "Task will be looked at again",
                task=key.name,
                namespace=key.namespace,
                error=f"{type(error).__name__}: {error}",
                seconds=pause,
            )

        def asks_for(error: Exception) -> float:
            return error.retry_after if isinstance(error, ApiError) else 0.0

        background = [
            asyncio.create_task(
                queue.work(reconciler.reconcile, on_error=failed, asks_for=asks_for), name=f"worker {number}"
            )
            for number in range(settings.workers)
        ]
        background.append(asyncio.create_task(resync.run(), name="resync"))
        background.append(asyncio.create_task(turns.run(), name="turns"))
        background.append(asyncio.create_task(sweep.run(), name="sweep"))

        ending = asyncio.Event()

        async def end() -> None:
            ending.set()
            health.end("the operator ends")
            queue.close()
            resync.close()
            turns.close()
            sweep.close()
            _, late = await asyncio.wait(background, timeout=SHUTDOWN_SECONDS)
            for task in late:
                task.cancel()
            await live.close()
            await sender.close()

        stack.push_async_callback(end)
        logger.info("Operator started", namespaces=settings.namespaces, workers=settings.workers)
        insights = Insights()
        over = await stack.enter_async_context(ended_unless_served(insights, stop=stop))
        await stack.enter_async_context(hung_watches_ended(ending, over))
        await kopf.operator(
            registry=build_registry(
                queue=queue,
                watch=watch,
                turns=turns,
                watched=watched,
                begin=lambda: _heed_signals(stop),
                end=end,
            ),
            settings=kopf_settings(),
            namespaces=settings.namespaces,
            insights=insights,
            standalone=True,
            stop_flag=over,
        )
    logger.info("Operator stopped")
