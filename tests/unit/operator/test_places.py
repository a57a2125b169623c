"""Who is next: the book against its own definition written plainly, and what events and lists may do to it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egress_api.states import Reason
from egress_operator.keys import TaskKey
from egress_operator.places import Book, Entry
from egress_operator.positions import Positions, Standing, numbered
from egress_operator.queue_settings import AppQueue, QueueSettings


def entry(name: str, *, app: str = "a", priority: int = 0, second: int = 0, holds: bool = False) -> Entry:
    return Entry(
        key=TaskKey("media", name),
        uid=f"uid-{name}",
        app=app,
        priority=priority,
        created=f"2026-11-23T05:00:{second:02d}Z",
        holds=holds,
    )


def book_of(limits: QueueSettings, *entries: Entry) -> Book:
    book = Book(limits)
    for each in entries:
        book.learn(each)
    return book


def granted(book: Book) -> list[str]:
    """Give out what there is and return to whom, in order."""
    names = []
    while (turn := book.next()) is not None:
        book.grant(turn.key)
        names.append(turn.key.name)
    return names


def resource(*, attempt: int = 0, state: str | None = None, **spec: Any) -> dict[str, Any]:
    meta = {
        "name": "t",
        "namespace": "media",
        "uid": "u",
        "creationTimestamp": "2026-11-23T05:00:00Z",
        "generation": 1,
    }
    status = {"status": {"attempt": attempt, "state": state}} if state else {}
    return {"metadata": meta, "spec": {"appId": "a", **spec}, **status}


# The order.


def test_the_highest_priority_is_next_and_then_the_oldest() -> None:
    book = book_of(
        QueueSettings(max_tasks=4),
        entry("young", second=9),
        entry("old", second=1),
        entry("low", priority=-1, second=0),
        entry("high", priority=1, second=10),
    )
    assert granted(book) == ["high", "old", "young", "low"]


def test_of_two_of_the_same_second_the_uid_decides() -> None:
    assert granted(book_of(QueueSettings(max_tasks=2), entry("y"), entry("x"))) == ["x", "y"]


def test_apps_take_turns_however_many_tasks_one_has() -> None:
    crowd = [entry(f"a{n}", app="a", second=n) for n in range(4)]
    others = [entry("b0", app="b", second=50), entry("c0", app="c", second=51)]
    assert granted(book_of(QueueSettings(max_tasks=6), *crowd, *others)) == [
        "a0",
        "b0",
        "c0",
        "a1",
        "a2",
        "a3",
    ]


def test_an_app_whose_recordings_run_lets_others_go_first() -> None:
    runs = [entry(f"r{n}", app="a", holds=True) for n in range(2)]
    book = book_of(QueueSettings(max_tasks=4), *runs, entry("a", app="a"), entry("b", app="b", second=5))
    assert granted(book) == ["b", "a"]


def test_an_app_at_its_limit_is_passed_over_until_a_place_of_its_own_is_free() -> None:
    limits = QueueSettings(max_tasks=3, max_tasks_per_app=2, apps={"b": AppQueue(max_tasks=1)})
    crowd = [entry(f"a{n}", app="a", priority=9, second=n) for n in range(3)]
    book = book_of(limits, *crowd, entry("b0", app="b"), entry("b1", app="b", second=1))
    assert granted(book) == ["a0", "a1", "b0"]
    assert book.waiting_by_reason() == {Reason.APP_LIMIT_REACHED: 2}

    book.forget(TaskKey("media", "b0"))
    assert granted(book) == ["b1"]
    book.forget(TaskKey("media", "a0"))
    assert granted(book) == ["a2"]


def test_zero_takes_an_apps_limit_away() -> None:
    limits = QueueSettings(max_tasks_per_app=1, apps={"a": AppQueue(max_tasks=0)})
    assert len(granted(book_of(limits, *(entry(f"a{n}") for n in range(9))))) == 9


def test_a_priority_above_the_highest_that_counts_counts_as_that() -> None:
    limits = QueueSettings(max_tasks=9, max_priority=10, apps={"low": AppQueue(max_priority=0)})
    book = book_of(
        limits,
        entry("second", priority=1000, second=2),
        entry("first", priority=10, second=1),
        entry("fourth", app="low", priority=1000, second=1),
        entry("third", priority=5, second=3),
        entry("last", app="low", priority=-5, second=0),
    )
    assert book.at_least(10) == 2
    assert granted(book) == ["first", "second", "third", "fourth", "last"]


def test_a_task_with_such_a_priority_that_is_seen_again_changes_nothing() -> None:
    book = book_of(QueueSettings(max_tasks=1, max_priority=0), entry("a", priority=7))
    before = book.version
    book.learn(entry("a", priority=7))
    book.learn(entry("a", priority=900))
    assert book.version == before


def test_another_priority_is_another_place_in_the_line() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("first"), entry("second", second=1))
    book.learn(entry("second", second=1, priority=1))
    assert granted(book) == ["second"]


# What is seen.


def test_who_has_a_place_keeps_it_however_old_what_is_seen() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("t"))
    granted(book)
    book.learn(entry("t"))
    assert (book.held, book.waiting) == (1, 0)


def test_a_new_task_of_the_same_name_has_no_place_yet() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("t", holds=True))
    book.learn(entry("t")._replace(uid="another"))
    assert (book.held, book.waiting) == (0, 1)


def test_the_end_of_an_earlier_task_of_the_same_name_takes_nothing_away() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("t", holds=True))
    book.forget(TaskKey("media", "t"), uid="the earlier one")
    assert book.held == 1


def test_a_list_brings_what_was_missed_and_takes_ghosts_away() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("ghost", holds=True))
    elsewhere = entry("elsewhere", holds=True)._replace(key=TaskKey("other", "elsewhere"))
    book.learn(elsewhere)
    book.reconcile("media", [entry("missed")], since=book.mark())
    assert book.entry(TaskKey("media", "ghost")) is None
    assert book.entry(TaskKey("media", "missed")) is not None
    assert book.held == 1


def test_what_was_seen_after_the_list_was_begun_is_newer_than_the_list() -> None:
    book = book_of(QueueSettings(max_tasks=9), entry("ended", holds=True), entry("begun"))
    mark = book.mark()
    book.forget(TaskKey("media", "ended"))
    book.grant(TaskKey("media", "begun"))
    book.learn(entry("new"))
    book.reconcile("media", [entry("ended", holds=True), entry("begun")], since=mark)
    assert (book.held, book.waiting) == (1, 1)
    assert book.entry(TaskKey("media", "ended")) is None


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (resource(), False),
        (resource(state="ENQUEUED"), False),
        (resource(state="ENQUEUED", attempt=1), True),
        (resource(state="STOPPING", attempt=2, stop=True), True),
        (resource(state="ARCHIVED", attempt=1), True),
        (resource(stop=True), None),
        (resource(state="STOPPED", attempt=1), None),
        (resource(state="TIMEOUT"), None),
    ],
)
def test_who_has_a_place_who_waits_and_who_needs_none(raw: dict[str, Any], holds: bool | None) -> None:  # noqa: FBT001 - a table's column
    got = Entry.of(raw)
    assert (got.holds if got is not None else None) is holds


def test_a_task_that_is_being_deleted_waits_for_nothing() -> None:
    raw = resource()
    raw["metadata"]["deletionTimestamp"] = "2026-11-23T05:00:01Z"
    assert Entry.of(raw) is None


# Positions.


def test_positions_follow_the_order_in_which_places_are_given() -> None:
    entries = [entry(f"a{n}", app="a", second=n) for n in range(3)]
    entries += [entry("b0", app="b", second=8), entry("c0", app="c", priority=2, second=9)]
    book = book_of(QueueSettings(max_tasks=1), entry("runs", app="z", holds=True), *entries)
    numbers = {key.name: standing for key, standing in numbered(book).items()}
    assert {name: standing.position for name, standing in numbers.items()} == {
        "c0": 1,
        "a0": 2,
        "b0": 3,
        "a1": 4,
        "a2": 5,
    }
    assert {standing.of for standing in numbers.values()} == {5}


def test_tasks_of_an_app_at_its_limit_are_numbered_among_themselves() -> None:
    limits = QueueSettings(max_tasks=2, max_tasks_per_app=1)
    book = book_of(
        limits,
        *(entry(f"r{app}", app=app, holds=True) for app in "ab"),
        *(entry(f"a{n}", app="a", second=n) for n in range(2)),
        entry("c0", app="c"),
    )
    assert {key.name: standing for key, standing in numbered(book).items()} == {
        "c0": Standing(1, 1, Reason.QUEUE_FULL),
        "a0": Standing(1, 2, Reason.APP_LIMIT_REACHED),
        "a1": Standing(2, 2, Reason.APP_LIMIT_REACHED),
    }


def test_who_comes_between_two_numberings_gets_an_estimate() -> None:
    book = book_of(QueueSettings(max_tasks=1), entry("runs", holds=True))
    for number in range(9):
        book.learn(entry(f"t{number}", second=number, priority=number % 3))
    positions = Positions(book)
    assert len(positions.all(0.0)) == 9
    book.learn(entry("new", second=50, priority=1))
    new = book.entry(TaskKey("media", "new"))
    assert new is not None
    assert positions.of(new, 0.0001) == Standing(7, 10, Reason.QUEUE_FULL)
    assert positions.of(new, 1.0) == Standing(7, 10, Reason.QUEUE_FULL)
    assert len(positions.all(1.0)) == 10


# The book against its definition.

APPS = "abc"
LIMITS = QueueSettings(max_tasks=4, max_tasks_per_app=2, apps={"c": AppQueue(max_tasks=0)})
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("learn"),
            st.integers(0, 11),
            st.sampled_from(APPS),
            st.integers(-1, 1),
            st.integers(0, 3),
            st.booleans(),
        ),
        st.tuples(st.just("forget"), st.integers(0, 11)),
        st.tuples(st.just("grant")),
    ),
    max_size=80,
)


def plainly_next(entries: dict[str, Entry]) -> str | None:
    held = Counter(e.app for e in entries.values() if e.holds)
    if held.total() >= LIMITS.max_tasks:
        return None
    free = [
        e
        for e in entries.values()
        if not e.holds and (not LIMITS.limit_of(e.app) or held[e.app] < LIMITS.limit_of(e.app))
    ]
    # An app is judged by its own first task.
    firsts = [min((e for e in free if e.app == app), key=_line, default=None) for app in APPS]
    best = min(
        (e for e in firsts if e is not None),
        key=lambda e: (-e.priority, held[e.app], e.created, e.uid),
        default=None,
    )
    return best.key.name if best is not None else None


def _line(each: Entry) -> tuple[int, str, str]:
    return -each.priority, each.created, each.uid


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_any_history_leaves_the_book_as_its_definition_says(steps: list[tuple[Any, ...]]) -> None:
    book, plain = Book(LIMITS), dict[str, Entry]()
    for step in steps:
        match step:
            case ("learn", number, app, priority, second, holds):
                # An app never changes: a task of another one is another task.
                new = entry(f"{app}{number}", app=app, priority=priority, second=second, holds=holds)
                old = plain.get(new.key.name)
                plain[new.key.name] = new._replace(holds=holds or (old is not None and old.holds))
                book.learn(new)
            case ("forget", number):
                for app in APPS:
                    plain.pop(f"{app}{number}", None)
                    book.forget(TaskKey("media", f"{app}{number}"))
            case _:
                name = plainly_next(plain)
                if name is not None:
                    plain[name] = plain[name]._replace(holds=True)
                    book.grant(TaskKey("media", name))
        turn = book.next()
        assert (turn.key.name if turn is not None else None) == plainly_next(plain)
        assert book.held == sum(e.holds for e in plain.values())
        assert book.waiting == sum(not e.holds for e in plain.values())
        assert book.waiting_by_reason().total() == book.waiting
        assert {key.name for key in numbered(book)} == {n for n, e in plain.items() if not e.holds}
