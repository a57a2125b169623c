"""The list call: filters, order, pages that stay right, and what is refused."""

import time
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from egress_api.rest import ListAnswer, Problem
from egress_gateway.cache import TaskCache
from egress_gateway.index import Place
from egress_gateway.listing import Wanted, page, read_cursor, write_cursor
from support.gateway_tasks import cache_of, made

TASKS = "/egress/v1/demo/tasks"
Client = TestClient[Any, Any]

SET = [
    made("t1", 1, second=10, state="STOPPED"),
    made("t2", 2, second=20, state="PROCESSING"),
    made("t3", 3, second=20, state="ENQUEUED", spec={"channel": "other"}),
    made("t4", 4, second=30, state="PROCESSING", spec={"layout": "freestyle"}),
    made("t5", 5, second=40, state="PROCESSING", spec={"stop": True}),
    made("x1", 6, second=50, app_id="other"),
]


@pytest.fixture
def filled(gateway: Client) -> Client:
    cache_of(gateway).replace(SET, resource_version="10")
    return gateway


async def listed(client: Client, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"{TASKS}{query}")
    assert answer.status == 200, await answer.text()
    body: dict[str, Any] = await answer.json()
    assert list(body) == ["tasks", "next_cursor"]
    ListAnswer.model_validate(body)
    return body


async def names(client: Client, query: str = "") -> list[str]:
    return [task["task_id"] for task in (await listed(client, query))["tasks"]]


async def test_an_apps_tasks_come_newest_first_and_no_others(filled: Client) -> None:
    body = await listed(filled)
    assert [task["task_id"] for task in body["tasks"]] == ["t5", "t4", "t3", "t2", "t1"]
    assert body["next_cursor"] is None


async def test_each_task_is_as_the_status_call_has_it(filled: Client) -> None:
    for task in (await listed(filled))["tasks"]:
        assert task == await (await filled.get(f"{TASKS}/{task['task_id']}")).json()


async def test_an_app_without_tasks_has_an_empty_list(filled: Client) -> None:
    answer = await filled.get("/egress/v1/nobody/tasks")
    assert (answer.status, await answer.json()) == (200, {"tasks": [], "next_cursor": None})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=PROCESSING", ["t4", "t2"]),
        ("status=STOPPING", ["t5"]),
        ("status=ENQUEUED,STOPPED", ["t3", "t1"]),
        ("status=ENQUEUED&status=STOPPED", ["t3", "t1"]),
        ("layout=freestyle", ["t4"]),
        ("layout=flat&status=PROCESSING", ["t2"]),
        ("channel=other", ["t3"]),
        ("channel=nobody", []),
        ("created_after=2026-11-23T00:00:20Z", ["t5", "t4", "t3", "t2"]),
        ("created_after=2026-11-23T00:00:20.5Z", ["t5", "t4"]),
        ("created_before=2026-11-23T00:00:20Z", ["t1"]),
        ("created_before=2026-11-23T00:00:20.5Z", ["t3", "t2", "t1"]),
        ("created_after=2026-11-23T01:00:20%2B01:00&created_before=2026-11-23T00:00:30Z", ["t3", "t2"]),
    ],
)
async def test_filters_let_through_what_they_name(filled: Client, query: str, expected: list[str]) -> None:
    assert await names(filled, f"?{query}") == expected


@pytest.mark.parametrize(
    "filters", ["", "&status=PROCESSING,STOPPING", "&created_before=2026-11-23T00:00:40Z"]
)
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_pages_together_are_the_whole_list(filled: Client, limit: int, filters: str) -> None:
    whole = await names(filled, f"?limit=500{filters}")
    found: list[str] = []
    query = f"?limit={limit}{filters}"
    while True:
        body = await listed(filled, query)
        found += [task["task_id"] for task in body["tasks"]]
        assert len(body["tasks"]) <= limit
        if body["next_cursor"] is None:
            break
        query = f"?limit={limit}{filters}&cursor={body['next_cursor']}"
    assert found == whole


async def test_a_page_that_ends_with_the_list_has_no_next(filled: Client) -> None:
    assert (await listed(filled, "?limit=5"))["next_cursor"] is None
    assert (await listed(filled, "?limit=4"))["next_cursor"] is not None


async def test_what_comes_and_goes_meanwhile_moves_no_page(filled: Client) -> None:
    cache = cache_of(filled)
    first = await listed(filled, "?limit=2")
    cache.put(made("t9", 11, second=60))
    cache.remove("t4", resource_version="12")  # the very task at which the first page ended
    cache.put(made("t3", 13, second=20, state="PROCESSING"))
    rest = await names(filled, f"?cursor={first['next_cursor']}")
    assert rest == ["t3", "t2", "t1"]


