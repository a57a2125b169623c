"""The watch: broken, silent, ended, too old; the cache comes back to the truth by itself."""

import asyncio

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from egress_cluster.apiserver import ApiServer
from egress_gateway.app import WATCH
from support.bad_starts import START_FLAT
from support.gateway import (
    Admin,
    Client,
    MakeGateway,
    cached,
    gateway_of,
    give_rights,
    until,
    until_ready,
)

START = "/egress/v1/demo/tasks"


@pytest.fixture
def own_admin(breakable_server: ApiServer, request: pytest.FixtureRequest) -> Admin:
    name = f"test-{abs(hash(request.node.name))}"
    breakable_server.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return Admin(breakable_server, name)


async def start(gateway: Client, request_id: str) -> str:
    answer = await gateway.post(START, json={**START_FLAT, "request_id": request_id})
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["task_id"])


async def state(gateway: Client, task: str) -> str:
    return str((await (await gateway.get(f"{START}/{task}")).json()).get("status"))


async def test_what_happened_while_the_api_server_was_away_is_caught_up_with(
    own_admin: Admin, aiohttp_client: AiohttpClient
) -> None:
    kubeconfig = give_rights(own_admin.server, own_admin.namespace)
    gateway = await until_ready(await gateway_of(kubeconfig, own_admin.namespace, aiohttp_client, {}))
    kept, deleted = await start(gateway, "kept"), await start(gateway, "deleted")
    # The gateway's loop stands still meanwhile: all of this is over when it looks again.
    own_admin.server.stop_api_server()
    own_admin.server.restart()
    own_admin.set_status(kept, state="PROCESSING")
    own_admin.delete_task(deleted)

    async def caught_up() -> bool:
        return (
            cached(gateway, kept)
            and await state(gateway, kept) == "PROCESSING"
            and not cached(gateway, deleted)
        )

    await until("the gateway has caught up", caught_up, seconds=20)
    assert "egress_gateway_watch_failures_total 0.0" not in await (await gateway.get("/metrics")).text()


async def test_an_outage_is_bridged_by_the_cache_and_then_told(
    own_admin: Admin, aiohttp_client: AiohttpClient
) -> None:
    kubeconfig = give_rights(own_admin.server, own_admin.namespace)
    settings = {"stale_seconds": 3}
    gateway = await until_ready(await gateway_of(kubeconfig, own_admin.namespace, aiohttp_client, settings))
    task = await start(gateway, "one")
    own_admin.server.stop_api_server()
    assert await state(gateway, task) == "ENQUEUED"

    answer = await gateway.post(START, json={**START_FLAT, "request_id": "two"})
    assert (answer.status, (await answer.json())["type"]) == (503, "urn:egress-operator:problem:unavailable")

    async def told() -> bool:
        return (await gateway.get(f"{START}/{task}")).status == 503

    await until("the cache is no longer believed", told, seconds=20)
    assert (await gateway.get("/healthz")).status == 200
    assert "egress_gateway_cache_fresh 0.0" in await (await gateway.get("/metrics")).text()

    own_admin.server.restart()  # from this thread: the server ends with the thread that started it

    async def back() -> bool:
        return (await gateway.post(START, json={**START_FLAT, "request_id": "two"})).status == 202

    await until("starts work again", back, seconds=30)
    assert await state(gateway, task) == "ENQUEUED"


async def test_a_gateway_that_starts_before_the_api_server_waits_for_it(
    own_admin: Admin, aiohttp_client: AiohttpClient
) -> None:
    kubeconfig = give_rights(own_admin.server, own_admin.namespace)
    own_admin.server.stop_api_server()
    gateway = await gateway_of(kubeconfig, own_admin.namespace, aiohttp_client, {})

    async def says_why() -> bool:
        return "can't be reached" in await (await gateway.get("/readyz")).text()

    await until("it says what it waits for", says_why)
    own_admin.server.restart()  # from this thread: the server ends with the thread that started it

    async def ready() -> bool:
        return (await gateway.get("/readyz")).status == 200

    await until("it is ready", ready, seconds=30)


@pytest.mark.parametrize(
    "settings", [{"watch_seconds": 1}, {"watch_silence_seconds": 0.3}], ids=["ended", "silent"]
)
async def test_a_watch_that_ends_or_falls_silent_is_taken_up_again(
    make_gateway: MakeGateway, admin: Admin, settings: dict[str, float]
) -> None:
    gateway = await make_gateway(**settings)
    task = await start(gateway, "one")
    for number in range(6):
        wanted = ("PROCESSING", "ENQUEUED")[number % 2]
        admin.set_status(task, state=wanted)

        async def seen(wanted: str = wanted) -> bool:
            return await state(gateway, task) == wanted

        await until(f"{wanted} is seen", seen)
        await asyncio.sleep(0.35)  # the time of a watch, not a wait for something


async def test_a_place_in_history_that_is_gone_is_answered_with_a_new_list(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    gateway = await make_gateway(watch_seconds=1)
    task = await start(gateway, "one")
    assert gateway.app is not None
    watch = gateway.app[WATCH]
    watch._position = "1"  # as after days without a word: the API server has forgotten it

    async def relisted() -> bool:
        return watch._position not in {None, "1"} and not watch.trouble

    await until("the tasks are listed anew", relisted, seconds=15)
    assert cached(gateway, task)
