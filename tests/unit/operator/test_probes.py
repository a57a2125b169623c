"""Liveness that can fail: a silent watch, a stuck task; and nothing else."""

import aiohttp
import pytest

from egress_operator.metrics import Metrics
from egress_operator.probes import SILENT_SECONDS, STUCK_SECONDS, ProbeServer, WatchHealth


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_watch_that_tells_what_lists_show_is_not_silent() -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.told("u", "1")
    watch.listed("u", "1")
    watch.resynced()
    clock.now = 1000

    assert watch.silent_seconds == 0


def test_a_watch_that_never_tells_of_an_object_is_silent_between_two_lists() -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.listed("u", "1")
    watch.resynced()
    clock.now = 50
    watch.listed("u", "2")
    watch.resynced()

    assert (watch.silent_seconds, watch.owes) == (50, True)


def test_no_list_no_silence_while_the_api_server_is_away() -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.listed("u", "1")
    watch.resynced()
    clock.now = 5000

    assert watch.silent_seconds == 0


def test_a_watch_that_tells_late_is_forgiven() -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.listed("u", "1")
    clock.now = 50
    watch.told("u", "1")

    assert watch.silent_seconds == 0


@pytest.mark.parametrize("told", ["7", "8"])
def test_a_list_older_than_what_the_watch_told_meanwhile_is_no_silence(told: str) -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.told("u", told)
    watch.listed("u", "7")
    clock.now = 500

    assert watch.silent_seconds == 0


def test_an_object_that_is_gone_is_no_longer_waited_for() -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.listed("u", "1")
    watch.resynced()
    clock.now = 50
    watch.resynced()

    assert watch.silent_seconds == 0


@pytest.mark.parametrize(
    ("silent", "stuck", "status"),
    [(0, 0, 200), (SILENT_SECONDS + 1, 0, 500), (0, STUCK_SECONDS + 1, 500)],
)
async def test_healthz(silent: float, stuck: float, status: int) -> None:
    clock = Clock()
    watch = WatchHealth(clock=clock)
    watch.listed("u", "1")
    clock.now = silent
    watch.listed("u", "1")
    watch.resynced()
    server = ProbeServer(
        host="127.0.0.1", port=0, watch=watch, stuck_seconds=lambda: stuck, metrics=Metrics()
    )
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        answer = await session.get("/healthz")
        assert answer.status == status


async def test_readyz_needs_one_full_look_and_metrics_are_there() -> None:
    watch = WatchHealth(clock=Clock())
    server = ProbeServer(host="127.0.0.1", port=0, watch=watch, stuck_seconds=lambda: 0.0, metrics=Metrics())
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        async with session.get("/readyz") as answer:
            assert answer.status == 503
        watch.resynced()
        async with session.get("/readyz") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            assert "egress_operator_pods_created_total 0.0" in await answer.text()
