import asyncio
from contextlib import suppress

import pytest

from egress_operator.hung import hung_watches_ended


async def _watch(*, deaf: int) -> None:
    """Go on, whatever cancels it, so often."""
    forever = asyncio.Event()
    for _ in range(deaf):
        with suppress(asyncio.CancelledError):
            await forever.wait()
    await forever.wait()


async def _ended(task: asyncio.Task[None], *, within: float = 10) -> bool:
    done, _ = await asyncio.wait({task}, timeout=within)
    return bool(done)


@pytest.mark.parametrize("deaf", [0, 1, 3])
async def test_a_watch_that_has_missed_its_cancellation_is_cancelled_again(deaf: int) -> None:
    ending, other = asyncio.Event(), asyncio.Event()
    async with hung_watches_ended(other, ending, seconds=0.01):
        watch = asyncio.create_task(_watch(deaf=deaf), name="watcher for pods.v1@media")
        ending.set()
        assert await _ended(watch)
    assert watch.cancelled()


async def test_nothing_is_touched_before_the_end_nor_what_is_no_watch_or_ran_before() -> None:
    ending = asyncio.Event()
    earlier = asyncio.create_task(_watch(deaf=0), name="watcher for pods.v1@elsewhere")
    async with hung_watches_ended(ending, seconds=0.01):
        watch = asyncio.create_task(_watch(deaf=0), name="watcher for pods.v1@media")
        other = asyncio.create_task(_watch(deaf=0), name="worker 1")
        assert not await _ended(watch, within=0.1)
        ending.set()
        assert await _ended(watch)
    for task in (earlier, other):
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})
