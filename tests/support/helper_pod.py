"""A Pod of the tests' own in a scratch namespace: it takes what programs of ours send, and calls what they serve.

In: a namespace that goes with all that is in it (`scratch_release`). Out: a Service to send to, what came there, and HTTP
calls made from inside the cluster, by a Service's name. Credentials go in by stdin, never by argument.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import helper_pod_server
from support.e2e import Answer
from support.kubectl import Kubectl

NAME = "helper"
PORT = 8080
URL = f"http://{NAME}:{PORT}/"
"""As the programs of its namespace reach it."""
SCRIPT = Path(helper_pod_server.__file__)
_CALL = """
import json, sys, urllib.error, urllib.request
asked = json.load(sys.stdin)
body = None if asked["body"] is None else json.dumps(asked["body"]).encode()
headers = {"Content-Type": "application/json", **asked["headers"]}
request = urllib.request.Request(asked["url"], data=body, method=asked["method"], headers=headers)
try:
    answer = urllib.request.urlopen(request, timeout=15)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps({"status": answer.status, "headers": dict(answer.headers), "body": answer.read().decode()}))
"""


@dataclass(frozen=True)
class HelperPod:
    """The Pod of a namespace."""

    kubectl: Kubectl

    def until_ready(self) -> None:
        self.kubectl.run("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s", timeout_seconds=70)

    def got(self) -> list[dict[str, Any]]:
        """Return what was posted to it so far: status of the answer, headers and body."""
        path = f"/api/v1/namespaces/{self.kubectl.namespace}/services/{NAME}:http/proxy/got"
        found: list[dict[str, Any]] = json.loads(self.kubectl.run("get", "--raw", path))
        return found

    def call(
        self, method: str, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a call from inside the cluster; `body` is an object to send as JSON."""
        asked = {"method": method, "url": url, "body": body, "headers": dict(headers or {})}
        said = self.kubectl.run("exec", "-i", NAME, "--", "python3", "-c", _CALL, stdin=json.dumps(asked))
        answer = json.loads(said)
        is_json = "json" in answer["headers"].get("Content-Type", "")
        return Answer(
            answer["status"], answer["headers"], json.loads(answer["body"]) if is_json else answer["body"]
        )


def helper_objects(*, refused: int = 0, image: str = "egress-recorder:dev") -> list[dict[str, Any]]:
    """Return the Pod and what it needs, to be applied to a namespace that enforces `restricted`.

    Args:
        refused: how many of the first POSTs are answered with 503.
        image: with Python, and on the node already.
    """
    control_plane = "node-role.kubernetes.io/control-plane"
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["tini", "--", "python3", f"/{NAME}/server.py", str(PORT), str(refused)],
        "volumeMounts": [{"name": NAME, "mountPath": f"/{NAME}"}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    ports = [{"name": "http", "port": PORT, "targetPort": PORT}]
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
            "spec": {"selector": {"app": NAME}, "ports": ports},
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
                # A test may take the other node away.
                "nodeSelector": {control_plane: ""},
                "tolerations": [{"key": control_plane, "operator": "Exists", "effect": "NoSchedule"}],
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [{"name": NAME, "configMap": {"name": NAME}}],
            },
        },
    ]
