"""Stop: a wish that is written down once and never taken back."""

import asyncio

import pytest

from egress_api.states import TERMINAL_STATES, State
from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, MakeGateway, until

START = "/egress/v1/demo/tasks"
STOP = {"request_id": "2yui23k5"}


@pytest.fixture
async def task(gateway: Client) -> str:
    return str((await (await gateway.post(START, json=START_FLAT)).json())["task_id"])


async def test_a_stop_is_written_into_the_task(gateway: Client, admin: Admin, task: str) -> None:
    answer = await gateway.post(f"{START}/{task}/stop", json=STOP)
    assert (answer.status, await answer.json()) == (200, {"task_id": task, "status": "SUCCESS"})
    assert admin.task(task)["spec"]["stop"] is True


async def test_a_stop_needs_no_body(gateway: Client, admin: Admin, task: str) -> None:
    assert (await gateway.post(f"{START}/{task}/stop")).status == 200
    assert admin.task(task)["spec"]["stop"] is True


async def test_a_second_stop_changes_nothing(gateway: Client, admin: Admin, task: str) -> None:
    await gateway.post(f"{START}/{task}/stop", json=STOP)
    before = admin.task(task)
    answer = await gateway.post(f"{START}/{task}/stop", json=STOP)
    assert (answer.status, await answer.json()) == (200, {"task_id": task, "status": "SUCCESS"})
    assert admin.task(task) == before


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
async def test_a_stop_after_the_end_changes_nothing(
    gateway: Client, admin: Admin, task: str, state: State
) -> None:
    admin.set_status(task, state=state)
    before = admin.task(task)

    async def seen() -> bool:
        return (await (await gateway.get(f"{START}/{task}")).json())["status"] == state

    await until("the gateway has seen the end", seen)
    assert (await gateway.post(f"{START}/{task}/stop", json=STOP)).status == 200
    assert admin.task(task) == before
    assert (await (await gateway.get(f"{START}/{task}")).json())["status"] == state


async def test_parallel_stops_through_two_gateways_all_succeed(
    make_gateway: MakeGateway, admin: Admin, task: str
) -> None:
    gateways = [await make_gateway(), await make_gateway()]
    answers = await asyncio.gather(
        *(gateways[number % 2].post(f"{START}/{task}/stop", json=STOP) for number in range(10))
    )
    assert {answer.status for answer in answers} == {200}
    assert admin.task(task)["metadata"]["generation"] == 2


@pytest.mark.parametrize("path", ["/egress/v1/other/tasks/{task}/stop", START + "/t{task}/stop"])
async def test_another_apps_task_is_as_unknown_as_none(
    gateway: Client, admin: Admin, task: str, path: str
) -> None:
    answer = await gateway.post(path.format(task=task), json=STOP)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (404, "urn:egress-operator:problem:task-not-found")
    assert problem["request_id"] == "2yui23k5"
    assert admin.task(task)["spec"]["stop"] is False


@pytest.mark.parametrize(("app_id", "status"), [("demo", 200), ("other", 404)])
async def test_a_stop_is_for_the_task_that_has_the_name_now(
    gateway: Client, admin: Admin, task: str, app_id: str, status: int
) -> None:
    """The gateway may still know the old task when its name belongs to a new one, even to another app's."""
    admin.remake_task(task, app_id=app_id)
    answer = await gateway.post(f"{START}/{task}/stop", json=STOP)
    assert answer.status == status
    assert admin.task(task)["spec"]["stop"] is (status == 200)
