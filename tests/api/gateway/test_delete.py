"""Delete, and status by POST, in front of a real API server."""

import asyncio
from typing import Any

import pytest

from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, MakeGateway, until
from support.gateway_tasks import cache_of

TASKS = "/egress/v1/demo/tasks"


@pytest.fixture
async def task(gateway: Client) -> str:
    return str((await (await gateway.post(TASKS, json=START_FLAT)).json())["task_id"])


def hold(admin: Admin, task: str) -> None:
    """Give a task somebody's finalizer."""
    resource = admin.task(task)
    resource["metadata"]["finalizers"] = ["test.example/hold"]
    admin.server.request("PUT", f"{admin.tasks_path}/{task}", body=resource)


async def problem_of(gateway: Client, method: str, path: str) -> tuple[int, str]:
    answer = await gateway.request(method, path)
    problem: dict[str, Any] = await answer.json(content_type="application/problem+json")
    return answer.status, problem["type"].rpartition(":")[2]


async def test_a_deleted_task_is_gone_at_once(gateway: Client, admin: Admin, task: str) -> None:
    answer = await gateway.delete(f"{TASKS}/{task}", json={"request_id": "d3lete"})
    body = await answer.json()
    assert (answer.status, body["task_id"], body["status"]) == (202, task, "STOPPING")
    assert (body["reason"], body["message"]) == ("Stopping", "the deletion has been asked for")
    assert answer.headers["X-Request-Id"] == "d3lete"
    assert admin.tasks() == []
    for method, path in (("GET", task), ("DELETE", task), ("POST", f"{task}/stop")):
        assert await problem_of(gateway, method, f"{TASKS}/{path}") == (404, "task-not-found")
    assert (await (await gateway.get(TASKS)).json())["tasks"] == []

    async def told() -> bool:
        return len(cache_of(gateway)) == 0

    await until("the watch has told the deletion", told)
    assert not cache_of(gateway)._deleted


async def test_a_task_that_has_ended_is_answered_with_its_end(
    gateway: Client, admin: Admin, task: str
) -> None:
    admin.set_status(task, state="STOPPED", reason="StopRequested", message="all is stored")

    async def seen() -> bool:
        return (await (await gateway.get(f"{TASKS}/{task}")).json())["status"] == "STOPPED"

    await until("the end is seen", seen)
    body = await (await gateway.delete(f"{TASKS}/{task}")).json()
    assert (body["status"], body["message"]) == ("STOPPED", "all is stored")


async def test_a_request_id_is_free_again_behind_a_delete(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.delete(f"{TASKS}/{task}")
    again = await gateway.post(TASKS, json=START_FLAT)
    assert (again.status, (await again.json())["task_id"]) == (202, task)
    assert "Idempotency-Replayed" not in again.headers
    assert (await gateway.get(f"{TASKS}/{task}")).status == 200
    assert len(admin.tasks()) == 1


async def test_while_somebody_holds_it_the_task_is_shown_as_ending(
    gateway: Client, admin: Admin, task: str
) -> None:
    hold(admin, task)
    for _ in range(2):
        answer = await gateway.delete(f"{TASKS}/{task}")
        assert (answer.status, (await answer.json())["status"]) == (202, "STOPPING")
    shown = await (await gateway.get(f"{TASKS}/{task}")).json()
    assert (shown["status"], shown["message"]) == ("STOPPING", "the deletion has been asked for")


@pytest.mark.parametrize("path", ["/egress/v1/other/tasks/{task}", TASKS + "/t{task}"])
async def test_another_apps_task_is_as_unknown_as_none(
    gateway: Client, admin: Admin, task: str, path: str
) -> None:
    assert await problem_of(gateway, "DELETE", path.format(task=task)) == (404, "task-not-found")
    assert len(admin.tasks()) == 1


@pytest.mark.parametrize(("app_id", "status"), [("demo", 202), ("other", 404)])
async def test_a_delete_is_for_the_task_that_has_the_name_now(
    gateway: Client, admin: Admin, task: str, app_id: str, status: int
) -> None:
    """The gateway may still know the old task when its name belongs to a new one, even to another app's."""
    admin.remake_task(task, app_id=app_id)
    assert (await gateway.delete(f"{TASKS}/{task}")).status == status
    assert len(admin.tasks()) == (0 if status == 202 else 1)


async def test_parallel_deletes_through_two_gateways_end_in_one_deletion(
    make_gateway: MakeGateway, admin: Admin, task: str
) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    answers = await asyncio.gather(*(gateways[n % 2].delete(f"{TASKS}/{task}") for n in range(6)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] == 202
    assert set(statuses) <= {202, 404}
    assert admin.tasks() == []


async def test_a_wait_ends_with_the_deletion(gateway: Client, task: str) -> None:
    call = asyncio.create_task(gateway.get(f"{TASKS}/{task}?wait=60s"))

    async def waits() -> bool:
        return bool(cache_of(gateway).changes._subscriptions)

    await until("the gateway waits", waits)
    await gateway.delete(f"{TASKS}/{task}")
    assert (await asyncio.wait_for(call, 10)).status == 404


@pytest.mark.parametrize("body", [{"request_id": "st4tus"}, None])
async def test_status_by_post_is_the_status(gateway: Client, task: str, body: dict[str, str] | None) -> None:
    got = await gateway.get(f"{TASKS}/{task}")
    posted = await gateway.post(f"{TASKS}/{task}/status", json=body, headers={"If-None-Match": "*"})
    assert (posted.status, await posted.read()) == (200, await got.read())
    assert posted.headers["ETag"] == got.headers["ETag"]
    assert (posted.headers["X-Request-Id"] == "st4tus") is (body is not None)
