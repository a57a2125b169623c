"""Status calls with what the caller holds, and with patience."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from support.gateway import until
from support.gateway_tasks import cache_of, made

TASK = "/egress/v1/demo/tasks/t1"
Client = TestClient[Any, Any]
MakeGateway = Callable[..., Awaitable[Client]]


@pytest.fixture
def filled(gateway: Client) -> Client:
    cache_of(gateway).replace([made("t1", 5), made("t2", 6)], resource_version="10")
    return gateway


async def waiting(client: Client, query: str, **headers: str) -> asyncio.Task[ClientResponse]:
    """Send a call, and return it when the gateway waits."""
    call = asyncio.create_task(
        client.get(
            f"{TASK}{query}", headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
    )

    async def held() -> bool:
        return bool(cache_of(client).changes._subscriptions)

    await until("the gateway waits", held)
    return call


async def test_the_etag_is_another_with_every_version(filled: Client) -> None:
    first = await filled.get(TASK)
    assert (first.status, first.headers["ETag"]) == (200, '"5"')
    assert first.headers["Cache-Control"] == "no-cache, private"
    cache_of(filled).put(made("t1", 11, state="PROCESSING"))
    assert (await filled.get(TASK)).headers["ETag"] == '"11"'


@pytest.mark.parametrize("held", ['"5"', 'W/"5"', '"4", "5"', "*"])
async def test_who_holds_the_status_is_not_sent_it_again(filled: Client, held: str) -> None:
    answer = await filled.get(TASK, headers={"If-None-Match": held})
    assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", '"5"')
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("held", ['"4"', "5", '"55"', ""])
async def test_who_holds_another_is_sent_it(filled: Client, held: str) -> None:
    answer = await filled.get(TASK, headers={"If-None-Match": held})
    assert (answer.status, (await answer.json())["task_id"]) == (200, "t1")


async def test_an_unknown_task_is_unknown_whatever_the_caller_holds(filled: Client) -> None:
    answer = await filled.get("/egress/v1/other/tasks/t1", headers={"If-None-Match": "*"})
    assert answer.status == 404


async def test_a_wait_ends_with_the_change(filled: Client) -> None:
    call = await waiting(filled, "?wait=60s")
    cache_of(filled).put(made("t2", 11))
    cache_of(filled).put(made("t1", 12, state="PROCESSING"))
    answer = await asyncio.wait_for(call, 10)
    assert (answer.status, (await answer.json())["status"]) == (200, "PROCESSING")
    assert answer.headers["ETag"] == '"12"'


async def test_a_wait_for_another_than_the_held_one(filled: Client) -> None:
    call = await waiting(filled, "?wait=60", If_None_Match='"5"')
    cache_of(filled).put(made("t1", 12))
    assert (await asyncio.wait_for(call, 10)).status == 200


async def test_who_holds_an_old_one_does_not_wait(filled: Client) -> None:
    answer = await asyncio.wait_for(filled.get(f"{TASK}?wait=60s", headers={"If-None-Match": '"4"'}), 10)
    assert (answer.status, answer.headers["ETag"]) == (200, '"5"')


@pytest.mark.parametrize(("held", "status"), [('"5"', 304), ("", 200)])
async def test_a_wait_is_no_longer_than_asked(filled: Client, held: str, status: int) -> None:
    begun = asyncio.get_running_loop().time()
    answer = await filled.get(f"{TASK}?wait=1s", headers={"If-None-Match": held})
    assert (answer.status, answer.headers["ETag"]) == (status, '"5"')
    assert asyncio.get_running_loop().time() - begun >= 1


@pytest.mark.parametrize(("form", "path"), [("GET", TASK), ("POST", f"{TASK}/status")], ids=["get", "post"])
async def test_a_wait_may_be_longer_than_a_change_may_take(
    make_gateway: MakeGateway, form: str, path: str
) -> None:
    gateway = await make_gateway(answer_seconds=0.1)
    cache_of(gateway).replace([made("t1", 5)], resource_version="10")
    answer = await gateway.request(form, f"{path}?wait=1s")
    assert (answer.status, answer.headers["ETag"]) == (200, '"5"')


async def test_our_own_write_that_the_watch_repeats_is_no_change(filled: Client) -> None:
    cache = cache_of(filled)
    cache.put_own(made("t1", 11))
    call = await waiting(filled, "?wait=60s", If_None_Match='"11"')
    cache.put(made("t1", 11))
    cache.put(made("t1", 12))
    assert (await asyncio.wait_for(call, 10)).headers["ETag"] == '"12"'


async def test_a_task_that_goes_while_it_is_waited_for(filled: Client) -> None:
    call = await waiting(filled, "?wait=60s")
    cache_of(filled).replace([], resource_version="20")
    # Gone from the cache: the API server is asked, and isn't there.
    assert (await asyncio.wait_for(call, 10)).status == 503


async def test_the_end_of_the_gateway_ends_every_wait(filled: Client) -> None:
    call = await waiting(filled, "?wait=60s", If_None_Match='"5"')
    cache_of(filled).changes.end()
    answer = await asyncio.wait_for(call, 10)
    assert (answer.status, answer.headers["Connection"]) == (304, "close")
    at_once = await asyncio.wait_for(filled.get(f"{TASK}?wait=60s"), 10)
    assert at_once.status == 200


async def test_a_wait_is_counted_while_it_lasts_and_is_no_slow_answer(filled: Client) -> None:
    call = await waiting(filled, "?wait=1s")
    assert 'held_requests{kind="wait"} 1.0' in await (await filled.get("/metrics")).text()
    await call
    metrics = await (await filled.get("/metrics")).text()
    assert 'held_requests{kind="wait"} 0.0' in metrics
    route = 'route="/egress/v1/{app_id}/tasks/{task_id}"'
    [counted] = [
        line
        for line in metrics.splitlines()
        if "duration_seconds_bucket" in line and route in line and 'le="0.5"' in line
    ]
    assert counted.endswith(" 1.0")


@pytest.mark.parametrize("wait", ["61s", "1h", "-1", "", "1.5s", "s", "30s&wait=2s", "30ss", "٣"])
async def test_a_wait_that_is_none_is_refused(filled: Client, wait: str) -> None:
    answer = await filled.get(f"{TASK}?wait={wait}")
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (400, "urn:egress-operator:problem:invalid-query")
    assert [error["parameter"] for error in problem["errors"]] == ["wait"]


async def test_other_parameters_of_a_status_call_are_nobodys_business(filled: Client) -> None:
    assert (await filled.get(f"{TASK}?_=123&wait=0s")).status == 200
