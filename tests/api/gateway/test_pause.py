"""Pause and resume: a wish that may be taken back, written into the task that is there now."""

import asyncio
from typing import Any

import pytest

from egress_api.states import TERMINAL_STATES, State
from support.bad_starts import START_FLAT, START_FREESTYLE
from support.gateway import Admin, Client, MakeGateway, kubectl, until
from support.manifests import changed

START = "/egress/v1/demo/tasks"
NAMED_BY_LAYOUT = changed(START_FLAT, {"payload.filename_pattern": "{date}_{layout}"})
STOP = {"request_id": "2yui23k5"}


def update(*, pause: bool) -> dict[str, Any]:
    return {"request_id": "u7d3", "payload": {"pause": pause}}


async def start(gateway: Client, body: dict[str, Any] = START_FLAT) -> str:
    return str((await (await gateway.post(START, json=body)).json())["task_id"])


async def refused(gateway: Client, path: str, *, pause: bool = True) -> tuple[int, str, str]:
    answer = await gateway.patch(path, json=update(pause=pause))
    problem = await answer.json(content_type="application/problem+json")
    assert problem["request_id"] == "u7d3"
    return answer.status, problem["type"].rpartition(":")[2], problem["detail"]


@pytest.fixture
async def task(gateway: Client) -> str:
    return await start(gateway)


async def test_the_answer_is_the_status_with_the_wish_in_it(gateway: Client, admin: Admin, task: str) -> None:
    admin.set_status(task, state="PROCESSING", reason="Recording", message="recording on node w1")
    for wanted in (True, False):
        answer = await gateway.patch(f"{START}/{task}", json=update(pause=wanted))
        body = await answer.json()
        assert (answer.status, answer.headers["X-Request-Id"]) == (200, "u7d3")
        assert (body["task_id"], body["status"], body["pause"]) == (task, "PROCESSING", wanted)
        assert body == await (await gateway.get(f"{START}/{task}")).json()
        assert admin.task(task)["spec"]["pause"] is wanted


@pytest.mark.parametrize("body", [START_FLAT, START_FREESTYLE], ids=["channel", "page"])
async def test_a_start_may_be_paused(gateway: Client, admin: Admin, body: dict[str, Any]) -> None:
    task = await start(gateway, changed(body, {"payload.pause": True}))
    assert admin.task(task)["spec"]["pause"] is True
    assert (await (await gateway.get(f"{START}/{task}")).json())["pause"] is True
    answer = await gateway.patch(f"{START}/{task}", json=update(pause=False))
    assert (answer.status, (await answer.json())["pause"]) == (200, False)
    assert admin.task(task)["spec"]["pause"] is False


async def test_pauses_of_the_same_start_replay_its_first_answer(gateway: Client, task: str) -> None:
    await gateway.patch(f"{START}/{task}", json=update(pause=True))
    again = await gateway.post(START, json=START_FLAT)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")


