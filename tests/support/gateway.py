"""What the gateway's API tests hold in their hands: an administrator, and gateways in this process.

The gateways get exactly the rights that the chart gives them (charts/egress-operator/files/rights.yaml).
"""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from egress_api.constants import GROUP, PLURAL, VERSION
from egress_cluster.apiserver import ApiServer
from egress_gateway.app import CACHE, create_app
from egress_gateway.cluster import Cluster
from egress_gateway.logs import configure_logs
from egress_gateway.settings import LogLevel, Settings

RIGHTS = Path(__file__).resolve().parents[2] / "charts/egress-operator/files/rights.yaml"

Client = TestClient[Any, Any]
MakeGateway = Callable[..., Awaitable[Client]]


@dataclass(frozen=True)
class Admin:
    """The cluster's administrator, who can see and change everything in one namespace."""

    server: ApiServer
    namespace: str

    @property
    def tasks_path(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}"

    def tasks(self) -> list[dict[str, Any]]:
        return list(self.server.request("GET", self.tasks_path)["items"])

    def task(self, name: str) -> dict[str, Any]:
        return dict(self.server.request("GET", f"{self.tasks_path}/{name}"))

    def secrets(self) -> list[dict[str, Any]]:
        return list(self.server.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets")["items"])

    def set_status(self, name: str, **status: Any) -> None:
        """Play the operator."""
        task = self.task(name)
        task["status"] = {**task.get("status", {}), **status}
        self.server.request("PUT", f"{self.tasks_path}/{name}/status", body=task)

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self.server.request("POST", path, body=body))

    def delete_task(self, name: str) -> None:
        self.server.request("DELETE", f"{self.tasks_path}/{name}")

    def remake_task(self, name: str, *, app_id: str) -> None:
        """Delete a task and give its name to a new one, perhaps of another app's."""
        old = self.task(name)
        self.delete_task(name)
        spec = {**old["spec"], "appId": app_id}
        fresh = {"apiVersion": old["apiVersion"], "kind": old["kind"], "spec": spec}
        self.create(self.tasks_path, {**fresh, "metadata": {"name": name}})


def _rules(*holders: str) -> list[dict[str, Any]]:
    rights = yaml.safe_load(RIGHTS.read_text())
    return [
        {key: value for key, value in rule.items() if key != "why"}
        for holder in holders
        for rule in rights[holder]
    ]


def give_rights(
    server: ApiServer, namespace: str, *, kubernetes_auth: bool = False, token_refresh: bool = False
) -> Path:
    """Make a service account that may do what the chart's gateway may, and return its kubeconfig."""
    more = {"gatewayWithKubernetesAuth": kubernetes_auth, "gatewayWithTokenRefresh": token_refresh}
    rules = _rules("gateway", *(holder for holder, wanted in more.items() if wanted))
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    group = "rbac.authorization.k8s.io"
    server.request(
        "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body={"metadata": {"name": "gateway"}}
    )
    server.request("POST", f"{rbac}/roles", body={"metadata": {"name": "gateway"}, "rules": rules})
    server.request(
        "POST",
        f"{rbac}/rolebindings",
        body={
            "metadata": {"name": "gateway"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "gateway"},
            "subjects": [{"kind": "ServiceAccount", "name": "gateway", "namespace": namespace}],
        },
    )
    if kubernetes_auth:
        _give_in_the_cluster(server, namespace, _rules("gatewayWithKubernetesAuthInTheCluster"))
    return server.service_account("gateway", namespace=namespace)


def _give_in_the_cluster(server: ApiServer, namespace: str, rules: list[dict[str, Any]]) -> None:
    group = "rbac.authorization.k8s.io"
    name = f"{namespace}-gateway"
    server.request(
        "POST", f"/apis/{group}/v1/clusterroles", body={"metadata": {"name": name}, "rules": rules}
    )
    server.request(
        "POST",
        f"/apis/{group}/v1/clusterrolebindings",
        body={
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "gateway", "namespace": namespace}],
        },
    )


def through(kubeconfig: Path, port: int) -> Path:
    """Return a copy of a kubeconfig that goes through another port of this machine."""
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    copy = kubeconfig.with_suffix(f".{port}")
    copy.touch(mode=0o600)
    copy.write_text(json.dumps(config))
    return copy


async def until(what: str, probe: Callable[[], Awaitable[bool]], *, seconds: float = 10) -> None:
    """Ask until the answer is yes, and fail with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not await probe():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        await asyncio.sleep(0.02)


async def gateway_of(
    kubeconfig: Path, namespace: str, aiohttp_client: AiohttpClient, settings: dict[str, Any]
) -> Client:
    """Start a gateway in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        patch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        made = Settings(namespace=namespace, **settings)
        cluster = await Cluster.connect(made)
    return await aiohttp_client(create_app(cluster, made))


async def until_ready(client: Client) -> Client:
    async def ready() -> bool:
        return (await client.get("/readyz")).status == 200

    await until("the gateway is ready", ready)
    return client


def cached(client: Client, name: str) -> bool:
    """Tell whether the gateway's cache knows a task."""
    assert client.app is not None
    return client.app[CACHE].get(name) is not None


def kubectl(admin: Admin, *arguments: str, manifest: str = "") -> str:
    """Run kubectl as the administrator."""
    return subprocess.run(
        [
            str(admin.server.kubectl),
            "--kubeconfig",
            str(admin.server.kubeconfig),
            "-n",
            admin.namespace,
            *arguments,
        ],
        input=manifest,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


@contextmanager
def running(kubeconfig: Path, namespace: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a gateway; give the process and its URL."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "EGRESS_GATEWAY_NAMESPACE": namespace,
        "EGRESS_GATEWAY_HOST": "127.0.0.1",
        "EGRESS_GATEWAY_PORT": "0",
        **{f"EGRESS_GATEWAY_{name}": value for name, value in settings.items()},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "egress_gateway"], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdout is not None
    try:
        lines = (json.loads(line) for line in process.stdout)
        first = next((line for line in lines if line["msg"] == "the gateway listens"), None)
        assert first is not None, f"the gateway ended with code {process.wait(10)}"
        url = f"http://{first['addresses'][0]}"
        poll(lambda: status(f"{url}/readyz") == 200, "the gateway is ready")
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait(10)


@contextmanager
def logs_of(process: subprocess.Popen[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Read what a gateway that runs logs: a pipe that nobody reads would stop it."""
    assert process.stdout is not None
    stream, lines = process.stdout, list[str]()
    reading = threading.Thread(target=lambda: lines.extend(stream), daemon=True)
    reading.start()
    try:
        yield lambda: [json.loads(line) for line in lines]
    finally:
        process.kill()
        reading.join(10)


def status(url: str) -> int | None:
    """Return an answer's status, None where nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def poll(probe: Callable[[], bool], what: str, *, seconds: float = 10) -> None:
    """Ask until the answer is yes, where nothing else runs in this process."""
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@contextmanager
def written_logs() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log as the process does; give what returns what has been logged."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure_logs(LogLevel.DEBUG, stream=written)
    try:
        yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    finally:
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        root.handlers[:] = before
        root.setLevel(level)


def reads(admin: Admin, *verbs: str) -> float:
    """Count the reads of tasks that the API server has answered: GET of one, LIST of many."""
    lines = str(admin.server.request("GET", "/metrics")).splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("apiserver_request_total{")
        and 'resource="egresstasks"' in line
        and any(f'verb="{verb}"' in line for verb in verbs)
    )
