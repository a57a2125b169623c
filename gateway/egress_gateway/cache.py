"""The tasks as the watch tells them, for answers to status calls and lists without asking the API server.

In: what the watch and our own writes bring. Out: the newest known version of a task. Resource versions
order everything: they are compared as numbers, which Kubernetes promises within one kind. Changes are told
as the watch brings them, so in the order of their versions; our own writes are read sooner than they are told.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from egress_api.task import EgressTask
from egress_gateway.changes import Change, Changes
from egress_gateway.index import AppIndex, Place, place


class TaskCache:
    """The newest known version of every task.

    Args:
        stale_seconds: how long a broken watch is still believed.
        clock: seconds from any origin, never going back.
    """

    def __init__(self, *, stale_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._tasks: dict[str, EgressTask] = {}
        self._index = AppIndex()
        self._seen = 0
        self._synced = False
        self._lost_at: float | None = None
        self._deleted: set[str] = set()
        self.changes = Changes()
        """What the watch brings, for those who wait for it."""

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def synced(self) -> bool:
        """True once all tasks have been listed."""
        return self._synced

    @property
    def seen(self) -> int:
        """The version up to which the watch has told everything."""
        return self._seen

    @property
    def fresh(self) -> bool:
        """True while what is here can be told to a caller."""
        if not self._synced:
            return False
        return self._lost_at is None or self._clock() - self._lost_at < self._stale_seconds

    def get(self, name: str) -> EgressTask | None:
        """Return a task, if it is known."""
        task = self._tasks.get(name)
        return None if task is None or task.metadata.uid in self._deleted else task

    def newest(self, app_id: str, *, before: Place | None = None) -> Iterator[EgressTask]:
        """Yield the tasks of an app, newest first, from a place on; to be read before anything else happens."""
        found = (self._tasks[name] for _, name in self._index.newest(app_id, before=before))
        return (task for task in found if task.metadata.uid not in self._deleted)

    def replace(self, tasks: Iterable[EgressTask], *, resource_version: str) -> None:
        """Take over a complete list; what our own writes brought since it was made stays."""
        listed = int(resource_version)
        before, known = self._tasks, {task.metadata.name: task for task in tasks}
        newer = {name: task for name, task in before.items() if _version(task) > listed}
        self._tasks = known | newer
        self._index = AppIndex(self._tasks.values())
        self._deleted &= {task.metadata.uid for task in self._tasks.values()}
        if self._synced:
            missed = [Change.to(task) for task in known.values() if _version(task) > self._seen]
            lost = [task for task in before.values() if not _still_there(task, self._tasks)]
            missed += [Change(listed, task.spec.app_id, task.metadata.name, None) for task in lost]
        else:
            self.changes.begin(listed)
            missed = []
        self._seen = listed
        self._synced = True
        for change in sorted(missed, key=lambda change: change.version):
            self.changes.tell(change)

    def put(self, task: EgressTask) -> None:
        """Take over what the watch says."""
        self._keep_newest(task)
        if _version(task) > self._seen:
            self._seen = _version(task)
            self.changes.tell(Change.to(task))

    def put_own(self, task: EgressTask) -> None:
        """Take over what one of our own writes brought back.

        The answer to a write can come after the watch has told its consequences, even the deletion:
        versions that the watch has passed add nothing.
        """
        if self._synced and _version(task) > self._seen:
            self._keep_newest(task)

    def remove(self, name: str, *, resource_version: str) -> None:
        """Forget a task that the watch says is deleted."""
        version = int(resource_version)
        told, self._seen = version <= self._seen, max(self._seen, version)
        held = self._tasks.get(name)
        if held is None or _version(held) > version:
            return
        del self._tasks[name]
        self._index.discard(held)
        self._deleted.discard(held.metadata.uid)
        if not told:
            self.changes.tell(Change(version, held.spec.app_id, name, None))

    def hide(self, task: EgressTask) -> None:
        """Show a task no more that we have deleted, before the watch says so."""
        held = self._tasks.get(task.metadata.name)
        if held is not None and held.metadata.uid == task.metadata.uid:
            self._deleted.add(held.metadata.uid)

    def note_seen(self, resource_version: str) -> None:
        """Note that the watch has told everything up to this version."""
        self._seen = max(self._seen, int(resource_version))

    def note_connected(self) -> None:
        """Note that the watch runs."""
        self._lost_at = None

    def note_lost(self) -> None:
        """Note that the watch is down, since now if it wasn't before."""
        if self._lost_at is None:
            self._lost_at = self._clock()

    def _keep_newest(self, task: EgressTask) -> None:
        held = self._tasks.get(task.metadata.name)
        if held is not None and _version(held) >= _version(task):
            return
        self._tasks[task.metadata.name] = task
        if held is not None and held.metadata.uid != task.metadata.uid:
            self._deleted.discard(held.metadata.uid)
        # Made anew under its name it has another place, perhaps in another app.
        if held is not None and _home(held) != _home(task):
            self._index.discard(held)
            held = None
        if held is None:
            self._index.add(task)


def _version(task: EgressTask) -> int:
    return int(task.metadata.resource_version)


def _still_there(task: EgressTask, tasks: dict[str, EgressTask]) -> bool:
    now = tasks.get(task.metadata.name)
    return now is not None and now.spec.app_id == task.spec.app_id


def _home(task: EgressTask) -> tuple[str, Place]:
    return task.spec.app_id, place(task)
