"""Releases of the chart for one test: an operator with settings of its own in a namespace of its own.

In: values over the demo's. Out: the tasks of that namespace. The namespace enforces the `restricted` Pod
Security Standard, as the demo's does, and nothing is left behind.
"""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from egress_api.constants import API_VERSION, KIND, TASK_LABEL, TOKEN_KEY
from egress_cluster.deploy import CHART, demo_values, namespace_objects
from support.e2e import APP, Tasks, request_id
from support.kubectl import Kubectl, cluster_program
from support.publishers import recorder_token

RELEASE = "scratch"


def helm(kubectl: Kubectl, *arguments: str, seconds: float = 120) -> str:
    """Run helm in a namespace; a failure shows what it said."""
    done = subprocess.run(
        [
            cluster_program("helm"),
            f"--kubeconfig={kubectl.kubeconfig}",
            f"--namespace={kubectl.namespace}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def scratch_release(*, values: dict[str, Any], objects: Sequence[dict[str, Any]] = ()) -> Iterator[Tasks]:
    """Install an operator (no gateway, no CRD: the demo's release has them), and take it away again.

    Args:
        values: over the demo's; `gateway` may switch one on.
        objects: what has to be in the namespace before.
    """
    namespace = f"scratch-{request_id()[:8]}"
    kubectl = Kubectl(namespace=namespace)
    base = {
        "crds": {"install": False},
        "gateway": {"enabled": False},
        "uninstall": {"release": False},
    }
    kubectl.apply(*namespace_objects(namespace))
    try:
        if objects:
            kubectl.run("wait", "--for=create", "serviceaccount/default", "--timeout=20s")  # else no Pod
            kubectl.apply(*objects)
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for number, layer in enumerate((demo_values(), base, values)):
                files.append(Path(folder, f"{number}.json"))
                files[-1].write_text(json.dumps(layer))
            arguments = [f"--values={file}" for file in files]
            helm(kubectl, "install", RELEASE, str(CHART), *arguments, "--wait", "--timeout=60s")
        yield Tasks(kubectl)
    finally:
        try:
            kubectl.run("delete", "egresstask", "--all", "--wait", "--timeout=30s", timeout_seconds=40)
            free_pods(kubectl)
        finally:
            # A gateway may have rights and rules of the whole cluster, which don't go with the namespace.
            with contextlib.suppress(AssertionError):
                helm(kubectl, "uninstall", RELEASE, "--ignore-not-found", "--no-hooks", "--timeout=30s")
            kubectl.run("delete", "namespace", namespace, "--wait=false")


def small_task(*, app: str = APP, channel: str | None = None, **spec: Any) -> list[dict[str, Any]]:
    """Return a task that records a small picture, and the Secret with its token; the task is the last.

    Without a channel it gets an empty one of its own: a server closes a channel some time after the last has left, and
    who comes in at that moment is told that it was closed.
    """
    name = f"t{request_id()}"
    channel = channel or f"nobody-{name}"
    token = recorder_token(channel, identity=f"recorder-{name}")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {TOKEN_KEY: token},
    }
    video = {"width": 640, "height": 360, "frameRate": 15, "bitrate": 500}
    given = {"appId": app, "channel": channel, "accessTokenSecretRef": {"name": name}, "video": video, **spec}
    task = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": given,
    }
    return [secret, task]


def free_pods(kubectl: Kubectl) -> None:
    """Let the operator free the recorder Pods before it goes with its namespace."""
    kubectl.run("wait", "--for=delete", "pod", "-l", TASK_LABEL, "--timeout=60s", timeout_seconds=70)
