"""The API tier's own server: it answers, knows users, and keeps its data over a restart."""

import json
import subprocess
import time
import urllib.error
from pathlib import Path

import pytest

from egress_cluster.apiserver import ApiServer
from egress_cluster.settings import KUBERNETES_VERSION


def _kubectl(server: ApiServer, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [server.kubectl, "--kubeconfig", kubeconfig, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_is_the_kubernetes_that_the_cluster_runs(api_server: ApiServer) -> None:
    assert api_server.request("GET", "/version")["gitVersion"] == KUBERNETES_VERSION


def test_a_user_without_a_role_is_refused_by_name(api_server: ApiServer, namespace: str) -> None:
    answer = _kubectl(api_server, api_server.user("eve", groups=["guests"]), "-n", namespace, "get", "pods")

    assert answer.returncode == 1
    assert 'User "eve" cannot list resource "pods"' in answer.stderr


def test_a_service_account_is_who_it_says(api_server: ApiServer, namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    api_server.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body=account)

    robot = api_server.service_account("robot", namespace=namespace)
    answer = _kubectl(api_server, robot, "auth", "whoami", "-o", "json")

    user = json.loads(answer.stdout)["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:robot"


def test_a_pod_is_accepted_without_any_controller(api_server: ApiServer, namespace: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "still"},
        "spec": {"containers": [{"name": "only", "image": "none"}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    api_server.request("POST", path, body=pod)

    assert api_server.request("GET", f"{path}/still")["status"]["phase"] == "Pending"


def test_data_and_address_outlive_a_restart(breakable_server: ApiServer) -> None:
    server, url = breakable_server, breakable_server.url
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}}
    server.request("POST", "/api/v1/namespaces/default/configmaps", body=kept)
    server.stop_api_server()
    with pytest.raises(urllib.error.URLError):
        server.request("GET", "/readyz")

    server.restart()

    assert server.url == url
    found = server.request("GET", "/api/v1/namespaces/default/configmaps/kept")
    assert found["metadata"]["name"] == "kept"


def test_nothing_is_left_after_the_end(api_server: ApiServer) -> None:
    server = ApiServer(api_server._kube)
    began = time.monotonic()
    with server:
        assert time.monotonic() - began < 20
    assert not server.folder.exists()
    assert not server._processes
