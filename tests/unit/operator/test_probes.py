"""Liveness that can fail: a silent watch, a stuck task; and nothing else."""

import aiohttp
import pytest

from egress_operator.metrics import Metrics
from egress_operator.probes import SILENT_SECONDS, STUCK_SECONDS, Health, ProbeServer, WatchHealth


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


def _server(watch: WatchHealth, *, stuck_seconds: float = 0.0, health: Health | None = None) -> ProbeServer:
    health = health or Health(clock=Clock())
    health.begin(watch, stuck_seconds=lambda: stuck_seconds)
    return ProbeServer(host="127.0.0.1", port=0, health=health, metrics=Metrics())


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
    async with (
        _server(watch, stuck_seconds=stuck) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session,
    ):
        answer = await session.get("/healthz")
        assert answer.status == status


async def test_readyz_needs_one_full_look_and_metrics_are_there() -> None:
    watch = WatchHealth(clock=Clock())
    async with _server(watch) as server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        async with session.get("/readyz") as answer:
            assert answer.status == 503
        watch.resynced()
        async with session.get("/readyz") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            assert "egress_operator_pods_created_total 0.0" in await answer.text()


async def test_between_two_runs_the_operator_is_alive_and_not_ready_and_says_why() -> None:
    clock = Clock()
    watch, health = WatchHealth(clock=clock), Health(clock=clock)
    watch.listed("u", "1")
    clock.now = SILENT_SECONDS + 1
    watch.resynced()
    server = _server(watch, stuck_seconds=STUCK_SECONDS + 1, health=health)
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        health.end("no resource")
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "no resource")
        clock.now += STUCK_SECONDS + 1
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (
                500,
                "the operator has been about to end or to begin anew for 301 s",
            )
        later = WatchHealth(clock=clock)
        health.begin(later, stuck_seconds=lambda: 0.0)
        later.resynced()
        async with session.get("/readyz") as answer:
            assert answer.status == 200


def test_the_last_run_is_the_one_that_is_measured() -> None:
    metrics = Metrics()
    for depth in (1, 2):
        metrics.observe_queue(depth=lambda depth=depth: depth, oldest=lambda: 0.0)  # type: ignore[misc]
        metrics.observe_webhooks(oldest=lambda depth=depth: depth)  # type: ignore[misc]

    assert metrics.registry.get_sample_value("egress_operator_queue_depth") == 2
    assert metrics.registry.get_sample_value("egress_operator_webhook_oldest_seconds") == 2
