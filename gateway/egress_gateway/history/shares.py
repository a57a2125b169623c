"""What apps share while the store is asked: turns, and room for answers. None takes it all from the others.

In: an app. Out: a turn to ask the store, or what was kept of it. An app has half of the turns at most, and those that wait
are served app by app, whoever came first; where there is no room left, the app with the most answers kept loses its oldest.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from egress_gateway.auth.recent import Recent

Value = TypeVar("Value")


class FairTurns:
    """So many at the same time.

    Args:
        parallel: all apps together.
    """

    def __init__(self, parallel: int) -> None:
        self._free = parallel
        self._most = max(1, parallel // 2)
        self._held: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, app_id: str) -> AsyncIterator[None]:
        """Wait for a turn of an app's, and have it in the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(app_id, deque()).append(turn)
        self._give_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(app_id, turn)
            else:
                self._give_back(app_id)
            raise
        try:
            yield
        finally:
            self._give_back(app_id)

    def _give_out(self) -> None:
        while self._free:
            app_id = next((app_id for app_id in self._lines if self._held[app_id] < self._most), None)
            if app_id is None:
                return
            line = self._lines.pop(app_id)
            turn = line.popleft()
            if line:
                self._lines[app_id] = line  # behind all others
            if turn.cancelled():
                continue  # whoever waited does not know yet
            self._free -= 1
            self._held[app_id] += 1
            turn.set_result(None)

    def _give_back(self, app_id: str) -> None:
        self._free += 1
        self._held[app_id] -= 1
        if not self._held[app_id]:
            del self._held[app_id]
        self._give_out()

    def _leave(self, app_id: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(app_id, deque())
        if turn in line:
            line.remove(turn)
            if not line:
                del self._lines[app_id]


class FairlyKept(Generic[Value]):
    """Answers by app and key, each for so long.

    Args:
        entries: all apps together.
        clock: seconds from any origin, never going back.
    """

    def __init__(self, *, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._clock = clock
        self._apps: dict[str, Recent[str, Value]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._apps.values()))

    def get(self, app_id: str, key: str) -> Value | None:
        """Return what was put there, while it holds."""
        recent = self._apps.get(app_id)
        return recent.get(key) if recent is not None else None

    def put(self, app_id: str, key: str, value: Value, *, seconds: float) -> None:
        """Keep a value for some seconds."""
        if app_id not in self._apps:
            self._apps[app_id] = Recent(entries=self._entries, clock=self._clock)
        self._apps[app_id].put(key, value, seconds=seconds)
        # As rare as reads of the store.
        self._apps = {app_id: recent for app_id, recent in self._apps.items() if len(recent)}
        if len(self) > self._entries:
            max(self._apps.values(), key=len).drop_oldest()
