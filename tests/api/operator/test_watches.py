"""Watches that are cut, say nothing or are too far behind, and servers that are restarted: nothing is missed for long."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest

from egress_cluster.apiserver import ApiServer
from egress_operator import app
from support.api_proxy import ApiProxy
from support.operator_world import World
from support.played_lives import Players, Stopped, play

INACTIVE_SECONDS = 3.0
"""In place of 70 s: after so long without a word, kopf opens a watch anew."""


@pytest.fixture
def proxy(
    api_server: ApiServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiProxy]:
    original = app.kopf_settings

    def hasty() -> kopf.OperatorSettings:
        settings = original()
        settings.watching.inactivity_timeout = INACTIVE_SECONDS
        return settings

    monkeypatch.setattr(app, "kopf_settings", hasty)
    with ApiProxy(api_server, tmp_path) as proxy:
        monkeypatch.setenv("KUBECONFIG", str(proxy.kubeconfig))
        yield proxy


def _cut(proxy: ApiProxy) -> None:
    proxy.cut_all()


def _silence(proxy: ApiProxy) -> None:
    proxy.silence()


def _expire_by_event(proxy: ApiProxy) -> None:
    proxy.expired = "event"
    proxy.cut_all()


def _expire_by_status(proxy: ApiProxy) -> None:
    proxy.expired = "status"
    proxy.cut_all()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("disturb", [_cut, _silence, _expire_by_event, _expire_by_status])
async def test_a_disturbed_watch_is_opened_anew_and_misses_nothing(
    world: World, proxy: ApiProxy, disturb: Callable[[ApiProxy], None]
) -> None:
    # Far beyond this test: it is not the resync that finds what a watch has missed.
    async with world.operator(resync_seconds=3600):
        first = await play(world, Stopped(), ["before"], seconds=40)
        await world.create_task("meanwhile")
        await world.until_pod("meanwhile")
        disturb(proxy)
        # Its Pod, its stop and its end happen while the watches are broken.
        second: dict[str, Any] = await play(world, Stopped(), ["meanwhile", "after"], seconds=60)

    assert list(second.values()) == [first["before"]] * 2


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", ["kube-apiserver", "etcd"])
async def test_a_restarted_server_costs_no_recording_and_no_end(
    world: World, api_server: ApiServer, part: str
) -> None:
    names = [f"r{number}" for number in range(12)]
    restarts = {"kube-apiserver": api_server.restart, "etcd": api_server.restart_etcd}
    async with world.operator(resync_seconds=3600):
        whole = (await play(world, Stopped(), ["whole"], seconds=40))["whole"]
        players = Players(world, Stopped(), list(names))
        while not players.left:
            await players.look()
        # Some are over, some record, some wait. Not in a thread: the server is tied to the life of the thread that
        # started it.
        restarts[part]()
        left = await players.to_the_end(seconds=80)

    assert left == dict.fromkeys(names, whole)
