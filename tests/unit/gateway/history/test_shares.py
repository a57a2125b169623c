"""Turns and room for answers that apps share: whatever one app does, the others have theirs."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from egress_gateway.history.shares import FairlyKept, FairTurns


class Bench:
    """Calls that wait for a turn, and those that have one."""

    def __init__(self, parallel: int) -> None:
        self.turns = FairTurns(parallel)
        self.have: list[str] = []
        self.order: list[str] = []
        self._done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str) -> None:
        """Have calls named "APP number" wait, in this order."""
        for name in names:
            self._done[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._call(name))
        await settled()

    async def _call(self, name: str) -> None:
        async with self.turns.of(name.partition(" ")[0]):
            self.have.append(name)
            self.order.append(name)
            await self._done[name].wait()
        self.have.remove(name)

    async def finish(self, *names: str) -> None:
        for name in names:
            self._done[name].set()
        await settled()

    async def all(self) -> None:
        while self.have:
            await self.finish(*self.have)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_app_has_half_of_the_turns_at_most() -> None:
    bench = Bench(4)
    await bench.ask(*(f"a {number}" for number in range(10)))
    assert bench.have == ["a 0", "a 1"]
    await bench.ask("b 0", "b 1", "c 0")
    assert bench.have == ["a 0", "a 1", "b 0", "b 1"]
    await bench.finish("b 0")
    assert bench.have[-1] == "c 0"
    await bench.all()


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_who_waits_is_served_app_by_app_however_many_calls_one_has(parallel: int) -> None:
    bench = Bench(parallel)
    await bench.ask("a 0", *(f"a {number}" for number in range(1, 6)), "b 0", "c 0", "b 1")
    await bench.all()
    assert bench.order.index("b 0") <= 2
    assert bench.order.index("c 0") <= 3
    assert len(bench.order) == 9
    async with AsyncExitStack() as stack:
        for number in range(parallel):
            await asyncio.wait_for(stack.enter_async_context(bench.turns.of(f"x{number}")), 1)


@pytest.mark.parametrize("at", ["once", "the same moment"])
async def test_who_goes_while_it_waits_or_as_its_turn_comes_takes_no_turn_along(at: str) -> None:
    bench = Bench(1)
    await bench.ask("a 0", "a 1", "a 2", "b 0")
    for name in ("a 1", "b 0"):
        bench.tasks[name].cancel()
    if at == "once":
        await settled()
    await bench.finish("a 0")
    assert bench.have == ["a 2"]
    bench._done["a 2"].set()
    await asyncio.sleep(0)
    await bench.ask("b 1")
    assert bench.have == ["b 1"]
    bench.tasks["b 1"].cancel()
    await settled()
    async with asyncio.timeout(1), bench.turns.of("c"):
        pass


async def test_who_is_cancelled_with_its_turn_granted_gives_it_back() -> None:
    turns = FairTurns(1)
    holder = await AsyncExitStack().__aenter__()
    await holder.enter_async_context(turns.of("a"))

    async def take() -> None:
        async with turns.of("b"):
            raise AssertionError("it was cancelled before")

    waiting = asyncio.create_task(take())
    await settled()
    await holder.aclose()  # grants it; it has not run yet
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(1), turns.of("c"):
        pass


def test_the_app_with_the_most_answers_loses_its_oldest() -> None:
    now = 0.0
    kept: FairlyKept[int] = FairlyKept(entries=4, clock=lambda: now)
    kept.put("b", "old", 1, seconds=60)
    for number in range(100):
        kept.put("a", f"t{number}", number, seconds=60)
    assert (kept.get("b", "old"), len(kept)) == (1, 4)
    assert [kept.get("a", f"t{number}") for number in (96, 97, 98, 99)] == [None, 97, 98, 99]
    kept.put("b", "new", 2, seconds=60)
    assert (kept.get("b", "new"), kept.get("a", "t97")) == (2, None)
    assert kept.get("c", "old") is None
    now = 60.0
    assert kept.get("b", "old") is None
