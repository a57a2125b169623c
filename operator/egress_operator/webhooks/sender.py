"""Sends the events that stand in the tasks' statuses: per task one after the other, per receiver a few at a time.

In: each task's status, as it has just been written. Out: POSTs; and, when it is asked, how far it is, which the
reconciler writes with the next change or when this rings. Each receiver has a queue and workers of its own: one that
is slow or dead holds up neither the others nor the tasks. Here nothing is written to the API server.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final, Self, assert_never

import structlog

from egress_api.outbox import PendingEvent
from egress_api.status import EgressTaskStatus
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.webhooks.keys import SigningKeys
from egress_operator.webhooks.outbox import Progress
from egress_operator.webhooks.post import TRY_SECONDS, Answer, Outcome, Poster
from egress_operator.webhooks.record import Record, Subject, as_read
from egress_operator.webhooks.schedule import WRITTEN_FROM_SECONDS, expires, pause_after
from egress_operator.webhooks.settings import Endpoint, WebhookSettings
from egress_operator.workqueue import WorkQueue

WORKERS: Final = 8
"""Tries at the same time, per receiver."""
UNSIGNED_SECONDS: Final = 30.0
"""Between two looks for a signing secret. Without one nothing is sent, and no try is counted."""
CLOSE_SECONDS: Final = 2.0
_GONE: Final = (
    "the receiver has answered 410 Gone: it gets nothing more until webhooks.* in the settings changes"
)

logger = structlog.get_logger(__name__)


class _Line:
    """One receiver: its queue, its keys, and whether it is there at all."""

    def __init__(self, endpoint: Endpoint, keys: SigningKeys) -> None:
        self.endpoint = endpoint
        self.keys = keys
        self.queue: WorkQueue[TaskKey] = WorkQueue()
        self.gone = False
        self._answered = False
        self._first = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the others back until it has answered once: of a receiver that is gone, one call learns it."""
        async with contextlib.AsyncExitStack() as stack:
            if not self._answered:
                await stack.enter_async_context(self._first)
            yield
            self._answered = True


