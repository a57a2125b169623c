"""The list call in front of a real API server: what was started is there, and the API server isn't asked."""

from typing import Any

from support.bad_starts import START_FLAT, START_FREESTYLE
from support.gateway import Admin, Client, MakeGateway, reads, until

TASKS = "/egress/v1/demo/tasks"


async def start(gateway: Client, request_id: str, body: dict[str, Any] = START_FLAT) -> str:
    answer = await gateway.post(TASKS, json={**body, "request_id": request_id})
    return str((await answer.json())["task_id"])


async def names(gateway: Client, query: str = "") -> list[str]:
    answer = await gateway.get(f"{TASKS}{query}")
    assert answer.status == 200, await answer.text()
    return [task["task_id"] for task in (await answer.json())["tasks"]]


async def test_a_start_is_listed_at_once_with_its_status(gateway: Client) -> None:
    task = await start(gateway, "one")
    body = await (await gateway.get(TASKS)).json()
    assert body == {
        "tasks": [await (await gateway.get(f"{TASKS}/{task}")).json()],
        "next_cursor": None,
    }
    await gateway.post(f"{TASKS}/{task}/stop")
    assert await names(gateway, "?status=STOPPING") == [task]


async def test_filters_follow_what_the_operator_writes(gateway: Client, admin: Admin) -> None:
    channel, page = await start(gateway, "one"), await start(gateway, "two", START_FREESTYLE)
    admin.set_status(channel, state="PROCESSING")

    async def seen() -> bool:
        return await names(gateway, "?status=PROCESSING") == [channel]

    await until("the state is seen", seen)
    assert await names(gateway, "?status=ENQUEUED") == await names(gateway, "?layout=freestyle") == [page]
    assert await names(gateway, "?channel=egress_test") == [channel]


async def test_any_gateway_takes_a_cursor_of_another(make_gateway: MakeGateway) -> None:
    one = await make_gateway()
    tasks = {await start(one, f"r{number}") for number in range(5)}
    other = await make_gateway(list_chunk=2)
    found: list[str] = []
    query = "?limit=2"
    for gateway in (one, other, one):
        body = await (await gateway.get(f"{TASKS}{query}")).json()
        found += [task["task_id"] for task in body["tasks"]]
        query = f"?limit=2&cursor={body['next_cursor']}"
    assert (len(found), set(found), body["next_cursor"]) == (5, tasks, None)


async def test_lists_do_not_ask_the_api_server(gateway: Client, admin: Admin) -> None:
    await start(gateway, "one")
    before = reads(admin, "GET", "LIST")
    for _ in range(20):
        assert len(await names(gateway)) == 1
    assert reads(admin, "GET", "LIST") == before
