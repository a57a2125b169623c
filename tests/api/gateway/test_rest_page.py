"""The examples of docs/rest.md, sent as they stand to a gateway in front of a real API server."""

import pytest

from support.gateway import Admin, Client
from support.rest_page import Example, examples, starts

TASKS = "/egress/v1/demo/tasks"


async def start(gateway: Client, body: Example) -> str:
    answer = await gateway.post(TASKS, json=body)
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["task_id"])


@pytest.mark.parametrize("body", starts(), ids=lambda body: body["request_id"])
async def test_every_start_makes_its_task(gateway: Client, admin: Admin, body: Example) -> None:
    spec = admin.task(await start(gateway, body))["spec"]
    for field in ("layout", "channel", "url", "frozenPicture", "limits"):
        if field in body["payload"]:
            assert spec[field] == body["payload"][field], field
    asked = body["payload"].get("placement", {})
    assert {field: spec.get("placement", {}).get(field) for field in asked} == asked


async def test_the_task_ids_are_those_that_really_come_out(gateway: Client) -> None:
    flat, started, *_ = examples()["Start a channel"]
    assert await (await gateway.post(TASKS, json=flat)).json() == started
    assert examples()["Status"][0]["task_id"] == examples()["Stop"][0]["task_id"] == started["task_id"]


async def test_pause_and_stop_do_as_they_say(gateway: Client, admin: Admin) -> None:
    task = await start(gateway, examples()["Limits"][0])
    paused = await gateway.patch(f"{TASKS}/{task}", json=examples()["Pause"][0])
    assert (paused.status, (await paused.json())["pause"]) == (200, True)
    assert admin.task(task)["spec"]["pause"] is True
    stopped = await gateway.post(f"{TASKS}/{task}/stop", json={"request_id": "2yui23k5"})
    assert await stopped.json() == {**examples()["Stop"][0], "task_id": task}
    assert (await gateway.patch(f"{TASKS}/{task}", json=examples()["Pause"][0])).status == 409


async def test_a_status_with_gaps_is_shown_as_it_stands(gateway: Client, admin: Admin) -> None:
    [shown] = examples()["Gaps"]
    task = await start(gateway, examples()["Start a channel"][0])
    admin.set_status(
        task, state="PROCESSING", gaps=shown["gaps"], lostSeconds=shown["lost_seconds"], pendingBytes=149084
    )
    body = await (await gateway.patch(f"{TASKS}/{task}", json=examples()["Pause"][0])).json()
    assert {name: body[name] for name in shown} == shown
