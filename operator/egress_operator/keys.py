"""What the work queue holds: which task, nothing about it."""

from typing import NamedTuple


class TaskKey(NamedTuple):
    """A task by its namespace and name."""

    namespace: str
    name: str
