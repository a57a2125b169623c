"""Ways to break what a running recording stands on: its processes, its Pod, its node, the programs around it.

In: a `Run`. Out: something is broken for good, by the means that a real fault has: signals, the API, the node's own
tools. Each function fails where there was nothing to break, and waits for nothing that comes of it.
"""

import json
import signal
import time
from datetime import datetime
from functools import cache
from typing import Any

from egress_api.constants import RECORDER_CONTAINER, TASK_LABEL
from egress_cluster import engine
from egress_cluster.cluster import Cluster
from support.e2e import until
from support.faults import Run
from support.kubectl import Kubectl, cluster_settings

DRAIN_SECONDS = 60
KNOWN_SECONDS = 60
"""The tests' cluster takes a silent node for lost after 16 s."""
ALL = Kubectl(namespace="default")
CAPTURE = "egress_recorder.capture"
SEND = """
import os, pathlib, sys
has, number = sys.argv[1], int(sys.argv[2])
sent = 0
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = folder.joinpath("cmdline").read_bytes().split(b"\\0")
    except OSError:
        continue
    if has.encode() in words and int(folder.name) != os.getpid() and b"-c" not in words:
        os.kill(int(folder.name), number)
        sent += 1
sys.exit(not sent)
"""


@cache
def cluster() -> Cluster:
    """Find the cluster whose nodes can be broken from outside."""
    settings = cluster_settings()
    found = engine.find(settings)
    assert found is not None, "no Docker engine answers: run `make deploy` first"
    return Cluster(engine=found, settings=settings)


def signal_capture(run: Run, number: signal.Signals) -> None:
    """Send a signal to the capture, from within its Pod."""
    run.tasks.kubectl.run(
        "exec",
        run.pod_name(),
        "-c",
        RECORDER_CONTAINER,
        "--",
        "python3",
        "-c",
        SEND,
        CAPTURE,
        str(int(number)),
    )


def kill_recorder(run: Run) -> None:
    """Kill the recorder's first process by its node: the container is gone at once, with every process in it."""
    _on_node(run, "kill --signal SIGKILL {}")


def freeze_recorder(run: Run) -> None:
    """Have every process of the recorder's container stand still."""
    _on_node(run, "pause {}")


def kill_frozen_recorder(run: Run) -> None:
    """Kill a recorder that stands still: it does nothing any more before it is gone."""
    # where the kill has let it go on already, to die, there is nothing left to be resumed
    _on_node(run, "kill --signal SIGKILL {0} && {{ ctr -n k8s.io tasks resume {0}; true; }}")


def _on_node(run: Run, command: str) -> None:
    pod = run.pod()
    (container,) = pod["status"]["containerStatuses"]
    name = container["containerID"].removeprefix("containerd://")
    said = cluster().inside(
        pod["spec"]["nodeName"], f"ctr -n k8s.io tasks {command.format(name)} && echo done"
    )
    assert said == "done", f"ctr tasks {command.format(name)} failed on {pod['spec']['nodeName']}: {said}"


def delete_pod(run: Run, *, at_once: bool = False) -> None:
    """Delete the Pod; `at_once` leaves it no time to end."""
    how = ("--grace-period=0", "--force") if at_once else ()
    run.tasks.kubectl.run("delete", "pod", run.pod_name(), "--wait=false", *how)


def evict_pod(run: Run) -> None:
    """Evict the Pod by the API that a drain and an autoscaler use."""
    name, namespace = run.pod_name(), run.tasks.kubectl.namespace
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    run.tasks.kubectl.run("create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction))


def kill_programs(run: Run) -> None:
    """Take operator and gateway away at once, as a crash would; their Deployments start them again."""
    run.tasks.kubectl.run(
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/component in (operator, gateway)",
        "--grace-period=0",
        "--force",
    )


def drain(run: Run) -> None:
    """Drain the Pod's node, as before its maintenance; nothing but this task's Pod has to go."""
    run.tasks.kubectl.run(
        "drain", node_of(run), f"--pod-selector={TASK_LABEL}={run.task}", "--delete-emptydir-data", "--force",
        "--ignore-daemonsets", f"--timeout={DRAIN_SECONDS}s", timeout_seconds=DRAIN_SECONDS + 10,
    )  # fmt: skip


def cut_power(run: Run) -> None:
    """End the Pod's node at once, with all that runs on it."""
    cluster().cut_power(node_of(run))


def readiness(node: str) -> dict[str, Any]:
    """Return a node's condition Ready."""
    conditions = ALL.get("node", node)["status"]["conditions"]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == "Ready")
    return found


def known_lost(node: str) -> float:
    """Wait until the cluster knows that a node is gone, and return the Unix second in which it came to know."""

    def since() -> float:
        ready = readiness(node)
        return (
            datetime.fromisoformat(ready["lastTransitionTime"]).timestamp()
            if ready["status"] == "Unknown"
            else 0.0
        )

    return until(f"the cluster knows that {node} is gone", since, seconds=KNOWN_SECONDS)


def freeze_node(run: Run) -> None:
    """Have the Pod's node stand still: it answers nobody, and comes back with all that ran on it."""
    cluster().freeze(node_of(run))


def node_of(run: Run) -> str:
    """Name the node that the Pod is on: one that a test may take away."""
    name = str(run.pod()["spec"]["nodeName"])
    assert name in cluster().spares(), f"{run.task} runs on {name}, which is no spare node"
    return name


def let_pass(seconds: float) -> None:
    """Let time go by that is itself what the row is about."""
    time.sleep(seconds)
