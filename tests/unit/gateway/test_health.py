from typing import Any

from aiohttp.test_utils import TestClient

from egress_gateway.app import HEALTH

Client = TestClient[Any, Any]


async def test_liveness_never_depends_on_the_api_server(gateway: Client) -> None:
    assert (await gateway.get("/healthz")).status == 200


async def test_readiness_says_what_it_waits_for(gateway: Client) -> None:
    answer = await gateway.get("/readyz")
    assert answer.status == 503
    assert "the watch cache isn't filled yet" in await answer.text()


async def test_a_gateway_that_ends_is_not_ready(gateway: Client) -> None:
    assert gateway.app is not None
    gateway.app[HEALTH].draining = True
    answer = await gateway.get("/readyz")
    assert (answer.status, await answer.text()) == (503, "not ready: shutting down\n")
    assert (await gateway.get("/healthz")).status == 200


async def test_requests_are_counted_by_route_and_never_by_task(gateway: Client) -> None:
    for task in ("t1", "t2", "t3"):
        await gateway.get(f"/egress/v1/demo/tasks/{task}")
    for path in ("/a", "/b"):
        await gateway.get(path)
    text = await (await gateway.get("/metrics")).text()
    route = "/egress/v1/{app_id}/tasks/{task_id}"
    assert f'egress_gateway_requests_total{{code="503",method="GET",route="{route}"}} 3.0' in text
    assert 'egress_gateway_requests_total{code="404",method="GET",route="unmatched"} 2.0' in text
    assert (
        f'egress_gateway_request_duration_seconds_count{{code="503",method="GET",route="{route}"}} 3.0'
        in text
    )
    assert "egress_gateway_cache_fresh 0.0" in text
    assert "egress_gateway_build_info{" in text
