"""The API tier's server: a real kube-apiserver and etcd, started once for the whole run.

`api_server` gives it; `api_server.kubeconfig` is the admin's. Namespaces are cheap: each test takes its own
(`namespace`), for nothing is cleaned up between tests and no controller would do it.
"""

import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from egress_cluster import gobuild
from egress_cluster.apiserver import ApiServer
from egress_cluster.settings import Settings
from support import farewells

HERE = Path(__file__).parent
CRD = HERE.parents[1] / "crds" / "egresstasks.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder: `-m "not api"` leaves it out."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.api)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    kube = gobuild.built(gobuild.KUBE, Settings.from_environment(os.environ))
    if not kube.exists():
        pytest.fail("The API tier needs Kubernetes' binary: run `python -m egress_cluster build-tools` first")
    with ApiServer(kube, folder=tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture(scope="session")
def crd(api_server: ApiServer) -> None:
    """Have the EgressTask resource in the API server, and served."""
    _define(api_server)


@pytest.fixture(scope="session")
def second_server(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(api_server._kube, folder=tmp_path_factory.mktemp("second-api-server")) as server:
        _define(server)
        yield server


@pytest.fixture
def breakable_server(second_server: ApiServer) -> Iterator[ApiServer]:
    """A server that a test may stop and start."""
    yield second_server
    if not second_server.serving:
        second_server.restart()


def _define(server: ApiServer) -> None:
    _kubectl(server, "apply", "--server-side", "-f", str(CRD))
    name = yaml.safe_load(CRD.read_text())["metadata"]["name"]
    _kubectl(server, "wait", "--for=condition=Established", f"crd/{name}", "--timeout=20s")


def _kubectl(server: ApiServer, *arguments: str) -> None:
    command = [str(server.kubectl), "--kubeconfig", str(server.kubeconfig), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.fail(f"`{' '.join(command)}`: {done.stderr}\n  log: {server.log}")


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    name = f"test-{uuid.uuid4().hex[:10]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api_server.request("POST", "/api/v1/namespaces", body=body)
    return name


@pytest.fixture(autouse=True)
async def _farewells() -> AsyncIterator[None]:
    yield
    await farewells.said()


@pytest.fixture(scope="session", autouse=True)
def _tell_connections() -> Iterator[None]:
    with farewells.noted():
        yield
