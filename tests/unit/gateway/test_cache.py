from datetime import UTC, datetime

import pytest

from egress_api.constants import GROUP
from egress_api.task import EgressTask
from egress_gateway.cache import TaskCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> TaskCache:
    return TaskCache(stale_seconds=15, clock=clock)


def task(name: str, version: int) -> EgressTask:
    return EgressTask.from_resource(
        {
            "apiVersion": f"{GROUP}/v1alpha1",
            "metadata": {
                "name": name,
                "namespace": "n",
                "uid": "u",
                "resourceVersion": str(version),
                "creationTimestamp": datetime(2026, 11, 23, tzinfo=UTC).isoformat(),
            },
            "spec": {"appId": "demo", "layout": "freestyle", "url": "http://good.example/"},
        }
    )


def held(cache: TaskCache, name: str) -> int | None:
    found = cache.get(name)
    return None if found is None else int(found.metadata.resource_version)


def test_an_empty_cache_is_not_to_be_believed(cache: TaskCache) -> None:
    assert not cache.synced
    assert not cache.fresh


def test_a_list_replaces_what_is_older_than_it(cache: TaskCache) -> None:
    cache.replace([task("a", 5), task("b", 6)], resource_version="10")
    cache.replace([task("b", 6), task("c", 19)], resource_version="20")
    assert (held(cache, "a"), held(cache, "b"), held(cache, "c")) == (None, 6, 19)


def test_a_list_keeps_our_own_write_that_is_newer_than_it(cache: TaskCache) -> None:
    cache.replace([], resource_version="10")
    cache.put_own(task("a", 25))
    cache.replace([], resource_version="20")
    assert held(cache, "a") == 25


def test_an_older_version_never_wins(cache: TaskCache) -> None:
    cache.replace([task("a", 5)], resource_version="10")
    cache.put(task("a", 12))
    cache.put(task("a", 11))
    assert held(cache, "a") == 12


def test_versions_are_compared_as_numbers(cache: TaskCache) -> None:
    cache.replace([task("a", 9)], resource_version="9")
    cache.put(task("a", 10))
    assert held(cache, "a") == 10


def test_our_own_write_is_read_before_the_watch_brings_it(cache: TaskCache) -> None:
    cache.replace([], resource_version="10")
    cache.put_own(task("a", 11))
    assert held(cache, "a") == 11


def test_a_late_answer_does_not_bring_a_deleted_task_back(cache: TaskCache) -> None:
    cache.replace([], resource_version="10")
    cache.put(task("a", 11))
    cache.remove("a", resource_version="13")
    cache.put_own(task("a", 12))
    assert held(cache, "a") is None


def test_a_deletion_spares_a_newer_task_of_that_name(cache: TaskCache) -> None:
    cache.replace([task("a", 5)], resource_version="10")
    cache.put_own(task("a", 14))
    cache.remove("a", resource_version="12")
    assert held(cache, "a") == 14


def test_nothing_is_kept_before_the_first_list(cache: TaskCache) -> None:
    cache.put_own(task("a", 5))
    assert len(cache) == 0


def test_a_broken_watch_is_believed_for_a_while(cache: TaskCache, clock: Clock) -> None:
    cache.replace([], resource_version="10")
    cache.note_connected()
    assert cache.fresh
    cache.note_lost()
    clock.now += 14
    cache.note_lost()
    assert cache.fresh
    clock.now += 2
    assert not cache.fresh
    assert cache.synced
    cache.note_connected()
    assert cache.fresh
