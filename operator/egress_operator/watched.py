"""What the watches have told of unfinished tasks and their Pods, so that a look need not ask for what is known already.

In: objects as watches tell them and as our own writes are answered. Out: the newest known version of a task or Pod; the
API server is asked for what is not known, and only it says that something is not there. What is known may be old by a
moment. That is safe because each write carries the version or the UID that it rests on: an old view ends in a conflict,
and the look is taken again from the API server itself. Nothing here has to last: an operator that has just started has it
empty, and each resync empties it, so that a watch that fell silent misleads nobody for longer.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from egress_operator.cluster import Cluster, state_of
from egress_operator.keys import TaskKey
from egress_operator.pod_state import PodView

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST: Final = 2000
"""Objects of a kind that are kept, the latest told: thousands that wait for a place are not to fill the memory."""


@dataclass(frozen=True, kw_only=True)
class _Held(Generic[Value]):
    value: Value
    uid: str
    version: int


class _Newest(Generic[Key, Value]):
    """The newest version of each object, whichever way it comes; what is gone does not come back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Key, _Held[Value]] = {}
        self._gone: set[str] = set()

    def get(self, key: Key) -> Value | None:
        held = self._held.get(key)
        return None if held is None else held.value

    def take(self, key: Key, value: Value, *, uid: str, version: str) -> None:
        held, number = self._held.get(key), int(version or 0)
        if uid in self._gone or (held is not None and held.version > number):
            return
        self._held.pop(key, None)  # to the end: the oldest go first
        self._held[key] = _Held(value=value, uid=uid, version=number)
        if len(self._held) > self._most:
            del self._held[next(iter(self._held))]

    def gone(self, key: Key, *, uid: str) -> None:
        # An answer to a write of ours may come in after the watch has told of the end.
        self._gone.add(uid)
        held = self._held.get(key)
        if held is not None and held.uid == uid:
            del self._held[key]

    def forget(self, key: Key) -> None:
        self._held.pop(key, None)

    def clear(self) -> None:
        self._held.clear()
        self._gone.clear()


class Watched:
    """The newest known versions of unfinished tasks and of their Pods."""

    def __init__(self, *, most: int = MOST) -> None:
        """Begin with nothing.

        Args:
            most: objects of a kind that are kept; with 0 the API server is asked each time.
        """
        self._tasks: _Newest[TaskKey, dict[str, Any]] = _Newest(most)
        self._pods: _Newest[tuple[str, str], PodView] = _Newest(most)
        self._doubted: set[TaskKey] = set()

    # What watches and writes bring.

    def saw_task(self, raw: dict[str, Any], *, gone: bool = False) -> None:
        """Take in a task; `gone` when it is no more."""
        meta = raw["metadata"]
        key = TaskKey(meta["namespace"], meta["name"])
        # Finished ones are many, and nobody looks at them any more.
        if gone or state_of(raw).terminal:
            self._tasks.gone(key, uid=meta["uid"])
        else:
            self._tasks.take(key, raw, uid=meta["uid"], version=meta["resourceVersion"])

    def saw_pod(self, pod: PodView, *, gone: bool = False) -> None:
        """Take in a Pod; `gone` when it is no more."""
        key = (pod.namespace, pod.name)
        # One that is released is waited for by nobody.
        if gone or pod.released:
            self._pods.gone(key, uid=pod.uid)
        else:
            self._pods.take(key, pod, uid=pod.uid, version=pod.resource_version)

    def doubt(self, key: TaskKey) -> None:
        """Have the API server asked for a task and its Pods, until `trust`: a call of a look at it has failed."""
        self._doubted.add(key)

    def trust(self, key: TaskKey) -> None:
        """Go by what is known again."""
        self._doubted.discard(key)

    def clear(self) -> None:
        """Have the API server asked for everything once."""
        self._tasks.clear()
        self._pods.clear()

    # What looks ask for.

    async def task(self, cluster: Cluster, key: TaskKey) -> dict[str, Any] | None:
        """Return a task as it is known, or else as the API server has it; None where there is none.

        Raises:
            ApiError: when the API server had to be asked, and can't be reached.
        """
        known = None if key in self._doubted else self._tasks.get(key)
        if known is not None:
            return known
        found = await cluster.task(*key)
        if found is None:
            self._tasks.forget(key)
        else:
            self.saw_task(found)
        return found

    async def pod(self, cluster: Cluster, key: TaskKey, name: str) -> PodView | None:
        """Return a Pod of a task as it is known, or else as the API server has it; None where there is none.

        Raises:
            ApiError: when the API server had to be asked, and can't be reached.
        """
        known = None if key in self._doubted else self._pods.get((key.namespace, name))
        if known is not None:
            return known
        found = await cluster.pod(key.namespace, name)
        if found is None:
            self._pods.forget((key.namespace, name))
        else:
            self.saw_pod(found)
        return found

    def is_new(self, key: TaskKey) -> bool:
        """Return whether a watch has told of a task that nobody has written yet: then it has no Pod."""
        known = None if key in self._doubted else self._tasks.get(key)
        return known is not None and not known.get("status")
