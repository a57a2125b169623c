"""Who has a place, who waits for one, and whose turn is next. Pure: no I/O, no clock.

In: every unfinished task, as an `Entry`. Out: the next that may begin, as far as the limits allow. A task holds its place
from its first attempt until it has ended, so a list of all tasks is the whole truth and nothing is lost with this book.

Order: the highest priority; within it the app that has the fewest places, then the oldest task (by its UID where two are
of the same second). An app at its own limit is passed over and holds nobody up. Each change costs O(log n): a heap of
tasks per app, and one of apps by their first task, both cleared of what has gone only when it comes to the top.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self

from egress_api.states import TERMINAL_STATES, Reason
from egress_operator.keys import TaskKey
from egress_operator.queue_settings import QueueSettings

_SLACK: Final = 64
"""A heap is cleared of what has gone when that is the larger part of it, and more than this."""


class Entry(NamedTuple):
    """What matters of a task."""

    key: TaskKey
    uid: str
    app: str
    priority: int
    """As asked for; the book has the one that counts."""
    created: str
    """As Kubernetes writes it: in order as text, too."""
    holds: bool

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self | None:
        """Read a task; None when it neither has a place nor waits for one."""
        meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
        holds = (status.get("attempt") or 0) > 0
        leaves = bool(spec.get("stop") or meta.get("deletionTimestamp"))
        if status.get("state") in TERMINAL_STATES or (leaves and not holds):
            return None
        return cls(
            key=TaskKey(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            app=spec.get("appId") or "",
            priority=spec.get("priority") or 0,
            created=meta["creationTimestamp"],
            holds=holds,
        )


_Place = tuple[int, str, str, TaskKey]
"""A waiting task as it is sorted within its app: priority negated, created, UID, key."""
_Head = tuple[int, int, str, str, str]
"""An app as it is sorted by its first task: priority negated, places held, created, UID, app."""


def _place(entry: Entry) -> _Place:
    return -entry.priority, entry.created, entry.uid, entry.key


class Book:
    """The places, and the lines in front of them."""

    def __init__(self, limits: QueueSettings) -> None:
        self._limits = limits
        self._entries: dict[TaskKey, Entry] = {}
        self._held: Counter[str] = Counter()
        self._waits: Counter[str] = Counter()
        self._priorities: Counter[int] = Counter()
        self._lines: dict[str, list[_Place]] = {}
        self._heads: list[_Head] = []
        self._places = 0
        self._version = 0
        self._seen = 0
        self._seen_at: dict[TaskKey, int] = {}

    # What is in it.

    @property
    def held(self) -> int:
        """Number of places that are taken."""
        return self._places

    @property
    def waiting(self) -> int:
        """Number of tasks that wait."""
        return len(self._entries) - self._places

    @property
    def version(self) -> int:
        """A number that is another one after each change."""
        return self._version

    def entry(self, key: TaskKey) -> Entry | None:
        """Return what is known of a task."""
        return self._entries.get(key)

    def places_of(self, app: str) -> int:
        """Return how many places an app's tasks have."""
        return self._held[app]

    def lines(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield each app with its waiting tasks, the first in front."""
        for app, line in self._lines.items():
            live = sorted(place for place in line if self._waits_as(place))
            if live:
                yield app, [self._entries[place[3]] for place in dict.fromkeys(live)]

    def at_least(self, priority: int) -> int:
        """Return how many wait with this priority or a higher one."""
        return sum(number for other, number in self._priorities.items() if other >= priority)

    def why(self, app: str) -> Reason:
        """Return which limit the tasks of an app wait for."""
        if self._at_own_limit(app):
            return Reason.APP_LIMIT_REACHED
        return Reason.QUEUE_FULL if self.full else Reason.START_RATE_LIMITED

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return bool(self._limits.max_tasks) and self._places >= self._limits.max_tasks

    def waiting_by_reason(self) -> Counter[Reason]:
        """Return how many wait for which limit."""
        counts: Counter[Reason] = Counter()
        for app, number in self._waits.items():
            counts[self.why(app)] += number
        return counts

    # Changes.

    def learn(self, entry: Entry) -> None:
        """Write down a task as it was seen. One that has a place keeps it, however old what was seen is."""
        old = self._entries.get(entry.key)
        counts = self._limits.priority_of(entry.app, asked=entry.priority)
        if counts != entry.priority:
            entry = entry._replace(priority=counts)
        if old is not None:
            if old.uid == entry.uid:
                entry = entry._replace(holds=entry.holds or old.holds)
            if old == entry:
                self._touch(entry.key)
                return
            self._remove(old)
        self._add(entry)

    def forget(self, key: TaskKey, *, uid: str | None = None) -> None:
        """Cross out a task that needs no place (any more); with a UID, only that one of its name."""
        old = self._entries.get(key)
        if old is None or uid in {None, old.uid}:
            self._touch(key)
            if old is not None:
                self._remove(old)

    def next(self) -> Entry | None:
        """Return whose turn it is; None when nobody waits, or nobody who does may begin."""
        if self.full:
            return None
        while self._heads:
            head = self._heads[0]
            now = self._head(head[-1])
            if now == head:
                return self._entries[self._lines[head[-1]][0][3]]
            heapq.heappop(self._heads)
            if now is not None:
                heapq.heappush(self._heads, now)
        return None

    def grant(self, key: TaskKey) -> None:
        """Give a place to a task that waits."""
        self.learn(self._entries[key]._replace(holds=True))

    def mark(self) -> int:
        """Return a mark to be taken before a list is: what is seen behind it is newer than the list."""
        return self._seen

    def reconcile(self, namespace: str, listed: Iterable[Entry], *, since: int) -> None:
        """Take over a list of all unfinished tasks of a namespace.

        Args:
            namespace: whose.
            listed: what was in it.
            since: the mark that was taken before; what has been seen since then is left as it is.
        """
        there = {entry.key: entry for entry in listed}
        for key, entry in there.items():
            if self._seen_at.get(key, 0) <= since:
                self.learn(entry)
        for key in [key for key in self._entries if key.namespace == namespace and key not in there]:
            if self._seen_at.get(key, 0) <= since:
                self.forget(key)
        self._seen_at = {
            key: when for key, when in self._seen_at.items() if when > since or key in self._entries
        }

    # Below the surface.

    def _touch(self, key: TaskKey) -> None:
        self._seen += 1
        self._seen_at[key] = self._seen

    def _add(self, entry: Entry) -> None:
        self._touch(entry.key)
        self._version += 1
        self._entries[entry.key] = entry
        if entry.holds:
            self._held[entry.app] += 1
            self._places += 1
            return
        self._waits[entry.app] += 1
        self._priorities[entry.priority] += 1
        line = self._lines.setdefault(entry.app, [])
        if len(line) > 2 * self._waits[entry.app] + _SLACK:
            line[:] = [place for place in line if self._waits_as(place)]
            heapq.heapify(line)
        heapq.heappush(line, _place(entry))
        if line[0] == _place(entry):
            self._offer(entry.app)

    def _remove(self, entry: Entry) -> None:
        self._touch(entry.key)
        self._version += 1
        del self._entries[entry.key]
        counts = self._held if entry.holds else self._waits
        counts[entry.app] -= 1
        if not counts[entry.app]:
            del counts[entry.app]
        if entry.holds:
            self._places -= 1
            # Fewer places: the app may come earlier now, or again. All else that changes only comes later.
            self._offer(entry.app)
            return
        self._priorities[entry.priority] -= 1
        if not self._priorities[entry.priority]:
            del self._priorities[entry.priority]
        if entry.app not in self._waits:
            del self._lines[entry.app]

    def _waits_as(self, place: _Place) -> bool:
        entry = self._entries.get(place[3])
        return entry is not None and not entry.holds and _place(entry) == place

    def _at_own_limit(self, app: str) -> bool:
        limit = self._limits.limit_of(app)
        return bool(limit) and self._held[app] >= limit

    def _head(self, app: str) -> _Head | None:
        line = self._lines.get(app)
        if not line or self._at_own_limit(app):
            return None
        while not self._waits_as(line[0]):
            heapq.heappop(line)
        priority, created, uid, _ = line[0]
        return priority, self._held[app], created, uid, app

    def _offer(self, app: str) -> None:
        if len(self._heads) > 2 * len(self._lines) + _SLACK:
            heads = (self._head(other) for other in self._lines)
            self._heads = [head for head in heads if head is not None]
            heapq.heapify(self._heads)
        head = self._head(app)
        if head is not None:
            heapq.heappush(self._heads, head)
