"""The few statuses that one receiver's events are being made of: a hand that holds so many, and asks for the next.

In: statuses, as looks at tasks bring them. Out: the one whose event has its turn; where it isn't held, the task is rung
for, and the look that this brings reads it. So what waits costs memory neither by its size nor by its number.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from egress_api.status import EgressTaskStatus
from egress_operator.keys import TaskKey
from egress_operator.webhooks.record import as_read

HELD: Final = 32
"""Statuses held, per receiver: an event that has just happened is sent without another look at its task."""
ASK_SECONDS: Final = 60.0
"""For a look that was asked for. One that comes later is not lost: what it brings is sent then."""


class Hand:
    """Statuses of tasks whose events are about to be sent to one receiver."""

    def __init__(self, ring: Callable[[TaskKey, float], None], *, seconds: float = ASK_SECONDS) -> None:
        """Prepare.

        Args:
            ring: have a task looked at, in so many seconds.
            seconds: to wait for such a look.
        """
        self._ring = ring
        self._seconds = seconds
        self._statuses: dict[TaskKey, EgressTaskStatus] = {}
        self._asked: dict[TaskKey, asyncio.Future[None]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._statuses)

    def offer(self, key: TaskKey, status: EgressTaskStatus) -> None:
        """Hold a status, if somebody waits for it or there is room."""
        if key in self._asked or key in self._statuses or len(self._statuses) < HELD:
            self._statuses[key] = as_read(status)
            self._answer(key)

    def drop(self, key: TaskKey) -> None:
        """Hold a task's status no longer; whoever waits for it gets nothing."""
        self._statuses.pop(key, None)
        self._answer(key)

    async def get(self, key: TaskKey) -> EgressTaskStatus | None:
        """Return a task's status; None where nobody brings it in time."""
        if key not in self._statuses and not self._closed:
            asked = self._asked[key] = asyncio.get_running_loop().create_future()
            self._ring(key, 0.0)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        await asked
            finally:
                del self._asked[key]
        return self._statuses.get(key)

    def close(self) -> None:
        """Have nobody wait any more."""
        self._closed = True
        for key in self._asked:
            self._answer(key)

    def _answer(self, key: TaskKey) -> None:
        asked = self._asked.get(key)
        if asked is not None and not asked.done():
            asked.set_result(None)
