"""Pauses between tries: they double, up to a ceiling, with jitter so that many recorders don't beat as one.

`pause` is for one thing that is tried; `SharedBackoff` for many that ask the same server.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from egress_recorder.clock import Clock
from egress_recorder.errors import StoreError


def pause(tries: int, *, first: float = 0.25, ceiling: float = 15.0) -> float:
    """Return the seconds to wait after the `tries`-th failure (from 1): between half and all of the step."""
    step = min(ceiling, first * 2.0 ** min(tries - 1, 16))
    return random.uniform(step / 2, step)  # noqa: S311 - jitter, not a secret


class SharedBackoff:
    """One backoff for all that is sent to one store: while it fails, one request tries for all of them.

    As many requests as like run at once while the store works. Once one has failed they come one at a time, a
    pause before each, until one gets through: a dead store isn't asked by each segment that waits, and one that
    is only slow isn't slowed down by three at a time.

    Args:
        clock: for when the next try is due.
        ceiling: the longest pause in seconds.
    """

    def __init__(self, *, clock: Clock, ceiling: float) -> None:
        self._clock = clock
        self._ceiling = ceiling
        self._tries = 0
        self._failures = 0
        self._due = 0.0
        self._one = asyncio.Lock()
        self._moved = asyncio.Event()

    @property
    def tries(self) -> int:
        """Failures since the last success."""
        return self._tries

    def hurry(self, *, ceiling: float) -> None:
        """Make all pauses shorter; the next try is due at once."""
        self._ceiling = min(self._ceiling, ceiling)
        self._due = 0.0
        self._moved.set()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a try is due, and learn from how the block ends: a `StoreError` is a failure."""
        async with contextlib.AsyncExitStack() as alone:
            await alone.enter_async_context(self._one)
            await self._until_due()
            if self._tries == 0:
                await alone.aclose()
            failures = self._failures
            try:
                yield
            except StoreError:
                # Of several that were under way together the first tells all there is to tell.
                if failures == self._failures:
                    self._failures += 1
                    self._tries += 1
                    self._due = self._clock.monotonic() + pause(self._tries, ceiling=self._ceiling)
                raise
            self._tries = 0
            self._moved.set()

    async def _until_due(self) -> None:
        while self._tries and (left := self._due - self._clock.monotonic()) > 0:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()
