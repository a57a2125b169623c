"""Status: the truth, from the cache, from the first moment on."""

from typing import Any

import pytest

from support.bad_starts import START_FLAT, START_FREESTYLE
from support.gateway import Admin, Client, MakeGateway, cached, reads, until
from support.manifests import changed

START = "/egress/v1/demo/tasks"
FILE = {
    "name": "file_output.m3u8",
    "uri": "s3://recordings/demo/t/file_output.m3u8",
    "kind": "playlist",
    "sizeBytes": 12,
    "durationSeconds": 4.5,
}

GAP = {"startedAt": "2026-11-23T05:14:02.300Z", "seconds": 3.2, "reason": "CaptureRestarted"}


async def start(gateway: Client, body: dict[str, Any] = START_FLAT) -> str:
    return str((await (await gateway.post(START, json=body)).json())["task_id"])


async def test_a_task_is_known_at_once(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    answer = await gateway.get(f"{START}/{task}")
    body = await answer.json()
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert body.pop("created_at").endswith("Z")
    assert body == {
        "task_id": task,
        "status": "ENQUEUED",
        "payload": {
            "layout": "flat",
            "channel": "egress_test",
            "users": ["user1", "user2"],
            "files": [],
            "format": "hls",
            "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
            "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
        },
        "reason": "",
        "message": "",
        "pause": False,
        "gaps": [],
        "lost_seconds": 0.0,
        "pending_bytes": 0,
        "outputs": [],
    }


async def test_a_page_is_shown_as_a_page(gateway: Client) -> None:
    task = await start(gateway, START_FREESTYLE)
    payload = (await (await gateway.get(f"{START}/{task}")).json())["payload"]
    assert (payload["layout"], payload["url"]) == ("freestyle", "http://your_freestyle_canvas.good.example")
    assert payload["webGL"] is False
    assert payload["start"] == {"when": "load", "timeoutSeconds": 30, "onTimeout": "fail"}
    assert not {"channel", "users", "access_token"} & set(payload)


async def test_how_a_page_does_is_shown(gateway: Client, admin: Admin) -> None:
    task = await start(gateway, START_FREESTYLE)
    assert "page" not in await (await gateway.get(f"{START}/{task}")).json()
    page = {"sandbox": "off", "httpStatus": 503, "reloads": 1}
    admin.set_status(task, state="PROCESSING", page=page)

    async def seen() -> bool:
        body = await (await gateway.get(f"{START}/{task}")).json()
        return bool(body.get("page") == page)

    await until("the page is seen", seen)


async def test_a_body_with_a_request_id_may_come_along(gateway: Client) -> None:
    task = await start(gateway)
    with_body = await gateway.get(f"{START}/{task}", json={"request_id": "st4tus"})
    assert with_body.status == 200
    assert with_body.headers["X-Request-Id"] == "st4tus"
    assert await with_body.json() == await (await gateway.get(f"{START}/{task}")).json()


async def test_what_the_operator_writes_is_shown(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    admin.set_status(
        task,
        state="PROCESSING",
        reason="Recording",
        message="the recorder has joined",
        startedAt="2026-11-23T05:11:22Z",
        files=[FILE],
        filesTotal=1,
        manifestUri="s3://recordings/demo/t/manifest.json",
        gaps=[GAP],
        lostSeconds=3.2,
        pendingBytes=4096,
    )
    body: dict[str, Any] = {}

    async def seen() -> bool:
        body.update(await (await gateway.get(f"{START}/{task}")).json())
        return bool(body["status"] == "PROCESSING")

    await until("the status is seen", seen)
    assert body["payload"]["files"] == ["file_output.m3u8"]
    assert body["outputs"] == [FILE]
    assert (body["reason"], body["message"]) == ("Recording", "the recorder has joined")
    assert body["started_at"] == "2026-11-23T05:11:22.000Z"
    assert body["manifest_uri"] == "s3://recordings/demo/t/manifest.json"
    assert "stopped_at" not in body
    assert (body["gaps"], body["lost_seconds"], body["pending_bytes"]) == ([GAP], 3.2, 4096)


async def test_a_task_that_waits_says_for_what_and_where_it_stands(gateway: Client, admin: Admin) -> None:
    body = changed(START_FLAT, {"payload.priority": 7, "payload.queue_name": "team-a"})
    task = await start(gateway, body)
    spec = admin.task(task)["spec"]
    assert (spec["priority"], spec["queueName"]) == (7, "team-a")
    admin.set_status(task, state="ENQUEUED", reason="QueueFull", message="waits", queuePosition=12)
    answer: dict[str, Any] = {}

    async def seen() -> bool:
        answer.update(await (await gateway.get(f"{START}/{task}")).json())
        return bool(answer["reason"] == "QueueFull")

    await until("the status is seen", seen)
    assert (answer["status"], answer["queue_position"]) == ("ENQUEUED", 12)
    stopping = await gateway.post(f"{START}/{task}/stop", json={"request_id": "a"})
    assert stopping.status == 200
    assert "queue_position" not in await (await gateway.get(f"{START}/{task}")).json()


@pytest.mark.parametrize("state", ["ENQUEUED", "PROCESSING", "STOPPING"])
async def test_a_task_says_stopping_from_the_stops_answer_on(
    gateway: Client, admin: Admin, state: str
) -> None:
    task = await start(gateway)
    admin.set_status(task, state=state)
    await gateway.post(f"{START}/{task}/stop", json={"request_id": "a"})
    assert (await (await gateway.get(f"{START}/{task}")).json())["status"] == "STOPPING"


async def test_the_other_gateway_knows_a_task_at_once_too(make_gateway: MakeGateway) -> None:
    one, other = await make_gateway(), await make_gateway()
    for number in range(5):
        task = await start(one, {**START_FLAT, "request_id": f"r{number}"})
        assert (await other.get(f"{START}/{task}")).status == 200


@pytest.mark.parametrize("path", ["/egress/v1/other/tasks/{task}", START + "/t{task}"])
async def test_another_apps_task_is_as_unknown_as_none(gateway: Client, path: str) -> None:
    task = await start(gateway)
    answer = await gateway.get(path.format(task=task))
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (404, "urn:egress-operator:problem:task-not-found")


async def test_a_task_that_kubectl_made_is_there_for_its_app(gateway: Client, admin: Admin) -> None:
    spec = {"appId": "demo", "layout": "freestyle", "url": "http://good.example/"}
    kind = {"apiVersion": "egress-operator.dev/v1alpha1", "kind": "EgressTask"}
    admin.create(admin.tasks_path, {**kind, "metadata": {"name": "by-hand"}, "spec": spec})
    assert (await (await gateway.get(f"{START}/by-hand")).json())["status"] == "ENQUEUED"


async def test_a_deleted_task_is_forgotten(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    admin.delete_task(task)

    async def gone() -> bool:
        return (await gateway.get(f"{START}/{task}")).status == 404

    await until("the task is gone", gone)
    assert not cached(gateway, task)


async def test_tasks_of_before_the_gateways_start_are_listed_page_by_page(
    gateway: Client, make_gateway: MakeGateway
) -> None:
    tasks = [await start(gateway, {**START_FLAT, "request_id": f"r{number}"}) for number in range(7)]
    late = await make_gateway(list_chunk=2)
    assert all(cached(late, task) for task in tasks)


async def test_status_calls_do_not_ask_the_api_server(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    before = reads(admin, "GET")
    for _ in range(20):
        await gateway.get(f"{START}/{task}")
    assert reads(admin, "GET") == before
