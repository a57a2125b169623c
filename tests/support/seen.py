"""What tasks' statuses say, asked for once for all who wait.

In: a namespace. Out: statuses, at most half a poll old.
"""

import threading
import time
from functools import cache
from typing import Any

from support.e2e import Tasks
from support.kubectl import Kubectl

POLL_SECONDS = 0.5


class Seen:
    """The statuses of a namespace's tasks."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._at = -POLL_SECONDS
        self._statuses: dict[str, dict[str, Any]] = {}

    def status(self, task: str) -> dict[str, Any]:
        """Return a task's status; it is at most a quarter of a second old."""
        with self._lock:
            if self._at < time.monotonic() - POLL_SECONDS / 2:
                self._at = time.monotonic()
                found = self._tasks.every()
                self._statuses = {each["metadata"]["name"]: each.get("status", {}) for each in found}
            return self._statuses.get(task, {})


@cache
def seen_in(namespace: str) -> Seen:
    """Give what all who wait in a namespace share."""
    return Seen(Tasks(Kubectl(namespace=namespace)))