async def test_a_task_made_anew_under_its_name_is_listed_where_it_is_now(filled: Client) -> None:
    cache = cache_of(filled)
    cache.put(made("t1", 11, second=90))
    assert await names(filled) == ["t1", "t5", "t4", "t3", "t2"]
    cache.put(made("t1", 12, second=95, app_id="other"))
    assert await names(filled) == ["t5", "t4", "t3", "t2"]
    assert [task.metadata.name for task in cache.newest("other")] == ["t1", "x1"]


@pytest.mark.parametrize(
    ("query", "parameter", "sentence"),
    [
        ("status=RUNNING", "status", "must be ENQUEUED, PROCESSING, STOPPING, STOPPED, FAILED, TIMEOUT"),
        ("status=processing", "status", "must be ENQUEUED"),
        ("status=", "status", "must be ENQUEUED"),
        ("layout=grid", "layout", "must be flat, spotlight, customized, freestyle"),
        ("channel=a%20b", "channel", "must be 1 to 64 letters, digits"),
        ("created_after=yesterday", "created_after", "must be a time with its zone"),
        ("created_after=2026-11-23", "created_after", "must be a time with its zone"),
        ("created_before=2026-11-23T05:11:20", "created_before", "must be a time with its zone"),
        ("created_before=2026-11-23T05:11:20+01:00", "created_before", "a + is written %2B"),
        ("limit=0", "limit", "must be a whole number from 1 to 500"),
        ("limit=501", "limit", "must be a whole number from 1 to 500"),
        ("limit=-1", "limit", "must be a whole number"),
        ("limit=ten", "limit", "must be a whole number"),
        ("limit=", "limit", "must be a whole number"),
        ("limit=9999999999999999999999", "limit", "must be a whole number"),
        ("limit=1&limit=2", "limit", "may stand there only once"),
        ("cursor=", "cursor", "is no cursor of a list"),
        ("cursor=abc", "cursor", "is no cursor of a list"),
        ("cursor=%F0%9F%8E%A5", "cursor", "is no cursor of a list"),
        ("cursor=MTIzNA", "cursor", "is no cursor of a list"),
        ("state=STOPPED", "state", "unknown parameter; there are status, layout, channel"),
        ("=x", "", "unknown parameter"),
    ],
)
async def test_a_bad_parameter_is_named(filled: Client, query: str, parameter: str, sentence: str) -> None:
    answer = await filled.get(f"{TASKS}?{query}")
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (400, "urn:egress-operator:problem:invalid-query")
    Problem.model_validate(problem)
    [error] = problem["errors"]
    assert error["parameter"] == parameter
    assert sentence in error["detail"]
    assert error["detail"] in problem["detail"]


async def test_all_bad_parameters_are_named_at_once(filled: Client) -> None:
    answer = await filled.get(f"{TASKS}?limit=0&status=X&layout=Y&nope=1")
    assert {error["parameter"] for error in (await answer.json())["errors"]} == {
        "limit",
        "status",
        "layout",
        "nope",
    }


async def test_without_the_watch_nothing_old_is_listed(gateway: Client) -> None:
    answer = await gateway.get(TASKS)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "place", [Place(1700000000, "t5hvirqsrsvh7kpy4eg7w"), Place(0, "a"), Place(1, "a.b-c")]
)
def test_a_cursor_is_read_as_it_was_written(place: Place) -> None:
    assert read_cursor(write_cursor(place)) == place


def test_a_page_of_ten_thousand_costs_little_wherever_it_is() -> None:
    cache = TaskCache(stale_seconds=15)
    one = made("t", 1, state="STOPPED")
    meta = one.metadata
    cache.replace(
        [
            one.model_copy(
                update={
                    "metadata": meta.model_copy(
                        update={"name": f"t{n:05}", "creation_timestamp": meta.creation_timestamp}
                    )
                }
            )
            for n in range(10_000)
        ],
        resource_version="2",
    )
    deep = Wanted(behind=Place(int(meta.creation_timestamp.timestamp()), "t00100"))
    none = Wanted(channels=frozenset({"nobody"}))
    for wanted, most in ((deep, 0.01), (none, 0.5)):
        begun = time.process_time()
        tasks, _ = page(cache, wanted, app_id="demo")
        assert time.process_time() - begun < most  # CPU of one request, however busy the machine
        assert len(tasks) in {0, 50}
