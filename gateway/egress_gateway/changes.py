"""What changes in the tasks, told to the requests that wait for it.

In: changes as the watch tells them, in the order of their versions. Out: to each subscription those of its task
or its app, from its beginning on; and the newest ones once more, to who comes back and knows the version seen
last. Nothing here waits for a reader: one that doesn't keep up loses its subscription, not others their memory.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from egress_api.task import EgressTask
from egress_gateway.exchange import told

REMEMBERED: Final = 1000
MOST_WAITING: Final = 250
"""Changes that a subscription holds for its reader, some 2 KB each."""


@dataclass(frozen=True)
class Change:
    """A task's new version, or that there is none any more."""

    version: int
    app_id: str
    name: str
    task: EgressTask | None

    @classmethod
    def to(cls, task: EgressTask) -> "Change":
        """Return the change that made a task what it is."""
        return cls(int(task.metadata.resource_version), task.spec.app_id, task.metadata.name, task)

    @property
    def final(self) -> bool:
        """True when the task has ended or is gone: nothing more is to come of it."""
        return self.task is None or self.task.status.state.terminal

    @cached_property
    def status(self) -> bytes | None:
        """The JSON of the status, made once for all readers; None when the task is gone."""
        return None if self.task is None else told(self.task)


class Subscription:
    """The changes that one reader has not taken yet."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._waiting: list[Change] = []
        self._rung = asyncio.Event()
        self.overrun = False
        """Set when more waited than may; what waited is lost, and nothing more comes."""
        self.ended = False
        """Set when nothing more comes, since the gateway ends."""

    def offer(self, change: Change) -> None:
        """Keep a change for the reader."""
        if self.overrun:
            return
        if len(self._waiting) >= self._most:
            self.overrun = True
            self._waiting.clear()
        else:
            self._waiting.append(change)
        self._rung.set()

    def end(self) -> None:
        """Tell the reader that nothing more comes."""
        self.ended = True
        self._rung.set()

    async def next(self, *, seconds: float) -> list[Change]:
        """Return what has changed since the last call; nothing when the time is up, at an overrun or at the end."""
        if not (self._waiting or self.overrun or self.ended):
            self._rung.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
        taken, self._waiting = self._waiting, []
        return taken


class Changes:
    """All changes of the gateway's namespace.

    Args:
        remember: how many are kept for readers that come back.
    """

    def __init__(self, *, remember: int = REMEMBERED) -> None:
        self._past: deque[Change] = deque(maxlen=remember)
        self._known_from: int | None = None
        self._subscriptions: dict[tuple[str, str | None], set[Subscription]] = {}
        self.ended = False
        """True when the gateway ends: whoever subscribes now is told so at once."""

    def begin(self, version: int) -> None:
        """Note the version behind which every change will be told."""
        self._known_from = version

    def tell(self, change: Change) -> None:
        """Tell a change to whom it concerns."""
        if self._past.maxlen == len(self._past) and self._past:
            self._known_from = self._past[0].version
        self._past.append(change)
        for name in (None, change.name):
            for subscription in self._subscriptions.get((change.app_id, name), ()):
                subscription.offer(change)

    def since(self, version: int, *, app_id: str, name: str | None = None) -> list[Change] | None:
        """Return an app's changes, or those of its one task, after a version; None when that is no longer known."""
        if self._known_from is None or version < self._known_from:
            return None
        found: list[Change] = []
        for change in reversed(self._past):
            if change.version <= version:
                break
            if change.app_id == app_id and name in {None, change.name}:
                found.append(change)
        return found[::-1]

    @contextmanager
    def subscription(
        self, *, app_id: str, name: str | None = None, most: int = MOST_WAITING
    ) -> Iterator[Subscription]:
        """Give a subscription to an app's changes, or to those of its one task, inside a with statement."""
        subscription = Subscription(most=most)
        if self.ended:
            subscription.end()
        readers = self._subscriptions.setdefault((app_id, name), set())
        readers.add(subscription)
        try:
            yield subscription
        finally:
            readers.discard(subscription)
            if not readers:
                self._subscriptions.pop((app_id, name), None)

    def end(self) -> None:
        """Have everybody who waits go."""
        self.ended = True
        for readers in self._subscriptions.values():
            for subscription in readers:
                subscription.end()
