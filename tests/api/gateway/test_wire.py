"""What becomes of a start when the wire to the API server breaks at the worst moment: nothing is lost or doubled."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, gateway_of, through, until, until_ready
from support.wire import Wire

MANIFEST = {
    "apiVersion": "egress-operator.dev/v1alpha1",
    "kind": "EgressTask",
    "spec": {"appId": "demo", "layout": "freestyle", "url": "http://good.example/"},
}
START = "/egress/v1/demo/tasks"


@pytest.fixture
def wire(admin: Admin) -> Iterator[Wire]:
    with Wire(int(admin.server.url.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
async def gateway(kubeconfig: Path, admin: Admin, wire: Wire, aiohttp_client: AiohttpClient) -> Client:
    settings: dict[str, Any] = {"api_timeout_seconds": 1}
    # The API server takes two seconds for the first task after the CRD is new.
    admin.create(admin.tasks_path, {**MANIFEST, "metadata": {"name": "warm-up"}})
    admin.delete_task("warm-up")
    gateway = await until_ready(
        await gateway_of(through(kubeconfig, wire.port), admin.namespace, aiohttp_client, settings)
    )
    await gateway.get(f"{START}/warm-up")  # a connection beside the watch's, that stays open
    return gateway


async def made(admin: Admin) -> None:
    async def there() -> bool:
        return bool(admin.tasks())

    await until("the API server has made the task", there)


async def test_a_connection_that_dies_after_the_write_is_asked_again_at_once(
    gateway: Client, admin: Admin, wire: Wire
) -> None:
    wire.hold()
    start = asyncio.create_task(gateway.post(START, json=START_FLAT))
    await made(admin)
    wire.cut()
    answer = await start
    assert answer.status == 202, await answer.text()
    assert len(admin.tasks()) == len(admin.secrets()) == 1


async def test_an_answer_that_never_comes_is_a_503_and_the_retry_finds_the_task(
    gateway: Client, admin: Admin, wire: Wire
) -> None:
    wire.hold()
    answer = await gateway.post(START, json=START_FLAT)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:unavailable")
    assert "never makes a second task" in problem["detail"]
    wire.release()
    await made(admin)
    again = await gateway.post(START, json=START_FLAT)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert len(admin.tasks()) == len(admin.secrets()) == 1
