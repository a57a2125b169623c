"""Each call of a whole life goes wrong once, in every way, and the same end comes of it; in memory.

The same is done to a real API server, by a proxy in front of it, in tests/api/operator/test_crash_points.py.
"""

from functools import cache
from typing import Any

import pytest

from support.crash_lives import LIVES, Life, live_through, outcome
from support.simulated_api import Fault
from support.simulated_operator import SimulatedOperator, Watch


@cache
def undisturbed(number: int, watch: Watch) -> tuple[dict[str, Any], int, int]:
    """Return what comes of a life, and how many calls and Events it takes."""
    world = SimulatedOperator(watch=watch)
    live_through(LIVES[number], world)
    return outcome(world), len(world.cluster.calls), len(world.api.events)


@pytest.mark.parametrize("watch", Watch, ids=lambda watch: watch.name)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_life_in_which_nothing_goes_wrong(life: Life, watch: Watch) -> None:
    left, calls, events = undisturbed(LIVES.index(life), watch)

    assert left["state"][:2] == (life.end or (None, None))
    assert left["pods"] == []
    assert calls < 60
    assert events < 8


@pytest.mark.parametrize("fault", Fault, ids=str)
@pytest.mark.parametrize("watch", Watch, ids=lambda watch: watch.name)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_whichever_call_goes_wrong_the_same_comes_of_it(life: Life, watch: Watch, fault: Fault) -> None:
    left, calls, events = undisturbed(LIVES.index(life), watch)
    for number in range(calls):
        world = SimulatedOperator(watch=watch)
        world.cluster.fault = (number, fault)
        live_through(life, world)

        what = f"call {number}: {world.cluster.calls[number]}"
        assert outcome(world) == left, what
        # An Event repeats the status: one more or less does no harm, a stream of them would.
        assert len(world.api.events) <= events + 1, what
        assert len(world.cluster.calls) <= calls + 25, what


@pytest.mark.parametrize("fault", Fault, ids=str)
@pytest.mark.parametrize("watch", Watch, ids=lambda watch: watch.name)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_where_every_eleventh_call_goes_wrong_the_same_comes_of_it(
    life: Life, watch: Watch, fault: Fault
) -> None:
    left = undisturbed(LIVES.index(life), watch)[0]
    for first in range(11):
        world = SimulatedOperator(watch=watch)
        world.cluster.fault, world.cluster.every = (first, fault), 11
        live_through(life, world)

        assert outcome(world) == left, first
