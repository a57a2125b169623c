"""Whose turn it is: the book of places fed with what is seen of tasks, and the doorbell of those whose turn has come.

In: events and lists of tasks, looks that ask. Out: keys in the work queue, and a `Turn` for each look that asks. Nobody
gets a place before all namespaces have been listed once: an operator that has just started doesn't know yet who has one.
A place is taken in the book before the attempt stands in the status; should that never come to stand there, the next look
at the task, which every failure brings, or the next list frees it. Without a limit all of this does nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from egress_api.bucket import Bucket
from egress_api.states import WAITS_FOR_A_PLACE, Reason, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask
from egress_operator.decision import Turn
from egress_operator.keys import TaskKey
from egress_operator.look import seconds_to_timeout
from egress_operator.metrics import Metrics
from egress_operator.places import Book, Entry
from egress_operator.pod_state import parse_time
from egress_operator.positions import Positions, Standing
from egress_operator.queue_settings import QueueSettings
from egress_operator.workqueue import WorkQueue

RENEW_SECONDS: Final = 30
"""A position that has changed is written again after so long at the earliest."""
RENEWED_PER_SECOND: Final = 10
"""Positions written again per second, all tasks together: those behind wait for theirs."""

SHORTEST_WAIT_SECONDS: Final = 0.001
"""For a start's time to come: what is left of a token may be rounding alone."""

logger = structlog.get_logger(__name__)


