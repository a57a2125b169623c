"""ETag and wait in front of a real API server: what the operator writes ends the wait."""

import asyncio

import pytest

from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, MakeGateway, until
from support.gateway_tasks import cache_of

TASKS = "/egress/v1/demo/tasks"


@pytest.fixture
async def task(gateway: Client) -> str:
    return str((await (await gateway.post(TASKS, json=START_FLAT)).json())["task_id"])


async def test_the_etag_holds_until_the_task_changes_and_on_every_gateway(
    gateway: Client, make_gateway: MakeGateway, admin: Admin, task: str
) -> None:
    held = {"If-None-Match": (await gateway.get(f"{TASKS}/{task}")).headers["ETag"]}
    other = await make_gateway()
    for asked in (gateway, other):
        assert (await asked.get(f"{TASKS}/{task}", headers=held)).status == 304
    admin.set_status(task, state="PROCESSING")
    for asked in (gateway, other):

        async def changed(asked: Client = asked) -> bool:
            return (await asked.get(f"{TASKS}/{task}", headers=held)).status == 200

        await until("the change is seen", changed)


async def test_a_wait_ends_when_the_operator_writes(gateway: Client, admin: Admin, task: str) -> None:
    for state in ("PROCESSING", "STOPPED"):
        now = await gateway.get(f"{TASKS}/{task}")
        call = asyncio.create_task(
            gateway.get(f"{TASKS}/{task}?wait=60s", headers={"If-None-Match": now.headers["ETag"]})
        )

        async def waits() -> bool:
            return bool(cache_of(gateway).changes._subscriptions)

        await until("the gateway waits", waits)
        await asyncio.to_thread(admin.set_status, task, state=state)
        answer = await asyncio.wait_for(call, 10)
        assert (answer.status, (await answer.json())["status"]) == (200, state)


async def test_the_answer_to_a_pause_has_the_etag_to_wait_from(gateway: Client, task: str) -> None:
    body = {"request_id": "a", "payload": {"pause": True}}
    paused = await gateway.patch(f"{TASKS}/{task}", json=body)
    held = {"If-None-Match": paused.headers["ETag"]}
    assert (await gateway.get(f"{TASKS}/{task}?wait=1s", headers=held)).status == 304
