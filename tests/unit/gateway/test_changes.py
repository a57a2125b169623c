"""What changes is told in order, to whom it concerns, and never heaped up."""

import asyncio

import pytest

from egress_gateway.cache import TaskCache
from egress_gateway.changes import MOST_WAITING, Change, Changes, Subscription
from support.gateway_tasks import made


@pytest.fixture
def cache() -> TaskCache:
    cache = TaskCache(stale_seconds=15)
    cache.replace([made("a", 5), made("b", 6), made("x", 7, app_id="other")], resource_version="10")
    return cache


async def taken(subscription: Subscription) -> list[tuple[int, str, bool]]:
    changes = await subscription.next(seconds=0)
    return [(change.version, change.name, change.task is not None) for change in changes]


def known(cache: TaskCache, version: int, name: str | None = None) -> list[int] | None:
    changes = cache.changes.since(version, app_id="demo", name=name)
    return None if changes is None else [change.version for change in changes]


async def test_a_reader_hears_of_its_app_or_its_task_alone(cache: TaskCache) -> None:
    with (
        cache.changes.subscription(app_id="demo") as app,
        cache.changes.subscription(app_id="demo", name="a") as task,
        cache.changes.subscription(app_id="other", name="a") as stranger,
    ):
        cache.put(made("a", 11))
        cache.put(made("b", 12))
        cache.put(made("x", 13, app_id="other"))
        cache.remove("a", resource_version="14")
        assert await taken(app) == [(11, "a", True), (12, "b", True), (14, "a", False)]
        assert await taken(task) == [(11, "a", True), (14, "a", False)]
        assert await taken(stranger) == []


async def test_a_waiting_reader_is_woken(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo", name="a") as subscription:
        waiting = asyncio.create_task(subscription.next(seconds=30))
        await asyncio.sleep(0)
        cache.put(made("a", 11))
        assert [change.version for change in await asyncio.wait_for(waiting, 5)] == [11]


async def test_our_own_write_is_told_once_when_the_watch_brings_it(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo") as subscription:
        cache.put_own(made("a", 12))
        assert await taken(subscription) == []
        cache.put(made("b", 11))
        cache.put(made("a", 12))
        cache.put(made("a", 12))
        assert await taken(subscription) == [(11, "b", True), (12, "a", True)]


async def test_a_new_list_tells_what_was_missed_in_order(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo") as subscription:
        cache.put_own(made("c", 14))  # the list brings it, and the watch will not
        listed = [made("c", 14), made("x", 13), made("d", 12), made("a", 5)]
        cache.replace(listed, resource_version="20")
        assert await taken(subscription) == [
            (12, "d", True),
            (13, "x", True),
            (14, "c", True),
            (20, "b", False),
        ]
    with cache.changes.subscription(app_id="other") as subscription:
        assert known(cache, 10) == [12, 13, 14, 20]
        assert [change.task for change in cache.changes.since(10, app_id="other") or []] == [None]


async def test_what_is_told_once_is_known_for_who_comes_back(cache: TaskCache) -> None:
    cache.put(made("a", 11))
    cache.put(made("x", 12, app_id="other"))
    cache.put(made("b", 13))
    cache.put(made("a", 14))
    assert known(cache, 10) == [11, 13, 14]
    assert known(cache, 11) == [13, 14]
    assert known(cache, 11, "a") == [14]
    assert known(cache, 14) == []
    assert known(cache, 9) is None, "what was before the list nobody has told"


async def test_only_the_newest_changes_are_remembered() -> None:
    changes = Changes(remember=3)
    assert changes.since(1, app_id="demo") is None, "nothing is known yet"
    changes.begin(10)
    for version in range(11, 16):
        changes.tell(Change.to(made("a", version)))
    assert changes.since(11, app_id="demo") is None
    assert [change.version for change in changes.since(12, app_id="demo") or []] == [13, 14, 15]


async def test_a_reader_that_does_not_keep_up_is_dropped_alone(cache: TaskCache) -> None:
    with (
        cache.changes.subscription(app_id="demo") as slow,
        cache.changes.subscription(app_id="demo") as quick,
    ):
        for version in range(11, 11 + MOST_WAITING + 1):
            cache.put(made("a", version))
            assert len(await taken(quick)) == 1
        assert slow.overrun
        assert await taken(slow) == []
        assert not quick.overrun


async def test_the_end_wakes_everybody_and_whoever_comes_later(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo") as subscription:
        waiting = asyncio.create_task(subscription.next(seconds=30))
        await asyncio.sleep(0)
        cache.changes.end()
        assert await asyncio.wait_for(waiting, 5) == []
        assert subscription.ended
    with cache.changes.subscription(app_id="demo") as late:
        assert await asyncio.wait_for(late.next(seconds=30), 5) == []


async def test_nobody_is_kept_who_has_gone(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo"), cache.changes.subscription(app_id="demo", name="a"):
        assert len(cache.changes._subscriptions) == 2
    assert cache.changes._subscriptions == {}


async def test_a_task_that_we_have_deleted_is_hidden_until_the_watch_says_so(cache: TaskCache) -> None:
    with cache.changes.subscription(app_id="demo", name="a") as subscription:
        cache.hide(made("a", 5))
        cache.put(made("a", 11))  # its end, on the way before the deletion
        assert cache.get("a") is None
        assert [task.metadata.name for task in cache.newest("demo")] == ["b"]
        cache.remove("a", resource_version="12")
        assert await taken(subscription) == [(11, "a", True), (12, "a", False)]
    cache.put(made("a", 13, second=1))
    assert cache.get("a") is not None
    assert not cache._deleted


async def test_a_list_keeps_hidden_what_it_still_has(cache: TaskCache) -> None:
    cache.hide(made("a", 5))
    cache.hide(made("b", 6))
    cache.replace([made("a", 5)], resource_version="20")
    assert cache.get("a") is None
    assert cache._deleted == {"a/0"}


async def test_a_list_of_before_keeps_hidden_what_was_made_and_deleted_since(cache: TaskCache) -> None:
    cache.put_own(made("c", 25))
    cache.hide(made("c", 25))
    cache.replace([], resource_version="20")
    assert cache.get("c") is None


async def test_what_is_not_known_needs_no_hiding(cache: TaskCache) -> None:
    cache.hide(made("c", 8))
    cache.hide(made("a", 5, uid="an earlier one"))
    assert not cache._deleted
    assert cache.get("a") is not None
