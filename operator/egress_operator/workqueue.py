"""A keyed work queue: what client-go's is to controllers, for asyncio. kopf has none.

- A key that waits is not added twice; a key that is being worked on is put back once it is done: one worker
  per key at any time, and no change is missed.
- `add_after` adds later; of several, the earliest counts.
- `retry` adds after a pause that doubles with each failure of the key; `forget` resets it.

Keys are all it holds: nothing is lost with it that a look at the cluster doesn't bring back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_SECONDS: Final = 0.25
LONGEST_RETRY_SECONDS: Final = 60.0
_LARGEST_EXPONENT: Final = 16


class WorkQueue(Generic[Key]):
    """Keys to be worked on, each by one worker at a time. Must be made inside a running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Key] = deque()
        self._waiting_since: dict[Key, float] = {}
        self._busy_since: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._available = asyncio.Semaphore(0)
        self._closed = False
        self._last_done = self._loop.time()

    def add(self, key: Key, *, first: bool = False) -> None:
        """Have `key` worked on as soon as a worker is free; `first` before all that wait, unless it waits already."""
        self._cancel_timer(key)
        if key in self._waiting_since or self._closed:
            return
        self._waiting_since[key] = self._loop.time()
        if key not in self._busy_since:
            self._make_ready(key, first=first)

    def add_after(self, key: Key, seconds: float) -> None:
        """Have `key` worked on in `seconds`, or earlier if something asks for it earlier."""
        if seconds <= 0:
            self.add(key)
            return
        if self._closed:
            return
        when = self._loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= when:
            return
        self._cancel_timer(key)
        self._timers[key] = self._loop.call_at(when, self.add, key)

    def retry(self, key: Key, *, at_least: float = 0) -> float:
        """Have `key` worked on again after a failure; return in how many seconds.

        Args:
            key: that failed.
            at_least: seconds to wait in any case.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled = FIRST_RETRY_SECONDS * (1 << min(failures, _LARGEST_EXPONENT))
        pause = max(min(doubled, LONGEST_RETRY_SECONDS), at_least)
        self.add_after(key, pause)
        return pause

    def knows(self, key: Key) -> bool:
        """Return whether a key waits, for a worker or for its time, or is worked on: it will be looked at anyway."""
        return key in self._waiting_since or key in self._busy_since or key in self._timers

    def forget(self, key: Key) -> None:
        """Reset the pauses of a key that succeeded."""
        self._failures.pop(key, None)

    @property
    def depth(self) -> int:
        """Number of keys that wait for a worker; not those that wait for their time."""
        return len(self._waiting_since)

    @property
    def oldest_seconds(self) -> float:
        """Seconds for which the oldest key has been waiting or worked on; 0 when there is none."""
        since = [*self._waiting_since.values(), *self._busy_since.values()]
        return self._loop.time() - min(since) if since else 0.0

    @property
    def stuck_seconds(self) -> float:
        """Seconds for which a key has been worked on, or keys have waited while none was finished.

        A long queue that moves is not stuck: its oldest key waits for its turn.
        """
        now = self._loop.time()
        since = list(self._busy_since.values())
        if self._waiting_since:
            since.append(max(min(self._waiting_since.values()), self._last_done))
        return now - min(since) if since else 0.0

    async def get(self) -> Key | None:
        """Wait for a key, which is the caller's until `done`; None when the queue is closed."""
        await self._available.acquire()
        if self._closed:
            self._available.release()  # for the next who waits
            return None
        key = self._ready.popleft()
        del self._waiting_since[key]
        self._busy_since[key] = self._loop.time()
        return key

    def done(self, key: Key) -> None:
        """Give a key back; if it was added meanwhile, it is ready again."""
        del self._busy_since[key]
        self._last_done = self._loop.time()
        if key in self._waiting_since:
            self._make_ready(key)

    async def work(
        self,
        process: Callable[[Key], Awaitable[float | None]],
        *,
        on_error: Callable[[Key, Exception, float], None],
        asks_for: Callable[[Exception], float] = lambda _: 0.0,
    ) -> None:
        """Work on keys, one after the other, until the queue is closed.

        Args:
            process: works on a key; returns in how many seconds it wants it again, if it does.
            on_error: is told the key, what was raised and in how many seconds the key is tried again.
            asks_for: returns the seconds to wait at least after an error.
        """
        while (key := await self.get()) is not None:
            try:
                again = await process(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, the key is tried again, later and later
                on_error(key, error, self.retry(key, at_least=asks_for(error)))
            else:
                self.forget(key)
                if again is not None:
                    self.add_after(key, again)
            finally:
                self.done(key)

    def close(self) -> None:
        """Forget all keys, and give out no more: workers end with the key they are at."""
        self._closed = True
        self._waiting_since.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._available.release()

    def _make_ready(self, key: Key, *, first: bool = False) -> None:
        if first:
            self._ready.appendleft(key)
        else:
            self._ready.append(key)
        self._available.release()

    def _cancel_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
