"""The resource that the operator is for goes and comes back: it notices by itself, and its probes answer throughout."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from egress_api.constants import GROUP, PLURAL
from egress_api.crdgen import custom_resource_definition
from egress_cluster.apiserver import ApiServer
from egress_operator.cluster import Cluster
from egress_operator.errors import NotFoundError
from support.operator_world import World

NOTICED_SECONDS = 60.0
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Definition:
    """The CRD of a server that a test has for itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ask = world.cluster.request

    async def delete(self) -> None:
        await self._ask("DELETE", f"{DEFINITIONS}/{PLURAL}.{GROUP}")

        async def gone() -> bool:
            with contextlib.suppress(NotFoundError):
                await self._ask("GET", f"{DEFINITIONS}/{PLURAL}.{GROUP}")
                return False
            return await self._discovered() is False

        await self._world.until("the end of the definition", gone)

    async def apply(self) -> None:
        await self._ask("POST", DEFINITIONS, body=custom_resource_definition())
        await self._world.until("the definition", self._discovered)

    async def _discovered(self) -> bool:
        groups = (await self._ask("GET", "/apis"))["groups"]
        return GROUP in {group["name"] for group in groups}


class Probes:
    """Asks all three probes again and again, with a connection for each, as a kubelet does.

    To be begun before the operator: kopf, when it ends, ends what was begun in its loop after it.
    """

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.unanswered: list[str] = []
        self.unhealthy: list[str] = []
        self.readiness: list[tuple[int, str]] = []
        self.begun = 0.0

    async def run(self) -> None:
        async with aiohttp.ClientSession(
            self._url, connector=aiohttp.TCPConnector(force_close=True)
        ) as session:
            while True:
                try:
                    await self._ask(session)
                except aiohttp.ClientError as error:
                    if self.readiness:  # before, it has not started
                        self.unanswered.append(f"{error!r}")
                await asyncio.sleep(0.1)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        async with session.get("/healthz") as answer:
            if answer.status != 200:
                self.unhealthy.append(await answer.text())
        async with session.get("/readyz") as answer:
            told = (answer.status, await answer.text())
            if told not in self.readiness[-1:]:
                self.readiness.append(told)
        async with session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
            made = [line for line in lines if line.startswith("egress_operator_pods_created_total ")]
            self.begun = float(made[0].split()[1])


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
async def own_world(breakable_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(breakable_server.kubeconfig))
    cluster = await Cluster.connect(breakable_server.kubeconfig)
    name = f"anew-{uuid.uuid4().hex[:10]}"
    await cluster.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield World(cluster, name)
    await cluster.close()


@contextlib.asynccontextmanager
async def probed(port: int) -> AsyncIterator[Probes]:
    probes = Probes(port)
    task = asyncio.create_task(probes.run())
    try:
        yield probes
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_ready(world: World, probes: Probes) -> None:
    async def look() -> Any:
        return probes.readiness and probes.readiness[-1] == (200, "ok")

    await world.until("readiness", look, seconds=NOTICED_SECONDS)


@pytest.mark.timeout(180)
async def test_a_resource_that_is_applied_after_the_operator_has_started_is_noticed(
    own_world: World, port: int
) -> None:
    definition = Definition(own_world)
    await definition.delete()
    try:
        async with probed(port) as probes, own_world.operator(resync_seconds=3600, metrics_port=port):

            async def told() -> bool:
                return any("egresstasks.egress-operator.dev" in why for _, why in probes.readiness)

            await own_world.until("the sentence that says what is missing", told)
            assert all(status == 503 for status, _ in probes.readiness)
            await definition.apply()
            await until_ready(own_world, probes)
            # Its watch is there, not only its list.
            await own_world.create_task("late")
            await own_world.until_pod("late")
            assert probes.unhealthy == []
    finally:
        await restore(definition)


@pytest.mark.timeout(180)
async def test_a_resource_that_is_deleted_and_applied_again_is_noticed_and_probes_answer_throughout(
    own_world: World, port: int
) -> None:
    definition = Definition(own_world)
    try:
        async with probed(port) as probes, own_world.operator(resync_seconds=3600, metrics_port=port):
            await own_world.create_task("before")
            await own_world.until_pod("before")
            await until_ready(own_world, probes)
            await definition.delete()

            async def unready() -> bool:
                return probes.readiness[-1][0] == 503

            await own_world.until("not ready", unready, seconds=NOTICED_SECONDS)
            await definition.apply()
            await until_ready(own_world, probes)
            await own_world.create_task("after")
            await own_world.until_pod("after")

            async def counted() -> bool:
                return probes.begun == 2

            await own_world.until("both Pods in the counter", counted)
            assert (probes.unanswered, probes.unhealthy) == ([], [])
    finally:
        await restore(definition)


async def restore(definition: Definition) -> None:
    if not await definition._discovered():
        await definition.apply()
