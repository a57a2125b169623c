"""One backoff for all that ask the same store."""

import asyncio
import contextlib

import pytest

from egress_recorder.backoff import SharedBackoff
from egress_recorder.clock import SystemClock
from egress_recorder.errors import FencedError, StoreUnreachableError


class Asked:
    """A store that is asked by many, and says no until it is told."""

    def __init__(self, *, ceiling: float = 0.05) -> None:
        self.backoff = SharedBackoff(clock=SystemClock(), ceiling=ceiling)
        self.works = False
        self.times: list[float] = []
        self.together = 0
        self.most = 0

    async def ask(self) -> None:
        """Ask once, when it is time."""
        async with self.backoff.turn():
            self.times.append(asyncio.get_running_loop().time())
            self.together += 1
            self.most = max(self.most, self.together)
            await asyncio.sleep(0)
            self.together -= 1
            if not self.works:
                raise StoreUnreachableError("not now")

    async def ask_until_it_works(self) -> None:
        while True:
            with contextlib.suppress(StoreUnreachableError):
                return await self.ask()


async def test_a_store_that_works_is_asked_by_all_at_once() -> None:
    asked = Asked()
    asked.works = True
    await asyncio.gather(*(asked.ask() for _ in range(5)))
    assert asked.most == 5


async def test_a_store_that_fails_is_asked_by_one_at_a_time_with_pauses_between() -> None:
    asked = Asked()
    with contextlib.suppress(StoreUnreachableError):
        await asked.ask()
    asked.most = 0
    asking = [asyncio.create_task(asked.ask_until_it_works()) for _ in range(5)]
    while len(asked.times) < 12:
        await asyncio.wait(asking, timeout=0.01)
    assert asked.most == 1
    pauses = [after - before for before, after in zip(asked.times, asked.times[1:], strict=False)]
    assert min(pauses) >= 0.025
    asked.works = True
    await asyncio.gather(*asking)
    assert asked.backoff.tries == 0


async def test_failures_that_were_under_way_together_count_once() -> None:
    asked = Asked()
    told = await asyncio.gather(*(asked.ask() for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in told] == [StoreUnreachableError] * 5
    assert asked.backoff.tries == 1


async def test_what_is_no_fault_of_the_store_changes_nothing() -> None:
    asked = Asked()
    with pytest.raises(FencedError):
        async with asked.backoff.turn():
            raise FencedError("taken over")
    assert asked.backoff.tries == 0


async def test_in_a_hurry_the_next_try_is_at_once_and_pauses_are_short() -> None:
    asked = Asked(ceiling=3600)
    for _ in range(2):
        with contextlib.suppress(StoreUnreachableError):
            await asked.ask()
        asked.backoff.hurry(ceiling=3600)
    asked.backoff._tries = 17
    with contextlib.suppress(StoreUnreachableError):
        await asked.ask()
    asking = asyncio.create_task(asked.ask())
    assert not (await asyncio.wait({asking}, timeout=0.05))[0]
    asked.works = True
    asked.backoff.hurry(ceiling=0.01)
    async with asyncio.timeout(5):
        await asking
