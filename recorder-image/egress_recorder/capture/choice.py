"""What is wished of a running capture, as it changes: chosen in one thread, followed in another.

In: what the capture begins with (whom to record, how to lay them out), later wishes from the commands. Out: a call to
whoever follows, in their own thread's time.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Users = tuple[str, ...]
"""Identities; none is everyone."""

T = TypeVar("T")


class Choice(Generic[T]):
    """What is wanted now."""

    def __init__(self, begin: T) -> None:
        self._wanted = begin
        self._changed = False
        self._tell: Callable[[T], object] | None = None
        self._lock = threading.Lock()

    def choose(self, wanted: T) -> None:
        """Want this from now on."""
        with self._lock:
            self._wanted, self._changed = wanted, True
            if self._tell is not None:
                self._tell(wanted)

    def follow(self, tell: Callable[[T], object]) -> None:
        """Be told of each choice, and of one that has been made already; `tell` may be called from another thread."""
        with self._lock:
            self._tell = tell
            if self._changed:
                tell(self._wanted)
