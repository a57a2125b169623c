"""Whatever happens to the tasks: lists are what there is, and a reader of events knows what there is, too.

The cache gets every sequence of what a watch and our own writes can bring; readers come, go, and come back with
the id that they saw last, to a gateway that remembers little.
"""

from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from egress_api.task import EgressTask
from egress_gateway.cache import TaskCache
from egress_gateway.changes import Change, Changes
from egress_gateway.events import Events
from egress_gateway.listing import Wanted, page, read_cursor
from egress_gateway.metrics import Metrics
from support.gateway_tasks import made

APPS = ("demo", "other")
NAMES = ("a", "b", "c", "d")


@dataclass
class Reader:
    """Keeps what it was told of one app; `last` is the id of its last event."""

    app_id: str
    last: int | None = None
    known: dict[str, int] = field(default_factory=dict)

    def read(self, change: Change) -> None:
        self.last = change.version
        if change.task is None:
            self.known.pop(change.name, None)
        else:
            self.known[change.name] = change.version


class Mirrored(RuleBasedStateMachine):
    """One namespace as the API server has it, one gateway's cache, and two readers."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = count(100)
        self.seconds = count()
        self.cluster: dict[str, EgressTask] = {}
        self.untold: list[tuple[int, str, EgressTask | None]] = []
        self.cache = TaskCache(stale_seconds=15)
        self.cache.changes = Changes(remember=3)
        self.cache.replace([], resource_version=str(next(self.versions)))
        self.readers = [Reader(app) for app in APPS]
        self.events = Events(None, self.cache, metrics=Metrics())  # type: ignore[arg-type]

    def write(self, task: EgressTask) -> None:
        self.cluster[task.metadata.name] = task
        self.untold.append((int(task.metadata.resource_version), task.metadata.name, task))

    @rule(name=st.sampled_from(NAMES), app=st.sampled_from(APPS), ours=st.booleans())
    def create(self, name: str, app: str, *, ours: bool) -> None:
        if name not in self.cluster:
            # Two seconds at a time have the same number: names then say who is first.
            second, version = next(self.seconds) // 2, next(self.versions)
            self.write(made(name, version, app_id=app, second=second, uid=f"uid-{version}"))
            if ours:
                self.cache.put_own(self.cluster[name])

    @rule(name=st.sampled_from(NAMES), state=st.sampled_from(["PROCESSING", "STOPPED"]), ours=st.booleans())
    def change(self, name: str, state: str, *, ours: bool) -> None:
        task = self.cluster.get(name)
        if task is not None and not task.status.state.terminal:
            meta = task.metadata.model_copy(update={"resource_version": str(next(self.versions))})
            status = made("x", 1, state=state).status
            self.write(task.model_copy(update={"metadata": meta, "status": status}))
            if ours:
                self.cache.put_own(self.cluster[name])

    @rule(name=st.sampled_from(NAMES), ours=st.booleans())
    def delete(self, name: str, *, ours: bool) -> None:
        if name in self.cluster:
            if ours:
                self.cache.hide(self.cluster[name])
            del self.cluster[name]
            self.untold.append((next(self.versions), name, None))

    @rule(number=st.integers(1, 4))
    def watch(self, number: int) -> None:
        told, self.untold = self.untold[:number], self.untold[number:]
        for version, name, task in told:
            if task is None:
                self.cache.remove(name, resource_version=str(version))
            else:
                self.cache.put(task)

    @rule()
    def relist(self) -> None:
        self.untold.clear()
        self.cache.replace(list(self.cluster.values()), resource_version=str(next(self.versions)))

    @rule(number=st.integers(0, 1), cut=st.integers(0, 5))
    def come_back(self, number: int, cut: int) -> None:
        """Read some of what a stream begins with, and go again; `cut` events are all that is read."""
        reader = self.readers[number]
        begin = self.events._begin(reader.app_id, reader.last)
        versions = [change.version for change in begin]
        assert versions == sorted(versions), "ids go up within a stream"
        for change in begin[:cut]:
            reader.read(change)

    @invariant()
    def pages_are_what_there_is(self) -> None:
        for app in APPS:
            whole = [task.metadata.name for task in self.cache.newest(app)]
            held = [task for name in NAMES if (task := self.cache.get(name)) and task.spec.app_id == app]
            held.sort(key=lambda task: (task.metadata.creation_timestamp, task.metadata.name), reverse=True)
            assert whole == [task.metadata.name for task in held]
            found, behind = [], None
            while True:
                tasks, cursor = page(self.cache, Wanted(limit=2, behind=behind), app_id=app)
                found += [task.metadata.name for task in tasks]
                if cursor is None:
                    break
                behind = read_cursor(cursor)
            assert found == whole

    def teardown(self) -> None:
        """Once all has been told and read, everybody knows what there is."""
        self.watch(len(self.untold))
        assert {name: self.cache.get(name) for name in NAMES if self.cache.get(name)} == self.cluster
        assert not self.cache._deleted
        for reader in self.readers:
            for change in self.events._begin(reader.app_id, reader.last):
                reader.read(change)
            for name, task in self.cluster.items():
                if task.spec.app_id == reader.app_id and not task.status.state.terminal:
                    assert reader.known.get(name) == int(task.metadata.resource_version)


def test_lists_and_readers_are_never_wrong() -> None:
    run_state_machine_as_test(Mirrored, settings=settings(max_examples=100))


def test_the_machine_can_see_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that forgets to tell is found out."""
    monkeypatch.setattr(Changes, "tell", lambda self, change: self._past.clear())
    quick = settings(phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Mirrored, settings=quick)
