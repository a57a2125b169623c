"""The work queue in virtual time: minutes pass at once, and exactly."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from egress_operator.workqueue import LONGEST_RETRY_SECONDS, WorkQueue


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, the clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen again"
            self.now += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        runner.run(main())


class Bench:
    """A queue, its workers and what they did when."""

    def __init__(self, *, workers: int = 1, seconds: float = 1.0, again: float | None = None) -> None:
        self.queue: WorkQueue[str] = WorkQueue()
        self.done: list[tuple[float, str]] = []
        self.errors: list[tuple[str, float]] = []
        self.failing: set[str] = set()
        self.running: list[str] = []
        self.most_of_one_key = 0
        self._seconds = seconds
        self._again = again
        self._tasks = [
            asyncio.create_task(self.queue.work(self._process, on_error=self._failed)) for _ in range(workers)
        ]

    async def _process(self, key: str) -> float | None:
        self.running.append(key)
        self.most_of_one_key = max(self.most_of_one_key, self.running.count(key))
        await asyncio.sleep(self._seconds)
        self.running.remove(key)
        if key in self.failing:
            raise RuntimeError(key)
        self.done.append((asyncio.get_running_loop().time(), key))
        again, self._again = self._again, None
        return again

    def _failed(self, key: str, error: Exception, pause: float) -> None:
        assert str(error) == key
        self.errors.append((key, pause))

    async def end(self, *, after: float) -> None:
        await asyncio.sleep(after)
        self.queue.close()
        await asyncio.gather(*self._tasks)


def test_a_waiting_key_is_worked_on_once() -> None:
    async def main() -> None:
        bench = Bench()
        for _ in range(5):
            bench.queue.add("a")
        await bench.end(after=10)
        assert bench.done == [(1.0, "a")]

    in_virtual_time(main)


def test_keys_come_in_the_order_in_which_they_were_added() -> None:
    async def main() -> None:
        bench = Bench()
        for key in "cab":
            bench.queue.add(key)
        await bench.end(after=10)
        assert [key for _, key in bench.done] == ["c", "a", "b"]

    in_virtual_time(main)


def test_a_key_that_is_to_be_first_passes_those_that_wait_and_is_still_worked_on_once() -> None:
    async def main() -> None:
        bench = Bench()
        for key in "ab":
            bench.queue.add(key)
        await asyncio.sleep(0.5)
        bench.queue.add("c")
        bench.queue.add("d", first=True)
        bench.queue.add("c", first=True)
        bench.queue.add("d")
        await bench.end(after=10)
        assert [key for _, key in bench.done] == ["a", "d", "b", "c"], "c waited already"

    in_virtual_time(main)


def test_a_key_added_while_it_is_worked_on_is_worked_on_again_and_never_twice_at_once() -> None:
    async def main() -> None:
        bench = Bench(workers=4)
        bench.queue.add("a")
        await asyncio.sleep(0.5)
        bench.queue.add("a")
        bench.queue.add("a")
        await bench.end(after=10)
        assert bench.done == [(1.0, "a"), (2.0, "a")]
        assert bench.most_of_one_key == 1

    in_virtual_time(main)


def test_workers_work_on_different_keys_at_the_same_time() -> None:
    async def main() -> None:
        bench = Bench(workers=2)
        for key in "abc":
            bench.queue.add(key)
        await bench.end(after=10)
        assert bench.done == [(1.0, "a"), (1.0, "b"), (2.0, "c")]

    in_virtual_time(main)


@pytest.mark.parametrize("delays", [(3.0, 60.0), (60.0, 3.0), (3.0, 3.0)])
def test_of_several_later_adds_the_earliest_counts(delays: tuple[float, float]) -> None:
    async def main() -> None:
        bench = Bench()
        for delay in delays:
            bench.queue.add_after("a", delay)
        await bench.end(after=200)
        assert bench.done == [(4.0, "a")]

    in_virtual_time(main)


def test_an_add_now_does_not_wait_for_a_later_one() -> None:
    async def main() -> None:
        bench = Bench()
        bench.queue.add_after("a", 30)
        bench.queue.add("a")
        await bench.end(after=100)
        assert bench.done == [(1.0, "a")]

    in_virtual_time(main)


def test_a_key_comes_back_when_its_worker_asked_for_it() -> None:
    async def main() -> None:
        bench = Bench(again=10)
        bench.queue.add("a")
        await bench.end(after=100)
        assert bench.done == [(1.0, "a"), (12.0, "a")]

    in_virtual_time(main)


def test_a_failing_key_is_tried_later_and_later_and_no_later_than_a_minute() -> None:
    async def main() -> None:
        bench = Bench(seconds=0)
        bench.failing.add("a")
        bench.queue.add("a")
        bench.queue.add("b")
        await bench.end(after=600)
        pauses = [pause for _, pause in bench.errors]
        assert pauses[:5] == [0.25, 0.5, 1.0, 2.0, 4.0]
        assert max(pauses) == LONGEST_RETRY_SECONDS
        assert [key for _, key in bench.done] == ["b"]

    in_virtual_time(main)


def test_a_success_forgets_the_failures_before() -> None:
    async def main() -> None:
        bench = Bench(seconds=0)
        bench.failing.add("a")
        bench.queue.add("a")
        await asyncio.sleep(3)
        bench.failing.clear()
        await asyncio.sleep(10)
        bench.failing.add("a")
        bench.queue.add("a")
        await bench.end(after=0.1)
        assert bench.errors[-1] == ("a", 0.25)

    in_virtual_time(main)


def test_the_oldest_key_tells_its_age_waiting_or_being_worked_on() -> None:
    async def main() -> None:
        bench = Bench(seconds=50)
        assert bench.queue.oldest_seconds == 0
        bench.queue.add("a")
        await asyncio.sleep(20)
        bench.queue.add("b")
        await asyncio.sleep(10)
        assert (bench.queue.oldest_seconds, bench.queue.depth) == (30, 1)
        await bench.end(after=200)
        assert (bench.queue.oldest_seconds, bench.queue.depth) == (0, 0)

    in_virtual_time(main)


def test_a_closed_queue_lets_its_workers_end_with_the_key_they_are_at() -> None:
    async def main() -> None:
        bench = Bench(workers=3, seconds=50)
        bench.queue.add("a")
        bench.queue.add_after("b", 10)
        await bench.end(after=5)
        assert bench.done == [(50.0, "a")]
        assert asyncio.get_running_loop().time() == 50.0

    in_virtual_time(main)


def test_a_long_queue_that_moves_is_not_stuck_and_one_that_stands_is() -> None:
    async def main() -> None:
        bench = Bench(seconds=100)
        for number in range(20):
            bench.queue.add(str(number))
        await asyncio.sleep(1050)
        assert (bench.queue.oldest_seconds, bench.queue.stuck_seconds) == (1050, 50)
        for task in bench._tasks:
            task.cancel()
        await asyncio.sleep(1000)
        assert bench.queue.stuck_seconds == 1000

    in_virtual_time(main)


async def test_a_busy_api_server_is_left_alone_for_as_long_as_it_asks() -> None:
    queue: WorkQueue[str] = WorkQueue()
    pauses: list[float] = []

    async def process(_: str) -> None:
        raise ConnectionError

    def on_error(_: str, __: Exception, pause: float) -> None:
        pauses.append(pause)
        queue.close()

    queue.add("task")
    await queue.work(process, on_error=on_error, asks_for=lambda _: 7)

    assert pauses == [7]


async def test_a_key_is_known_while_it_waits_or_is_worked_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    assert not queue.knows("task")
    queue.add_after("task", 3600)
    assert queue.knows("task")
    queue.add("task")
    assert queue.knows("task")
    assert await queue.get() == "task"
    assert queue.knows("task")
    queue.done("task")
    assert not queue.knows("task")
