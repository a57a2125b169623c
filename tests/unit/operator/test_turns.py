"""Places given out to what is seen, never before everything was listed; and who is told where it stands, and how often."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from egress_api.states import Reason, State
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask
from egress_operator.decision import Turn
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.places import Entry
from egress_operator.queue_settings import QueueSettings
from egress_operator.turns import RENEW_SECONDS, RENEWED_PER_SECOND, Turns
from egress_operator.workqueue import WorkQueue

CREATED = datetime(2026, 11, 23, 5, tzinfo=UTC)


class Bench:
    """Turns with a clock in our hands and a queue to look into."""

    def __init__(self, namespaces: list[str] | None = None, **limits: Any) -> None:
        self.now = 0.0
        self.queue: WorkQueue[TaskKey] = WorkQueue()
        self.metrics = Metrics()
        self.turns = Turns(
            QueueSettings(**limits),
            namespaces=namespaces or ["media"],
            queue=self.queue,
            metrics=self.metrics,
            clock=lambda: CREATED + timedelta(seconds=10),
            monotonic=lambda: self.now,
        )

    def list_all(self, *raws: dict[str, Any], namespace: str = "media") -> None:
        entries = [Entry.of(raw) for raw in raws]
        self.turns.listed(namespace, entries, since=self.turns.mark())

    def ask(self, raw: dict[str, Any]) -> Turn | None:
        return self.turns.ask(raw, EgressTask.from_resource(raw))

    async def rung(self) -> list[str]:
        """Return who is in the queue, and take them out."""
        names = []
        while self.queue.depth:
            key = await self.queue.get()
            assert key is not None
            self.queue.done(key)
            names.append(key.name)
        return names

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"egress_operator_{name}", labels)


def resource(
    name: str, *, status: dict[str, Any] | None = None, second: int = 0, namespace: str = "media", **spec: Any
) -> dict[str, Any]:
    created = CREATED + timedelta(seconds=second)
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {
            "appId": "a",
            "channel": "c",
            "accessTokenSecretRef": {"name": "s"},
            "limits": {"enqueueTimeoutSeconds": 300},
            **spec,
        },
        **({"status": status} if status is not None else {}),
    }


def waits(position: int = 1, *, reason: str = "QueueFull") -> dict[str, Any]:
    return {
        "state": "ENQUEUED",
        "reason": reason,
        "queuePosition": position,
        "attempt": 0,
        "observedGeneration": 1,
    }


RUNS = {"state": "PROCESSING", "reason": "Recording", "attempt": 1, "observedGeneration": 1}


# Who begins, and when.


async def test_without_a_limit_nothing_is_asked_noted_or_rung() -> None:
    bench = Bench()
    bench.turns.seen(resource("t"))
    bench.list_all(resource("t"))
    assert bench.ask(resource("t")) is None
    assert bench.turns.rests(resource("t", status=waits())) is None
    assert await bench.rung() == []
    await asyncio.wait_for(bench.turns.run(), 1)


async def test_nobody_begins_before_every_namespace_was_listed() -> None:
    bench = Bench(["media", "other"], max_tasks=1)
    bench.turns.seen(resource("t"))
    bench.list_all(resource("t"))
    assert bench.ask(resource("t")) == Turn(granted=False)
    assert await bench.rung() == []

    bench.list_all(resource("runs", namespace="other", status=RUNS), namespace="other")
    assert await bench.rung() == ["t"], "who asked too early is looked at again"
    assert bench.ask(resource("t")) == Turn(
        granted=False, news=True, reason=Reason.QUEUE_FULL, position=1, of=1, places=1
    )


async def test_who_has_begun_is_counted_when_the_operator_starts_anew() -> None:
    bench = Bench(max_tasks=2)
    bench.list_all(resource("one", status=RUNS), resource("two", status=waits()), resource("three", second=1))
    assert await bench.rung() == ["two"]
    assert bench.ask(resource("two", status=waits())) == Turn(granted=True)
    third = bench.ask(resource("three", second=1))
    assert third is not None
    assert not third.granted


@pytest.mark.parametrize("how", ["seen", "deleted", "written", "dropped"])
async def test_a_place_that_becomes_free_rings_for_the_next_at_once(how: str) -> None:
    bench = Bench(max_tasks=1)
    runs = resource("runs", status=RUNS)
    bench.list_all(runs, resource("next", second=1), resource("later", second=2))
    match how:
        case "seen":
            bench.turns.seen(resource("runs", status={**RUNS, "state": "STOPPED"}))
        case "deleted":
            bench.turns.seen(runs, gone=True)
        case "written":
            bench.turns.wrote(TaskKey("media", "runs"), EgressTaskStatus(state=State.FAILED))
        case _:
            bench.turns.drop(TaskKey("media", "runs"))
    assert await bench.rung() == ["next"]
    assert (bench.value("places_held"), bench.value("places_waiting", reason="QueueFull")) == (1, 1)
    assert bench.value("places_granted_total") == 1


async def test_a_status_that_ends_nothing_frees_nothing() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("runs", status=RUNS), resource("next"))
    bench.turns.wrote(TaskKey("media", "runs"), EgressTaskStatus(state=State.PROCESSING))
    assert await bench.rung() == []


async def test_a_place_is_taken_before_it_stands_in_the_status() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all()
    bench.turns.seen(resource("one"))
    bench.turns.seen(resource("two", second=1))
    assert bench.ask(resource("one")) == Turn(granted=True)
    second = bench.ask(resource("two", second=1))
    assert second is not None
    assert not second.granted


async def test_who_could_not_be_written_asks_anew() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("one"), resource("two", second=1))
    assert bench.ask(resource("one")) == Turn(granted=True)
    bench.turns.drop(TaskKey("media", "one"))
    again = bench.ask(resource("one"))
    assert again is not None
    assert not again.granted
    assert bench.ask(resource("two", second=1)) == Turn(granted=True)


async def test_who_is_to_stop_before_its_attempt_gives_the_place_back() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("one"), resource("two", second=1))
    await bench.rung()
    assert bench.ask(resource("one", stop=True)) is None
    assert await bench.rung() == ["two"]


@pytest.mark.parametrize(("attempt", "held"), [(0, 0), (1, 1)])
async def test_a_task_that_cannot_be_read_or_written_blocks_nobody_unless_it_may_record(
    attempt: int, held: int
) -> None:
    bench = Bench(max_tasks=2)
    raw = resource("odd", status={"state": "ENQUEUED", "attempt": attempt})
    bench.list_all(raw)
    bench.turns.stuck(raw)
    assert bench.value("places_held") == held


@pytest.mark.parametrize("again", ["seen", "listed"])
async def test_a_deleted_task_of_which_nothing_runs_gives_its_place_up_however_often_it_is_seen(
    again: str,
) -> None:
    bench = Bench(max_tasks=1)
    runs = resource("runs", status=RUNS)
    runs["metadata"]["deletionTimestamp"] = "2026-11-23T06:00:00Z"
    waiting = resource("next", second=1)
    bench.list_all(runs, waiting)
    assert await bench.rung() == [], "its recorder may still upload"
    bench.turns.left(TaskKey("media", "runs"), uid="uid-runs")
    assert await bench.rung() == ["next"]
    if again == "seen":
        bench.turns.seen(runs)
    else:
        bench.list_all(runs, waiting)
    assert bench.value("places_held") == 1

    anew = resource("runs", status=RUNS)
    anew["metadata"]["uid"] = "uid-anew"
    bench.turns.seen(anew)
    assert bench.value("places_held") == 2, "another task of that name"
    bench.turns.seen(anew, gone=True)
    bench.turns.drop(TaskKey("media", "runs"))
    bench.turns.seen(runs)
    assert bench.value("places_held") == 2, "what is remembered goes with the task"


async def test_starts_are_no_more_a_second_than_may_be() -> None:
    bench = Bench(starts_per_second=20, starts_burst=1)
    bench.list_all(resource("one"), resource("two", second=1))
    assert await bench.rung() == ["one"]
    turn = bench.ask(resource("two", second=1))
    assert turn is not None
    assert turn.reason is Reason.START_RATE_LIMITED
    bench.now = 1.0

    key = await asyncio.wait_for(bench.queue.get(), 5)
    assert key == TaskKey("media", "two")


# Who is told, and how often.


async def test_a_look_at_one_that_waits_tells_it_nothing_unless_it_is_time() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("runs", status=RUNS), resource("t"))
    first = bench.ask(resource("t"))
    assert first is not None
    assert first.news
    second = bench.ask(resource("t", status=waits()))
    assert second is not None
    assert not second.news


async def test_a_change_of_the_spec_is_answered_with_where_it_stands_now() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("runs", status=RUNS), resource("t", status=waits()))
    changed = resource("t", status=waits(), priority=3)
    changed["metadata"]["generation"] = 2
    turn = bench.ask(changed)
    assert turn is not None
    assert turn.news


async def test_positions_are_renewed_from_the_front_a_few_a_second_and_each_seldom() -> None:
    bench = Bench(max_tasks=1)
    crowd = [resource(f"t{n:02d}", second=n % 60) for n in range(30)]
    bench.list_all(resource("runs", status=RUNS), *crowd)
    for raw in crowd:
        bench.ask(raw)
    bench.turns.renew()
    assert await bench.rung() == [], "all have just been told"

    bench.turns.seen(resource("runs", status=RUNS), gone=True)
    assert await bench.rung() == ["t00"]
    bench.now = RENEW_SECONDS - 1
    bench.turns.renew()
    assert await bench.rung() == []
    bench.now = RENEW_SECONDS + 1
    told: list[str] = []
    for _ in range(4):
        bench.turns.renew()
        rung = await bench.rung()
        assert len(rung) <= RENEWED_PER_SECOND
        told += rung
    assert told == [f"t{n:02d}" for n in range(1, 30)]
    turn = bench.ask(resource("t01", status=waits(2), second=1))
    assert turn is not None
    assert (turn.news, turn.position, turn.of) == (True, 1, 29)


# Who needs no look.


@pytest.mark.parametrize(
    ("status", "change", "seconds"),
    [
        (waits(), {}, 290),
        (waits(reason="AppLimitReached"), {}, 290),
        (None, {}, None),
        (waits(reason="Accepted"), {}, None),
        (RUNS, {}, None),
        (waits(), {"generation": 2}, None),
        (waits(), {"creationTimestamp": "2026-11-23T04:00:00Z"}, 0),
    ],
)
async def test_who_waits_and_knows_it_rests_until_its_deadline(
    status: dict[str, Any] | None, change: dict[str, Any], seconds: float | None
) -> None:
    bench = Bench(max_tasks=1)
    raw = resource("t", status=status)
    raw["metadata"] |= change
    assert bench.turns.rests(raw) == seconds


async def test_whose_turn_has_come_rests_no_longer() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all(resource("t", status=waits()))
    assert bench.turns.rests(resource("t", status=waits())) is None


async def test_a_closed_operator_gives_out_nothing_more() -> None:
    bench = Bench(max_tasks=1)
    bench.list_all()
    bench.turns.close()
    bench.turns.seen(resource("t"))
    assert await bench.rung() == []
    await asyncio.wait_for(bench.turns.run(), 1)
