"""A cache with an end: so many entries, each for so long. Time is passed in; nothing here does I/O."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """What was found out lately.

    Args:
        entries: kept at most; the one that was put in first goes.
        clock: seconds from any origin, never going back.
    """

    def __init__(self, *, entries: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """Return what was put there, while it holds."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, value = found
        if self._clock() >= until:
            del self._kept[key]
            return None
        return value

    def put(self, key: Key, value: Value, *, seconds: float) -> None:
        """Keep a value for some seconds."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + seconds, value)
        if len(self._kept) > self._entries:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Forget what was put in first, of all that is kept."""
        self._kept.popitem(last=False)
