"""The tasks of each app in the order of their creation, for lists that are asked for page by page.

In: tasks as they come and go. Out: those of an app, newest first, from any place on. A place is a task's own
key and no number of tasks before it, so that it stays right whatever comes and goes meanwhile.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from egress_api.task import EgressTask


class Place(NamedTuple):
    """A task's place among those of its app: by the second of its creation, then by its name."""

    created: int
    name: str


class AppIndex:
    """Which tasks an app has, by place."""

    def __init__(self, tasks: Iterable[EgressTask] = ()) -> None:
        self._places: dict[str, list[Place]] = {}
        for task in tasks:
            self._places.setdefault(task.spec.app_id, []).append(place(task))
        for places in self._places.values():
            places.sort()

    def add(self, task: EgressTask) -> None:
        """Take up a task that is not here."""
        insort(self._places.setdefault(task.spec.app_id, []), place(task))

    def discard(self, task: EgressTask) -> None:
        """Forget a task that is here."""
        places = self._places[task.spec.app_id]
        del places[bisect_left(places, place(task))]
        if not places:
            del self._places[task.spec.app_id]

    def newest(self, app_id: str, *, before: Place | None = None) -> Iterator[Place]:
        """Yield the places of an app's tasks, newest first; `before` leaves out itself and what is newer."""
        places = self._places.get(app_id, [])
        end = len(places) if before is None else bisect_left(places, before)
        return (places[number] for number in range(end - 1, -1, -1))


def place(task: EgressTask) -> Place:
    """Return a task's place, the same for as long as it lives."""
    return Place(int(task.metadata.creation_timestamp.timestamp()), task.metadata.name)
