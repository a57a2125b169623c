"""A real gateway whose API server is not there: for everything that is answered before it is asked."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from kubernetes.aio.client import Configuration
from pytest_aiohttp.plugin import AiohttpClient

from egress_gateway.app import create_app
from egress_gateway.cluster import Cluster
from egress_gateway.settings import Settings


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that refuses connections for as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
async def gateway(nowhere: str, aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    settings = Settings(namespace="tasks", api_timeout_seconds=2)
    cluster = Cluster(Configuration(host=nowhere), namespace="tasks", settings=settings)
    return await aiohttp_client(create_app(cluster, settings))
