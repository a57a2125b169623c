"""A task's life beyond its resource: a real API server forgets it, and the store tells of it."""

from pathlib import Path
from typing import Any

import pytest

from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, MakeGateway, until
from support.history import keep, manifest

TASKS = "/egress/v1/demo/tasks"


@pytest.fixture
async def gateway(make_gateway: MakeGateway, tmp_path: Path) -> Client:
    return await make_gateway(history={"url": tmp_path.as_uri()})


@pytest.fixture
async def task(gateway: Client) -> str:
    return str((await (await gateway.post(TASKS, json=START_FLAT)).json())["task_id"])


def recorded(store: Path, task: str, **changes: Any) -> None:
    content = manifest(task_id=task, request_id=START_FLAT["request_id"], **changes)
    keep(store, content, folder=f"demo/{task}")


async def told(gateway: Client, task: str) -> dict[str, Any]:
    body: dict[str, Any] = await (await gateway.get(f"{TASKS}/{task}")).json(content_type=None)
    return body


async def test_a_deleted_task_is_told_of_from_the_store_at_once(
    gateway: Client, admin: Admin, task: str, tmp_path: Path
) -> None:
    recorded(tmp_path, task, namespace=admin.namespace)
    assert "archived" not in await told(gateway, task)
    deleted = await gateway.delete(f"{TASKS}/{task}")
    assert deleted.status == 202
    assert admin.tasks() == []
    answer = await told(gateway, task)
    assert (answer["status"], answer["archived"], answer["payload"]["files"]) == (
        "STOPPED",
        True,
        ["out.m3u8"],
    )
    assert (tmp_path / "demo" / task / "manifest.json").exists()
    assert (await gateway.delete(f"{TASKS}/{task}")).status == 404


async def test_what_the_operator_clears_away_is_told_of_by_every_gateway(
    make_gateway: MakeGateway, gateway: Client, admin: Admin, task: str, tmp_path: Path
) -> None:
    recorded(tmp_path, task, namespace=admin.namespace)
    other = await make_gateway(history={"url": tmp_path.as_uri()})
    admin.delete_task(task)

    async def gone() -> bool:
        return all([(await told(each, task)).get("archived") for each in (gateway, other)])

    await until("both tell of it from the store", gone)
    assert await told(gateway, task) == await told(other, task)


async def test_a_task_that_recorded_nothing_is_not_found(gateway: Client, task: str) -> None:
    await gateway.delete(f"{TASKS}/{task}")
    answer = await told(gateway, task)
    assert answer["status"] == 404
    assert "leaves nothing there once its resource is gone" in answer["detail"]


async def test_an_old_request_id_makes_a_task_that_hides_the_recording_while_it_is_there(
    gateway: Client, admin: Admin, task: str, tmp_path: Path
) -> None:
    """It can't overwrite: its recorder ends in OutputExists (tests/unit/recorder), and the recording stays."""
    recorded(tmp_path, task, namespace=admin.namespace)
    before = (tmp_path / "demo" / task / "manifest.json").read_bytes()
    await gateway.delete(f"{TASKS}/{task}")
    assert (await told(gateway, task))["archived"]
    again = await gateway.post(TASKS, json=START_FLAT)
    assert (again.status, (await again.json())["task_id"]) == (202, task)
    admin.set_status(task, state="FAILED", reason="OutputExists", message="it is left as it is")

    async def failed() -> bool:
        return (await told(gateway, task)).get("reason") == "OutputExists"

    await until("the new task is told of", failed)
    await gateway.delete(f"{TASKS}/{task}")
    answer = await told(gateway, task)
    assert (answer["status"], answer["reason"], answer["archived"]) == ("STOPPED", "StopRequested", True)
    assert (tmp_path / "demo" / task / "manifest.json").read_bytes() == before