async def test_the_same_pause_again_changes_nothing(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.patch(f"{START}/{task}", json=update(pause=True))
    before = admin.task(task)
    answer = await gateway.patch(f"{START}/{task}", json=update(pause=True))
    assert (answer.status, (await answer.json())["pause"]) == (200, True)
    assert admin.task(task) == before


async def test_a_gateway_that_lags_behind_another_still_writes_the_wish(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    """What one gateway believes may have been taken back through the other a moment ago."""
    one, other = await make_gateway(), await make_gateway()
    task = await start(one)
    for _ in range(5):
        for gateway, wanted in ((one, True), (other, False), (one, False), (other, True), (one, True)):
            answer = await gateway.patch(f"{START}/{task}", json=update(pause=wanted))
            assert (answer.status, (await answer.json())["pause"]) == (200, wanted)
            assert admin.task(task)["spec"]["pause"] is wanted


async def test_two_pauses_at_once_are_one(make_gateway: MakeGateway, admin: Admin) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    task = await start(gateways[0])
    answers = await asyncio.gather(
        *(gateways[number % 2].patch(f"{START}/{task}", json=update(pause=True)) for number in range(10))
    )
    assert {answer.status for answer in answers} == {200}
    assert {(await answer.json())["pause"] for answer in answers} == {True}
    assert admin.task(task)["metadata"]["generation"] == 2


async def test_a_pause_and_its_end_at_once_leave_one_of_the_two(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    task = await start(gateways[0])
    wishes = [True, False]
    answers = await asyncio.gather(
        *(
            gateway.patch(f"{START}/{task}", json=update(pause=wanted))
            for gateway, wanted in zip(gateways, wishes, strict=True)
        )
    )
    assert [answer.status for answer in answers] == [200, 200]
    assert [(await answer.json())["pause"] for answer in answers] == wishes
    assert admin.task(task)["spec"]["pause"] in wishes


async def test_an_operator_that_writes_all_the_time_does_not_keep_a_pause_out(
    gateway: Client, admin: Admin, task: str
) -> None:
    told = asyncio.Event()

    async def write_status() -> None:
        number = 0
        while not told.is_set():
            number += 1
            patch = f'{{"status": {{"pendingBytes": {number}}}}}'
            await asyncio.to_thread(
                kubectl,
                admin,
                "patch",
                "egresstask",
                task,
                "--subresource=status",
                "--type=merge",
                "-p",
                patch,
            )

    admin.set_status(task, state="PROCESSING")
    writing = asyncio.create_task(write_status())
    try:
        for wanted in (True, False) * 10:
            answer = await gateway.patch(f"{START}/{task}", json=update(pause=wanted))
            assert (answer.status, (await answer.json())["pause"]) == (200, wanted)
    finally:
        told.set()
        await writing


async def test_a_task_that_is_to_stop_takes_no_pause(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.post(f"{START}/{task}/stop", json=STOP)
    status, kind, detail = await refused(gateway, f"{START}/{task}")
    assert (status, kind) == (409, "task-ended")
    assert detail.startswith(f"Task {task} is ending: it can't be paused, go on or be changed any more")
    assert admin.task(task)["spec"]["pause"] is False


async def test_a_stop_through_another_gateway_is_seen_at_once(
    make_gateway: MakeGateway, admin: Admin
) -> None:
    one, other = await make_gateway(), await make_gateway()
    for number in range(5):
        task = await start(one, {**START_FLAT, "request_id": f"r{number}"})
        assert (await other.get(f"{START}/{task}")).status == 200
        await one.post(f"{START}/{task}/stop", json=STOP)
        assert (await refused(other, f"{START}/{task}"))[:2] == (409, "task-ended")
        assert admin.task(task)["spec"]["pause"] is False


@pytest.mark.parametrize("state", [*sorted(TERMINAL_STATES), State.STOPPING])
async def test_a_task_that_has_ended_takes_no_pause(
    gateway: Client, admin: Admin, task: str, state: State
) -> None:
    admin.set_status(task, state=state)
    before = admin.task(task)
    for pause in (True, False):
        status, kind, detail = await refused(gateway, f"{START}/{task}", pause=pause)
        assert (status, kind) == (409, "task-ended")
        assert ("is ending" if state is State.STOPPING else f"has ended in {state}") in detail
    assert admin.task(task) == before


async def test_a_paused_task_can_be_stopped(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.patch(f"{START}/{task}", json=update(pause=True))
    assert (await gateway.post(f"{START}/{task}/stop", json=STOP)).status == 200
    body = await (await gateway.get(f"{START}/{task}")).json()
    assert (body["status"], body["pause"]) == ("STOPPING", True)


@pytest.mark.parametrize("path", ["/egress/v1/other/tasks/{task}", START + "/t{task}", START + "/T_1"])
async def test_another_apps_task_is_as_unknown_as_none(
    gateway: Client, admin: Admin, task: str, path: str
) -> None:
    assert (await refused(gateway, path.format(task=task)))[:2] == (404, "task-not-found")
    assert admin.task(task)["spec"]["pause"] is False


@pytest.mark.parametrize(("app_id", "status"), [("demo", 200), ("other", 404)])
async def test_a_pause_is_for_the_task_that_has_the_name_now(
    gateway: Client, admin: Admin, task: str, app_id: str, status: int
) -> None:
    admin.remake_task(task, app_id=app_id)
    answer = await gateway.patch(f"{START}/{task}", json=update(pause=True))
    assert answer.status == status
    assert admin.task(task)["spec"]["pause"] is (status == 200)


async def test_a_deleted_task_is_not_found(gateway: Client, admin: Admin, task: str) -> None:
    admin.delete_task(task)
    assert (await refused(gateway, f"{START}/{task}"))[:2] == (404, "task-not-found")


async def test_a_pause_by_kubectl_is_seen_and_can_be_taken_back(
    gateway: Client, admin: Admin, task: str
) -> None:
    kubectl(admin, "patch", "egresstask", task, "--type=merge", "-p", '{"spec": {"pause": true}}')

    async def seen() -> bool:
        return bool((await (await gateway.get(f"{START}/{task}")).json())["pause"])

    await until("the pause is seen", seen)
    answer = await gateway.patch(f"{START}/{task}", json=update(pause=False))
    assert (await answer.json())["pause"] is False
    assert admin.task(task)["spec"]["pause"] is False


async def test_updates_are_counted_by_their_method(gateway: Client, task: str) -> None:
    await gateway.patch(f"{START}/{task}", json=update(pause=True))
    text = await (await gateway.get("/metrics")).text()
    labels = 'method="PATCH",route="/egress/v1/{app_id}/tasks/{task_id}"'
    assert f'egress_gateway_requests_total{{code="200",{labels}}} 1.0' in text


async def test_other_users_stand_in_the_task(gateway: Client, admin: Admin, task: str) -> None:
    for users in (["user2", "user3"], []):
        body = {"request_id": "u7d3", "payload": {"users": users}}
        answer = await gateway.patch(f"{START}/{task}", json=body)
        assert (answer.status, (await answer.json())["payload"]["users"]) == (200, users)
        assert admin.task(task)["spec"].get("users", []) == users
        assert admin.task(task)["spec"]["pause"] is False


async def test_users_and_a_pause_are_one_change(gateway: Client, admin: Admin, task: str) -> None:
    body = {"request_id": "u7d3", "payload": {"users": ["user2"], "pause": True}}
    assert (await gateway.patch(f"{START}/{task}", json=body)).status == 200
    changed_task = admin.task(task)
    assert (changed_task["spec"]["users"], changed_task["spec"]["pause"]) == (["user2"], True)
    assert changed_task["metadata"]["generation"] == 2


async def test_a_page_has_no_users(gateway: Client, admin: Admin) -> None:
    task = await start(gateway, START_FREESTYLE)
    body = {"request_id": "u7d3", "payload": {"users": ["user2"], "pause": True}}
    answer = await gateway.patch(f"{START}/{task}", json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, [error["pointer"] for error in problem["errors"]]) == (409, ["/payload/users"])
    assert admin.task(task)["spec"]["pause"] is False


async def test_another_layout_stands_in_the_task(gateway: Client, admin: Admin, task: str) -> None:
    for layout in ("spotlight", "flat"):
        body = {"request_id": "u7d3", "payload": {"layout": layout}}
        answer = await gateway.patch(f"{START}/{task}", json=body)
        assert (answer.status, (await answer.json())["payload"]["layout"]) == (200, layout)
        assert admin.task(task)["spec"]["layout"] == layout


@pytest.mark.parametrize(
    "asked", [START_FREESTYLE, NAMED_BY_LAYOUT], ids=["a page", "files that are named after it"]
)
async def test_a_layout_that_has_to_stay_stays(gateway: Client, admin: Admin, asked: dict[str, Any]) -> None:
    task = await start(gateway, asked)
    before = admin.task(task)["spec"]["layout"]
    body = {"request_id": "u7d3", "payload": {"layout": "spotlight"}}
    answer = await gateway.patch(f"{START}/{task}", json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, [error["pointer"] for error in problem["errors"]]) == (409, ["/payload/layout"])
    assert admin.task(task)["spec"]["layout"] == before


async def test_who_was_started_without_regions_can_t_be_customized(
    gateway: Client, admin: Admin, task: str
) -> None:
    body = {"request_id": "u7d3", "payload": {"layout": "customized"}}
    answer = await gateway.patch(f"{START}/{task}", json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, [error["pointer"] for error in problem["errors"]]) == (409, ["/payload/layout"])
    region = {"x": 0, "y": 0, "width": 640, "height": 360, "slot": 1}
    other = await start(gateway, changed(START_FLAT, {"request_id": "regions1", "payload.regions": [region]}))
    assert (await gateway.patch(f"{START}/{other}", json=body)).status == 200
    assert admin.task(other)["spec"]["layout"] == "customized"


async def test_a_task_that_has_ended_takes_no_users(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.post(f"{START}/{task}/stop", json=STOP)
    answer = await gateway.patch(f"{START}/{task}", json={"request_id": "u7d3", "payload": {"users": []}})
    assert answer.status == 409
