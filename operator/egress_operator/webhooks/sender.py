"""Sends the events that stand in the tasks' statuses: per task one after the other, per receiver a few at a time.

In: each task's status, as it has just been written. Out: POSTs; and, when it is asked, how far it is, which the
reconciler writes with the next change or when this rings. Each receiver has a queue and workers of its own: one that
is slow or dead holds up neither the others nor the tasks. Of what waits only little is remembered (record.py): the status
is read again when its turn comes (hand.py). Here nothing is read from the API server, nor written to it.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final, Self, assert_never

import structlog

from egress_api.status import EgressTaskStatus
from egress_api.tracing.spans import NO_SPAN
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.task_traces import TaskTraces
from egress_operator.webhooks.hand import Hand
from egress_operator.webhooks.keys import SigningKeys
from egress_operator.webhooks.outbox import Progress
from egress_operator.webhooks.post import TRY_SECONDS, Answer, Outcome, Poster
from egress_operator.webhooks.record import Record, Subject, Waiting
from egress_operator.webhooks.schedule import WRITTEN_FROM_SECONDS, expires, pause_after
from egress_operator.webhooks.settings import Endpoint, WebhookSettings
from egress_operator.workqueue import WorkQueue

WORKERS: Final = 8
"""Tries at the same time, per receiver."""
UNSIGNED_SECONDS: Final = 30.0
"""Between two looks for a signing secret. Without one nothing is sent, and no try is counted."""
UNREAD_SECONDS: Final = 5.0
"""Before the status of a task that nobody brought is asked for again."""
CLOSE_SECONDS: Final = 2.0
_GONE: Final = (
    "the receiver has answered 410 Gone: it gets nothing more until webhooks.* in the settings changes"
)

logger = structlog.get_logger(__name__)


class _Line:
    """One receiver: its queue, its keys, what is about to be sent to it, and whether it is there at all."""

    def __init__(self, endpoint: Endpoint, *, keys: SigningKeys, hand: Hand) -> None:
        self.endpoint = endpoint
        self.keys = keys
        self.hand = hand
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
        traces: TaskTraces | None = None,
    ) -> None:
        """Prepare.

        Args:
            settings: who gets what.
            ring: have a task looked at, in so many seconds: there is something to write, or to read.
            metrics: counts tries.
            clock: the wall clock.
            chance: 0 to 1, for the jitter.
            try_seconds: for one try.
            traces: are told of each try; None where there are none.
        """
        self._traces = traces
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
            line.hand.close()
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
            self.drop(key)
            known = None
        endpoint = self._settings.of(subject.app_id)
        if endpoint is None or status.webhooks is None or not status.webhooks.pending:
            self.drop(key)
            return
        if known is None:
            known = self._records[key] = Record(subject=subject)
        known.read(status)
        head = known.head
        if head is not None:
            self._to_send(self._line(endpoint), known, head, status)

    def _to_send(self, line: _Line, record: Record, head: Waiting, status: EgressTaskStatus) -> None:
        key, now = record.subject.key, self._clock()
        if not (line.gone or record.blocked or _seconds_left(record, now)):
            line.hand.offer(key, status)
        else:
            line.hand.drop(key)
        if record.ended:
            # Also what tells a resync that a task which is over is in good hands.
            self._ring(key, max((expires(head.at) - now).total_seconds(), UNREAD_SECONDS))
        line.queue.add(key)

    def drop(self, key: TaskKey) -> None:
        """Forget a task that is gone, or has nothing to tell."""
        self._records.pop(key, None)
        for line in self._lines.values():
            line.hand.drop(key)

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
            line = self._lines[place] = _Line(endpoint, keys=keys, hand=Hand(self._ring))
            self._workers += [
                asyncio.create_task(self._work(line), name=f"webhooks {endpoint.origin} {number}")
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
        if record is None or event is None or record.blocked or self._expired(record):
            line.hand.drop(key)
            return None
        wait = self._wait(line, record, event)
        if wait is not None:
            line.hand.drop(key)
            return wait
        status = await line.hand.get(key)
        if self._records.get(key) is not record or not _same(record.head, event):
            return 0.0
        return UNREAD_SECONDS if status is None else await self._send(line, record, event, status)

    async def _send(
        self, line: _Line, record: Record, event: Waiting, status: EgressTaskStatus
    ) -> float | None:
        try:
            body = record.subject.body(status, event.sequence)
        except ValueError as error:
            return self._settled(record, event, given_up=f"{event.name} has no body: {error}")
        async with line.turn():
            if line.gone:
                return 0.0
            answer = await self._try(line, record, event, body=body)
            if answer is not None and answer.outcome is Outcome.GONE:
                line.gone = True
        if self._records.get(record.subject.key) is not record:
            return 0.0  # the task is gone, or another has its name now
        return self._tried(line, record, event, answer)

    def _expired(self, record: Record) -> bool:
        """Give up what is too old to be sent, also where no operator was there to do it in time."""
        now = self._clock()
        old = [
            event for event in record.waiting if event.sequence > record.settled and expires(event.at) <= now
        ]
        why = record.problem or record.message
        for event in old:
            sentence = f"{event.name} was given up four days after it happened"
            # What is written may tell of an event before this one.
            if record.problem or why.startswith(event.name):
                sentence += ": " + why.removeprefix(event.name).lstrip()
            self._settled(record, event, given_up=sentence)
        return bool(old)

    def _wait(self, line: _Line, record: Record, event: Waiting) -> float | None:
        now = self._clock()
        if line.gone:
            return self._no_more(record, event, now)
        wait = _seconds_left(record, now)
        if wait is None and not line.keys.usable:
            return self._unsigned(line, record)
        return wait

    def _tried(self, line: _Line, record: Record, event: Waiting, answer: Answer | None) -> float | None:
        if answer is None:
            return self._unsigned(line, record)
        self._metrics.webhook_tries.labels(answer.outcome.value).inc()
        match answer.outcome:
            case Outcome.DELIVERED:
                return self._settled(record, event)
            case Outcome.GONE:
                logger.error("Webhook receiver is gone", receiver=line.endpoint.origin, message=_GONE)
                return 0.0
            case Outcome.FAILED:
                # A file's event may have been dropped meanwhile, for want of room: its tries are not the next one's.
                return self._failed(line, record, event, answer) if _same(record.head, event) else 0.0
            case _:
                assert_never(answer.outcome)

    async def _try(self, line: _Line, record: Record, event: Waiting, *, body: str) -> Answer | None:
        """Send an event once; None when it can't be signed."""
        event_id, now = record.subject.event_id(event.sequence), self._clock()
        signature = line.keys.sign(event_id, now, body)
        if not signature:
            return None
        span = NO_SPAN
        if self._traces is not None:
            span = self._traces.webhook(record.subject, event.type)
        answer = await self._poster.post(
            line.endpoint.url,
            event_id=event_id,
            signature=signature,
            body=body,
            now=now,
            traceparent=str(span.place or ""),
        )
        # Of its sentence, what is no detail: an error's class, or the status.
        span.end(error=answer.problem.partition(" (")[0], at=self._clock())
        return answer

    def _settled(self, record: Record, event: Waiting, *, given_up: str = "") -> float | None:
        record.settle(event, now=self._clock(), given_up=given_up)
        if given_up:
            self._metrics.webhooks_given_up.inc()
            logger.warning("Webhook given up", task=record.subject.key.name, message=given_up)
        self._ring(record.subject.key, record.seconds_to_write(self._clock()) or 0.0)
        return 0.0

    def _failed(self, line: _Line, record: Record, event: Waiting, answer: Answer) -> float | None:
        now, tries, named = self._clock(), record.attempts + 1, event.name
        line.hand.drop(record.subject.key)
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

    def _no_more(self, record: Record, event: Waiting, now: datetime) -> float:
        # No time of a next try is written: with other settings, an operator sends it at once.
        record.problem = _GONE
        if record.seconds_to_write(now) == 0:
            self._ring(record.subject.key, 0.0)
        return (expires(event.at) - now).total_seconds()

    def _unsigned(self, line: _Line, record: Record) -> float:
        problem = f"there is no usable signing secret in the Secret {line.endpoint.secret}"
        record.problem = problem
        if record.seconds_to_write(self._clock()) == 0:
            self._ring(record.subject.key, 0.0)
        return UNSIGNED_SECONDS


def _seconds_left(record: Record, now: datetime) -> float | None:
    """Return the seconds of a pause that are left; None where there is none."""
    if record.next_at is None or record.next_at <= now:
        return None
    return (record.next_at - now).total_seconds()


def _same(one: Waiting | None, other: Waiting) -> bool:
    return one is not None and one.sequence == other.sequence