class Turns:
    """Gives out places, and tells who waits where it stands."""

    def __init__(
        self,
        limits: QueueSettings,
        *,
        namespaces: Iterable[str],
        queue: WorkQueue[TaskKey],
        metrics: Metrics,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._book = Book(limits)
        self._positions = Positions(self._book)
        self._bucket = Bucket(per_second=limits.starts_per_second, burst=limits.starts_burst)
        self._unlisted = set(namespaces)
        self._left: dict[TaskKey, str] = {}
        """UIDs of tasks that somebody's finalizer alone keeps: their status goes on to say that they have an attempt."""
        self._early: set[TaskKey] = set()
        self._told: dict[TaskKey, tuple[Standing, float]] = {}
        self._to_tell: set[TaskKey] = set()
        self._next_token: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()
        if limits.limited:
            metrics.observe_places(held=lambda: self._book.held, waiting=self._book.waiting_by_reason)

    # What is seen.

    def seen(self, raw: Mapping[str, Any], *, gone: bool = False) -> None:
        """Take in a task as a watch tells of it; `gone` when it is no more."""
        if not self._limits.limited:
            return
        entry = None if gone else Entry.of(raw)
        if entry is not None and not self._has_left(entry):
            self._book.learn(entry)
        else:
            meta = raw["metadata"]
            self._book.forget(TaskKey(meta["namespace"], meta["name"]), uid=meta["uid"])
        self._give_out()

    def mark(self) -> int:
        """Return a mark, to be taken before a list of tasks is."""
        return self._book.mark()

    def listed(self, namespace: str, entries: Iterable[Entry | None], *, since: int) -> None:
        """Take in a list of all tasks of a namespace.

        Args:
            namespace: whose.
            entries: of the tasks; None for those that need no place.
            since: the mark that was taken before.
        """
        if not self._limits.limited:
            return
        there = (entry for entry in entries if entry is not None and not self._has_left(entry))
        self._book.reconcile(namespace, there, since=since)
        self._unlisted.discard(namespace)
        if self._open:
            self._give_out()
            while self._early:
                self._queue.add(self._early.pop())

    def drop(self, key: TaskKey) -> None:
        """Cross out a task that is gone or has ended, or that has to ask anew."""
        if self._limits.limited:
            self._left.pop(key, None)
            self._book.forget(key)
            self._told.pop(key, None)
            self._to_tell.discard(key)
            self._give_out()

    def stuck(self, raw: Mapping[str, Any]) -> None:
        """Cross out a task that can't be read or written, unless it has an attempt: a recorder may be running."""
        entry = Entry.of(raw)
        if entry is not None and not entry.holds:
            self.drop(entry.key)

    def left(self, key: TaskKey, *, uid: str) -> None:
        """Cross out a task that is being deleted and of which nothing runs, for as long as it is still there."""
        if self._limits.limited:
            self.drop(key)
            self._left[key] = uid

    def wrote(self, key: TaskKey, status: EgressTaskStatus) -> None:
        """Take in a status that has just been written: an end frees a place before any watch tells."""
        if status.state.terminal:
            self.drop(key)

    # What is asked.

    def ask(self, raw: Mapping[str, Any], task: EgressTask) -> Turn | None:
        """Return whether a task may begin, or why it has to wait; None where nothing limits it.

        Args:
            raw: the task, as read just now.
            task: the same, parsed.
        """
        if not self._limits.limited or task.status.attempt > 0 or task.status.state.terminal:
            return None
        key, entry = TaskKey(task.metadata.namespace, task.metadata.name), Entry.of(raw)
        if entry is None:
            self.drop(key)  # it is to end: it needs no place
            return None
        if not self._open:
            self._early.add(key)
            return Turn(granted=False)
        self._book.learn(entry)
        self._give_out()
        known = self._book.entry(key)
        if known is None or known.holds:
            self._told.pop(key, None)
            self._to_tell.discard(key)
            return Turn(granted=known is not None)
        standing = self._positions.of(known, self._monotonic())
        news = (
            key in self._to_tell
            or task.status.reason not in WAITS_FOR_A_PLACE
            or task.status.observed_generation != task.metadata.generation  # another priority, maybe
        )
        if news:
            self._to_tell.discard(key)
            self._told[key] = standing, self._monotonic()
        of_app = standing.reason is Reason.APP_LIMIT_REACHED
        return Turn(
            granted=False,
            news=news,
            reason=standing.reason,
            position=standing.position,
            of=standing.of,
            places=self._book.places_of(known.app) if of_app else self._book.held,
        )

    def rests(self, raw: Mapping[str, Any]) -> float | None:
        """Return in how many seconds a task that waits, and has been told so, ends for it; None when it needs a look.

        Thousands that wait are not looked at one by one because the operator starts, or at every resync.
        """
        meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
        limit = (spec.get("limits") or {}).get("enqueueTimeoutSeconds")
        created = parse_time(meta.get("creationTimestamp"))
        if not self._limits.limited or limit is None or created is None:
            return None
        if status.get("reason") not in WAITS_FOR_A_PLACE or status.get("state") != State.ENQUEUED:
            return None
        if status.get("observedGeneration") != meta.get("generation"):
            return None
        known = self._book.entry(TaskKey(meta["namespace"], meta["name"]))
        if known is not None and known.holds:
            return None
        return max(seconds_to_timeout(created, limit=limit, now=self._clock()), 0.0)

    # What goes on by itself.

    async def run(self) -> None:
        """Have positions that have changed written again, now and then, until closed."""
        while self._limits.limited and not self._closed.is_set():
            try:
                self.renew()
            except Exception:
                # Nobody waits for this task: it has to go on.
                logger.exception("Positions not renewed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), 1)

    def close(self) -> None:
        """Have `run` end, and give out nothing more."""
        self._closed.set()
        if self._next_token is not None:
            self._next_token.cancel()

    def renew(self) -> None:
        """Ring for the first few whose written position is no longer right."""
        if not self._open or not self._book.waiting:
            self._told.clear()
            return
        now, left = self._monotonic(), RENEWED_PER_SECOND
        numbers = self._positions.all(now)
        if len(self._told) > 2 * len(numbers) + RENEWED_PER_SECOND:
            self._told = {key: told for key, told in self._told.items() if key in numbers}
        for key, standing in numbers.items():
            told = self._told.get(key)
            if told is not None and (_same(told[0], standing) or now - told[1] < RENEW_SECONDS):
                continue
            self._told[key] = standing, now
            self._to_tell.add(key)
            self._queue.add(key)
            left -= 1
            if not left:
                return

    @property
    def _open(self) -> bool:
        return not self._unlisted and not self._closed.is_set()

    def _has_left(self, entry: Entry) -> bool:
        return self._left.get(entry.key) == entry.uid

    def _give_out(self) -> None:
        while self._open and (entry := self._book.next()) is not None:
            missing = self._bucket.take(self._monotonic())
            if missing:
                self._wait_for_token(missing)
                return
            self._book.grant(entry.key)
            self._metrics.places_granted.inc()
            created = parse_time(entry.created)
            if created is not None:
                self._metrics.place_wait_seconds.observe((self._clock() - created).total_seconds())
            # Not behind thousands that only come to be told that they have to wait.
            self._queue.add(entry.key, first=True)

    def _wait_for_token(self, seconds: float) -> None:
        if self._next_token is None:
            self._next_token = asyncio.get_running_loop().call_later(
                max(seconds, SHORTEST_WAIT_SECONDS), self._token_is_there
            )

    def _token_is_there(self) -> None:
        self._next_token = None
        self._give_out()


def _same(told: Standing, standing: Standing) -> bool:
    return (told.position, told.reason) == (standing.position, standing.reason)
