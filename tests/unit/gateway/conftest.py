"""A real gateway whose API server is not there: for everything that is answered before it is asked."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from kubernetes.aio.client import Configuration
from pytest_aiohttp.plugin import AiohttpClient

from egress_gateway.app import create_app
from egress_gateway.cluster import Cluster
from egress_gateway.settings import Settings
from support.gateway import written_logs

MakeGateway = Callable[..., Awaitable[TestClient[Any, Any]]]


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that refuses connections for as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def make_gateway(nowhere: str, aiohttp_client: AiohttpClient) -> MakeGateway:
    """Make gateways; keywords are settings."""

    async def make(**given: Any) -> TestClient[Any, Any]:
        settings = Settings(namespace="tasks", api_timeout_seconds=2, **given)
        cluster = Cluster(Configuration(host=nowhere), namespace="tasks", settings=settings)
        return await aiohttp_client(create_app(cluster, settings))

    return make


@pytest.fixture
async def gateway(make_gateway: MakeGateway) -> TestClient[Any, Any]:
    return await make_gateway()


@pytest.fixture
def json_logs() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    with written_logs() as lines:
        yield lines