class Sender:
    """Sends events. An async context manager: it holds an HTTP session and workers."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        ring: Callable[[TaskKey, float], None],
        metrics: Metrics,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            settings: who gets what.
            ring: have a task looked at, in so many seconds: there is something to write.
            metrics: counts tries.
            clock: the wall clock.
            chance: 0 to 1, for the jitter.
            try_seconds: for one try.
        """
        self._settings = settings
        self._ring = ring
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._poster = Poster(seconds=try_seconds)
        self._lines: dict[tuple[str, str], _Line] = {}
        self._records: dict[TaskKey, Record] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Send no more. What is under way has a moment; what is cut off is sent again, with the same id."""
        self._closed = True
        for line in self._lines.values():
            line.queue.close()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=CLOSE_SECONDS)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._poster.close()

    # For the reconciler.

    def offer(self, subject: Subject, status: EgressTaskStatus) -> None:
        """Send what is pending in this status, which is the one that stands in the API server now."""
        if self._closed:
            return
        key = subject.key
        known = self._records.get(key)
        if known is not None and known.subject.uid != subject.uid:
            del self._records[key]
            known = None
        endpoint = self._settings.of(subject.app_id)
        if endpoint is None or status.webhooks is None or not status.webhooks.pending:
            self._records.pop(key, None)
            return
        if known is None:
            known = self._records[key] = Record(subject=subject, status=as_read(status))
        else:
            known.status = as_read(status)
        if known.head is not None:
            self._line(endpoint).queue.add(key)

    def drop(self, key: TaskKey) -> None:
        """Forget a task that is gone."""
        self._records.pop(key, None)

    def progress(self, subject: Subject) -> Progress | None:
        """Return how far a task's events are; None where nothing is known of them."""
        record = self._records.get(subject.key)
        return record.progress() if record is not None and record.subject.uid == subject.uid else None

    def seconds_to_write(self, key: TaskKey) -> float | None:
        """Return in how many seconds that is to be written; None when there is nothing to write."""
        record = self._records.get(key)
        return record.seconds_to_write(self._clock()) if record is not None else None

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that waits to be delivered; 0 when there is none."""
        heads = [head.at for record in self._records.values() if (head := record.head) is not None]
        return max((self._clock() - min(heads)).total_seconds(), 0.0) if heads else 0.0

    # One receiver.

    def _line(self, endpoint: Endpoint) -> _Line:
        # Apps may share a receiver and want different events of it.
        place = (endpoint.url, endpoint.secret)
        line = self._lines.get(place)
        if line is None:
            keys = SigningKeys(self._settings.folder / endpoint.secret)
            line = self._lines[place] = _Line(endpoint, keys)
            self._workers += [
                asyncio.create_task(self._work(line), name=f"webhooks {endpoint.url} {number}")
                for number in range(WORKERS)
            ]
        return line

    async def _work(self, line: _Line) -> None:
        async def process(key: TaskKey) -> float | None:
            return await self._next(line, key)

        def failed(key: TaskKey, error: Exception, pause: float) -> None:
            logger.error(
                "Webhook not sent", task=key.name, namespace=key.namespace, error=repr(error), seconds=pause
            )

        await line.queue.work(process, on_error=failed)

    # One event.

    async def _next(self, line: _Line, key: TaskKey) -> float | None:
        record = self._records.get(key)
        event = record.head if record is not None else None
        if record is None or event is None or record.blocked:
            return None
        wait = self._wait(line, record, event)
        if wait is not None:
            return wait
        try:
            body = record.body(event)
        except ValueError as error:
            return self._settled(
                record, event, given_up=f"event {event.sequence} ({event.type}) has no body: {error}"
            )
        async with line.turn():
            if line.gone:
                return 0.0
            answer = await self._try(line, record, event, body=body)
            if answer is not None and answer.outcome is Outcome.GONE:
                line.gone = True
        if self._records.get(key) is not record:
            return 0.0  # the task is gone, or another has its name now
        return self._tried(line, record, event, answer)

    def _wait(self, line: _Line, record: Record, event: PendingEvent) -> float | None:
        now = self._clock()
        if line.gone:
            return self._no_more(record, event, now)
        if record.next_at is not None and record.next_at > now:
            return (record.next_at - now).total_seconds()
        return None

    def _tried(self, line: _Line, record: Record, event: PendingEvent, answer: Answer | None) -> float | None:
        if answer is None:
            return self._unsigned(line, record, event)
        self._metrics.webhook_tries.labels(answer.outcome.value).inc()
        match answer.outcome:
            case Outcome.DELIVERED:
                return self._settled(record, event)
            case Outcome.GONE:
                logger.error("Webhook receiver is gone", url=line.endpoint.url, message=_GONE)
                return 0.0
            case Outcome.FAILED:
                # A file's event may have been dropped meanwhile, for want of room: its tries are not the next one's.
                head = record.head
                same = head is not None and head.sequence == event.sequence
                return self._failed(record, event, answer) if same else 0.0
            case _:
                assert_never(answer.outcome)

    async def _try(self, line: _Line, record: Record, event: PendingEvent, *, body: str) -> Answer | None:
        """Send an event once; None when it can't be signed."""
        event_id, now = record.event_id(event), self._clock()
        signature = line.keys.sign(event_id, now, body)
        if not signature:
            return None
        return await self._poster.post(
            line.endpoint.url, event_id=event_id, signature=signature, body=body, now=now
        )

    def _settled(self, record: Record, event: PendingEvent, *, given_up: str = "") -> float | None:
        record.settle(event, now=self._clock(), given_up=given_up)
        if given_up:
            self._metrics.webhooks_given_up.inc()
            logger.warning("Webhook given up", task=record.subject.key.name, message=given_up)
        self._ring(record.subject.key, record.seconds_to_write(self._clock()) or 0.0)
        return 0.0

    def _failed(self, record: Record, event: PendingEvent, answer: Answer) -> float | None:
        now, tries, named = self._clock(), record.attempts + 1, f"event {event.sequence} ({event.type})"
        logger.debug(
            "Webhook failed", task=record.subject.key.name, number=event.sequence, problem=answer.problem
        )
        pause = pause_after(tries, asked_seconds=answer.retry_after_seconds, chance=self._chance())
        if pause is None or now + timedelta(seconds=pause) > expires(event.at):
            sentence = f"{named} was given up after {tries} tries: {answer.problem}"
            return self._settled(record, event, given_up=sentence)
        long = pause >= WRITTEN_FROM_SECONDS
        problem = f"{named} was not taken, {tries} times: {answer.problem}"
        record.wait(until=now + timedelta(seconds=pause), problem=problem, write=long)
        if long:
            self._ring(record.subject.key, 0.0)
        return pause

    def _no_more(self, record: Record, event: PendingEvent, now: datetime) -> float | None:
        left = (expires(event.at) - now).total_seconds()
        if left <= 0:
            return self._settled(record, event, given_up=f"event {event.sequence} ({event.type}): {_GONE}")
        # No time of a next try is written: with other settings, an operator sends it at once.
        record.problem = _GONE
        if record.seconds_to_write(now) == 0:
            self._ring(record.subject.key, 0.0)
        return left

    def _unsigned(self, line: _Line, record: Record, event: PendingEvent) -> float | None:
        problem = f"there is no usable signing secret in the Secret {line.endpoint.secret}"
        if self._clock() > expires(event.at):
            return self._settled(record, event, given_up=f"event {event.sequence} ({event.type}): {problem}")
        record.problem = problem
        if record.seconds_to_write(self._clock()) == 0:
            self._ring(record.subject.key, 0.0)
        return UNSIGNED_SECONDS
