"""Real gateways in front of a real API server."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pytest_aiohttp.plugin import AiohttpClient

from egress_cluster.apiserver import ApiServer
from egress_gateway.logs import configure_logs
from egress_gateway.settings import LogLevel
from support.gateway import Admin, Client, MakeGateway, gateway_of, give_rights, until_ready


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
    """Log as the process does, and return what has been logged."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure_logs(LogLevel.DEBUG, stream=written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)
