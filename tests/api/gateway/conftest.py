"""Real gateways in front of a real API server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from egress_cluster.apiserver import ApiServer
from support.gateway import Admin, Client, MakeGateway, gateway_of, give_rights, until_ready, written_logs


@pytest.fixture
def admin(api_server: ApiServer, crd: None, namespace: str) -> Admin:
    return Admin(api_server, namespace)


@pytest.fixture
def kubeconfig(admin: Admin) -> Path:
    return give_rights(admin.server, admin.namespace)


@pytest.fixture
def make_gateway(kubeconfig: Path, admin: Admin, aiohttp_client: AiohttpClient) -> MakeGateway:
    """Make ready gateways; keywords are settings."""

    async def make(**settings: Any) -> Client:
        return await until_ready(await gateway_of(kubeconfig, admin.namespace, aiohttp_client, settings))

    return make


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> Client:
    return await make_gateway()


@pytest.fixture
def json_logs() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    with written_logs() as lines:
        yield lines
