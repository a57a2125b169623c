"""Each call of a whole life goes wrong once, in every way, between the operator and a real API server: the same end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from egress_cluster.apiserver import ApiServer
from egress_operator import cluster as cluster_module
from egress_operator import live as live_module
from support.api_proxy import ApiProxy, Fault
from support.operator_world import World
from support.played_lives import Life, Retried, Stopped, play

ROWS: dict[str, tuple[Life, list[Fault], list[Fault]]] = {
    "stopped": (Stopped(), list(Fault), [Fault.RESET, Fault.GONE]),
    "failed and tried again": (Retried(), [Fault.RESET, Fault.LOST], []),
}
"""A life, and the faults that befall each of its writes and each of its reads: a read whose answer is lost is none that
never arrived. The unit tests do more: all faults and all calls of four lives, in memory."""
WRITES = ("POST", "PATCH", "DELETE")


_Silent = structlog.make_filtering_bound_logger(50)


@pytest.fixture
def proxy(
    api_server: ApiServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiProxy]:
    """Stand between the operator and the API server; `world` itself goes straight there."""
    monkeypatch.setattr(cluster_module, "REQUEST_SECONDS", 6)
    # A line for each look at a recorder that isn't there would cost more than the looks.
    monkeypatch.setattr(live_module, "logger", structlog.wrap_logger(None, wrapper_class=_Silent))
    with ApiProxy(api_server, tmp_path) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        yield proxy


@pytest.mark.timeout(240)
@pytest.mark.parametrize("row", ROWS)
async def test_whichever_call_goes_wrong_the_same_comes_of_it(
    world: World, proxy: ApiProxy, row: str
) -> None:
    life, for_writes, for_reads = ROWS[row]
    async with world.operator(workers=32):
        whole = (await play(world, life, ["whole"]))["whole"]
        cases = {
            f"c{number}-{fault.name.lower()}": (number, fault)
            for number, what in enumerate(proxy.calls["whole"])
            for fault in (for_writes if what.startswith(WRITES) else for_reads)
        }
        proxy.faults = {(name, number): fault for name, (number, fault) in cases.items()}
        left = await play(world, life, cases)

        assert {name: found for name, found in left.items() if found != whole} == {}
        events = Counter([event["regarding"]["name"] async for event in world.all_events()])
        assert max(events.values(), default=0) <= events["whole"] + 1
        # A look more or less shifts the last calls of a life: not every case meets its fault.
        assert len(proxy.met) >= 0.8 * len(cases)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_wherever_the_operator_is_killed_the_same_comes_of_it(
    world: World, proxy: ApiProxy, when: str
) -> None:
    life = Stopped()
    async with world.operator(workers=32):
        whole = (await play(world, life, ["whole"]))["whole"]
    kills = {
        f"k{number}": number for number, what in enumerate(proxy.calls["whole"]) if what.startswith(WRITES)
    }
    done: set[str] = set()

    def hook(task: str, number: int, _: str) -> bool:
        if kills.get(task) != number or task in done:
            return False
        done.add(task)
        proxy.dead.set()
        proxy.cut_all()
        return True

    setattr(proxy, when, hook)
    playing = asyncio.create_task(play(world, life, kills))
    while not playing.done():
        # What the dead operator still tries does not get through: a process that was killed tries nothing.
        async with world.operator(workers=32):
            while not playing.done() and not proxy.dead.is_set():
                await asyncio.wait([playing], timeout=0.02)
        proxy.dead.clear()
    left = await playing

    assert {name: found for name, found in left.items() if found != whole} == {}
    assert len(done) >= len(kills) - 2
