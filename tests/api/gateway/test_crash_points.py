"""Each call that a start makes goes wrong once, in every way: one task or none, and one after the retry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from egress_api.names import task_name, token_secret_name
from support.api_proxy import ApiProxy, Fault
from support.bad_starts import START_FLAT
from support.gateway import Admin, Client, gateway_of, until_ready

START = "/egress/v1/demo/tasks"


@pytest.fixture
def proxy(admin: Admin, kubeconfig: Path, tmp_path: Path) -> Iterator[ApiProxy]:
    with ApiProxy(admin.server, tmp_path, kubeconfig=kubeconfig) as proxy:
        yield proxy


@pytest.fixture
async def gateway(proxy: ApiProxy, admin: Admin, aiohttp_client: AiohttpClient) -> Client:
    """Give a gateway that soon despairs of an API server which does not answer."""
    settings = {"api_timeout_seconds": 3}
    return await until_ready(await gateway_of(proxy.kubeconfig, admin.namespace, aiohttp_client, settings))


def _name(request_id: str) -> str:
    return task_name(app_id="demo", request_id=request_id)


async def _start(gateway: Client, request_id: str) -> tuple[int, str]:
    answer = await gateway.post(START, json={**START_FLAT, "request_id": request_id})
    return answer.status, (await answer.json()).get("task_id", "")


@pytest.mark.timeout(120)
async def test_whichever_call_of_a_start_goes_wrong_the_retry_makes_it_one_task(
    gateway: Client, admin: Admin, proxy: ApiProxy
) -> None:
    await _start(gateway, "whole")
    calls = proxy.calls[_name("whole")]
    cases = {f"c{number}{fault.name}": (number, fault) for number in range(len(calls)) for fault in Fault}
    proxy.faults = {(_name(request_id), number): fault for request_id, (number, fault) in cases.items()}

    for request_id in cases:
        status, task = await _start(gateway, request_id)
        made = {one["metadata"]["name"] for one in admin.tasks()}
        assert status in {202, 429, 500, 502, 503, 504}, (request_id, status)
        assert task in {"", _name(request_id)}
        assert status != 202 or _name(request_id) in made, request_id

        # A client that got no answer, or an error, asks again; twice, if it likes.
        for _ in range(2):
            assert await _start(gateway, request_id) in {(202, _name(request_id)), (200, _name(request_id))}

    wanted = {_name(request_id) for request_id in ["whole", *cases]}
    assert {one["metadata"]["name"] for one in admin.tasks()} == wanted
    assert len(admin.tasks()) == len(wanted)
    secrets = sorted(one["metadata"]["name"].rsplit("-", 1)[0] for one in admin.secrets())
    assert secrets == sorted(token_secret_name(one) for one in wanted)
    assert set(proxy.met) == set(proxy.faults)
