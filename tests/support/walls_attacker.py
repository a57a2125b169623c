"""The attacker's servers inside the cluster, and the forbidden addresses on the node.

In: kubectl and the node. Out: an `Attacker` to talk to: a web server with the attacking page, names that resolve to what
it likes, and listeners at each forbidden address that write down who comes. All of it is taken away again.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from egress_cluster import engine
from support import demo
from support.e2e import until
from support.kubectl import Kubectl, cluster_settings
from support.walls_evasions import ALLOWED, LAST_PORT, ON_THE_NODE, PRIVATE, ports

NAME = "walls"
HOST = f"{NAME}.{demo.NAMESPACE}"
PORT = 20999
NAMES = {"inside": [PRIVATE], "both": [ALLOWED, PRIVATE], "rebinding": [ALLOWED]}
"""Names in the demo's namespace, and what they resolve to at first."""
HERE = Path(__file__).parent
FILES = ("walls_server.py", "walls_page.html")


class Attacker:
    """The attacker's servers, and the node they are on."""

    def __init__(self) -> None:
        self.kubectl = Kubectl(namespace=demo.NAMESPACE)
        self._proxy = f"/api/v1/namespaces/{demo.NAMESPACE}/services/{NAME}:80/proxy"
        self._settings = cluster_settings()
        found = engine.find(self._settings)
        assert found is not None, "no Docker engine answers: run `make up`"
        self._engine = found

    def on_node(self, script: str, *arguments: str) -> str:
        """Run a shell script in the node."""
        node = f"{self._settings.name}-control-plane"
        return self._engine.docker(
            "exec", node, "sh", "-ec", script, "sh", *arguments, settings=self._settings
        )

    def heard(self, run: str) -> dict[str, Any]:
        """Give what was said in a run so far."""
        found: dict[str, Any] = json.loads(self.kubectl.run("get", "--raw", f"{self._proxy}/heard?run={run}"))
        return found

    def say(self, run: str, **words: Any) -> None:
        """Say something to the page of a run."""
        told = urlencode({"run": run, "words": json.dumps(words)})
        self.kubectl.run("get", "--raw", f"{self._proxy}/tell?{told}")

    def hits(self) -> list[dict[str, Any]]:
        """Give all hits on the node."""
        found: list[dict[str, Any]] = json.loads(self.kubectl.run("get", "--raw", f"{self._proxy}/hits"))
        return found

    def point(self, name: str, addresses: list[str]) -> None:
        """Let a name of the demo's namespace resolve to these addresses."""
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 80}],
                "endpoints": [{"addresses": [address]} for address in addresses],
            },
        )


@contextlib.contextmanager
def attacker() -> Iterator[Attacker]:
    """Set the attacker up."""
    there = Attacker()
    there.on_node("for a; do ip addr replace $a/32 dev lo; done", *ON_THE_NODE)
    try:
        there.kubectl.apply(*_server())
        for name, addresses in NAMES.items():
            there.point(name, addresses)
        there.kubectl.run("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s", timeout_seconds=70)
        until("the attacker's server answers", lambda: _answers(there), seconds=20)
        yield there
    finally:
        there.kubectl.run(
            "delete", "--ignore-not-found", "--wait=false", f"pod/{NAME}", f"configmap/{NAME}",
            *(f"service/{name}" for name in (NAME, *NAMES)), *(f"endpointslice/{name}" for name in NAMES),
        )  # fmt: skip
        there.on_node("for a; do ip addr del $a/32 dev lo || true; done", *ON_THE_NODE)


def _answers(there: Attacker) -> bool:
    with contextlib.suppress(Exception):
        return there.heard("nobody") == {}
    return False


def _server() -> list[dict[str, Any]]:
    """Build the attacker's Pod: it is in the node's network, where the forbidden addresses are."""
    listens = str(ports("closed")[0]), str(LAST_PORT)
    command = [
        "python3",
        f"/{NAME}/walls_server.py",
        "serve",
        str(PORT),
        f"/{NAME}",
        *listens,
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME},
            "data": {file: HERE.joinpath(file).read_text() for file in FILES},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "labels": {"app": NAME}},
            "spec": {
                "hostNetwork": True,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": NAME,
                        "image": "egress-recorder:dev",
                        "imagePullPolicy": "Never",
                        "command": command,
                        "volumeMounts": [{"name": NAME, "mountPath": f"/{NAME}"}],
                        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
                    }
                ],
                "volumes": [{"name": NAME, "configMap": {"name": NAME}}],
            },
        },
    ]
