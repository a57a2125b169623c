"""Whom to record, as it changes: chosen in one thread, followed in another.

In: the users that the capture begins with, later ones from the commands. Out: a call to whoever follows, in their
own thread's time.
"""

import threading
from collections.abc import Callable

Users = tuple[str, ...]
"""Identities; none is everyone."""


class Choice:
    """The users that are wanted now."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._changed = False
        self._tell: Callable[[Users], object] | None = None
        self._lock = threading.Lock()

    def choose(self, users: Users) -> None:
        """Want these from now on."""
        with self._lock:
            self._users, self._changed = users, True
            if self._tell is not None:
                self._tell(users)

    def follow(self, tell: Callable[[Users], object]) -> None:
        """Be told of each choice, and of one that has been made already; `tell` may be called from another thread."""
        with self._lock:
            self._tell = tell
            if self._changed:
                tell(self._users)
