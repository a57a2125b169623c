"""A store that fails as told: the fault proxy before a real S3 server, in the test itself or in the cluster.

In: `Rule`s (see `store_faults_server.FAULTS`), by the functions below. Out: the store's URL for recorders, and the
requests that came. Nothing is left behind.

    with store_faults.in_cluster() as faults:         # recorders: store.options.endpoint = faults.endpoint
        faults.set(store_faults.status(503, "SlowDown"))
        faults.set()                                  # all is well again
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from support import demo, store_faults_server
from support.e2e import until
from support.kubectl import Kubectl, KubectlError
from support.store_faults_server import Rule, Seen

NAME = "store-faults"
PORT = 7070
CONTROL_PORT = 7071
UPSTREAM = f"store.{demo.NAMESPACE}.svc:{PORT}"
SCRIPT = Path(store_faults_server.__file__)

DOWN = Rule("down")
BLACK_HOLE = Rule("black-hole")
RESET = Rule("reset")
SLOW_DOWN = Rule("status", status=503, code="SlowDown", message="Please reduce your request rate.")
INTERNAL_ERROR = Rule("status", status=500, code="InternalError", message="We encountered an internal error.")
EXPIRED = Rule("status", status=400, code="ExpiredToken", message="The provided token has expired.")
WRONG_KEY = Rule(
    "status",
    status=403,
    code="InvalidAccessKeyId",
    message="The access key you provided does not exist in our records.",
)
NO_BUCKET = Rule("status", status=404, code="NoSuchBucket", message="The specified bucket does not exist.")


class FaultsInCluster:
    """The proxy's Pod, before the demo's store; told and asked through the API server."""

    def __init__(self, namespace: str = demo.NAMESPACE) -> None:
        self.kubectl = Kubectl(namespace=namespace)
        self.endpoint = f"http://{NAME}.{namespace}:{PORT}"
        """Where recorders find the store."""
        self._proxy = f"/api/v1/namespaces/{namespace}/services/{NAME}:{CONTROL_PORT}/proxy"

    def set(self, *rules: Rule) -> None:
        """Go by these rules from now on; without any, all is well again."""
        self._ask("/rules?" + urlencode({"set": json.dumps([asdict(rule) for rule in rules])}))

    def seen(self) -> list[Seen]:
        """Give the requests that came so far."""
        return [Seen(**request) for request in self._ask("/state")["seen"]]

    def forget(self) -> None:
        """Begin a new list of requests."""
        self._ask("/forget")

    def _ask(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl.run("get", "--raw", self._proxy + path))
        return found


@contextlib.contextmanager
def in_cluster(
    *, namespace: str = demo.NAMESPACE, upstream: str = UPSTREAM, image: str = "egress-recorder:dev"
) -> Iterator[FaultsInCluster]:
    """Set the proxy up, one in a namespace, and take it away again."""
    there = FaultsInCluster(namespace)
    pod = f"pod/{NAME}"
    try:
        # what a run that was killed has left may hold rules
        there.kubectl.run("delete", "--ignore-not-found", "--wait", pod, timeout_seconds=60)
        there.kubectl.apply(*_objects(upstream=upstream, image=image))
        there.kubectl.run("wait", "--for=condition=Ready", pod, "--timeout=60s", timeout_seconds=70)
        until("the fault proxy answers", lambda: _answers(there), seconds=20, every=0.5)
        there.forget()
        yield there
    finally:
        there.kubectl.run(
            "delete", "--ignore-not-found", "--wait=false", pod, f"service/{NAME}", f"configmap/{NAME}"
        )


def _answers(there: FaultsInCluster) -> bool:
    # from inside, by the service: its rules come to the node a little after the Pod is ready
    ask = f"import urllib.request as r; r.urlopen('{there.endpoint}/health', timeout=3)"
    try:
        there.kubectl.run("exec", NAME, "--", "python3", "-c", ask)
        return there.seen() != []
    except KubectlError:
        return False


def _objects(*, upstream: str, image: str) -> list[dict[str, Any]]:
    ports = {"s3": PORT, "control": CONTROL_PORT}
    control_plane = "node-role.kubernetes.io/control-plane"
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME},
            "data": {"server.py": SCRIPT.read_text()},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {
                "selector": {"app": NAME},
                "ports": [{"name": n, "port": p, "targetPort": p} for n, p in ports.items()],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAME, "labels": {"app": NAME}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                # where the store is: a test may take another node away
                "nodeSelector": {control_plane: ""},
                "tolerations": [{"key": control_plane, "operator": "Exists", "effect": "NoSchedule"}],
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": NAME,
                        "image": image,
                        "imagePullPolicy": "Never",
                        "command": [
                            *("tini", "--", "python3", f"/{NAME}/server.py"),
                            *(str(PORT), str(CONTROL_PORT), upstream),
                        ],
                        "volumeMounts": [{"name": NAME, "mountPath": f"/{NAME}"}],
                        "readinessProbe": {"tcpSocket": {"port": CONTROL_PORT}, "periodSeconds": 1},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
                "volumes": [{"name": NAME, "configMap": {"name": NAME}}],
            },
        },
    ]
