"""An attacker inside the cluster, and listeners that would see it get through.

In: a release whose apps `walls-closed` and `walls-open` have the rules of `RULES`. Out: `Findings`, what a page tried
under one of them, how each try ended for it, and who was reached. The forbidden addresses are on loopback interfaces of
the node and of the recorder's Pod: what gets past a barrier arrives there, and nowhere else. All of it is taken away again.
"""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from egress_api.constants import RECORDER_CONTAINER
from egress_cluster import engine
from support import demo
from support.e2e import Tasks, until
from support.kubectl import Kubectl, cluster_settings
from support.walls_evasions import (
    ALLOWED,
    FIRST_PORT,
    FIRST_START_PORT,
    IN_THE_POD,
    LAST_PORT,
    ON_THE_NODE,
    PRIVATE,
    STEPS,
    port_of,
    ports,
)
from support.web_tasks import page_task

NAME = "walls"
HOST = f"{NAME}.{demo.NAMESPACE}"
PORT = 20999
SERVICE_PORTS = (8080, 10250, 443)
"""The recorder's own, the kubelet's, the API server's."""
RULES = {
    "walls-closed": {
        "allow": [HOST, ALLOWED],
        "ports": [80, *SERVICE_PORTS, *ports("closed"), *range(FIRST_START_PORT, LAST_PORT + 1)],
    },
    "walls-open": {
        "allow": [HOST, "0.0.0.0/0", "::/0"],
        "ports": [80, *SERVICE_PORTS, *ports("open")],
    },
}
VALUES: dict[str, Any] = {
    # the fence in the network is another barrier: this is about the recorder's own
    "pages": {"apps": RULES, "networkPolicy": {"enabled": False}},
}
NAMES = {"inside": [PRIVATE], "both": [ALLOWED, PRIVATE], "rebinding": [ALLOWED]}
"""Names in the demo's namespace, and what they resolve to at first."""
HERE = Path(__file__).parent
FILES = ("walls_server.py", "walls_page.html")

LISTENING_PORTS = r"""
import json, pathlib
found = set()
for name in ("tcp", "tcp6"):
    for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A":
            found.add(int(words[1].rpartition(":")[2], 16))
print(json.dumps(sorted(found)))
"""
KNOCK = r"""
import json, socket, sys
failed = []
for address, port in json.loads(sys.argv[1]):
    try:
        with socket.create_connection((address, port), 3) as there:
            there.sendall(b"CONTROL")
            assert there.recv(4) == b"HTTP"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as there:
            there.sendto(b"CONTROL", (address, port))
    except (OSError, AssertionError) as problem:
        failed.append([address, port, repr(problem)])
print(json.dumps(failed))
"""
RESOLVE = "import socket, sys; print(sorted({row[4][0] for row in socket.getaddrinfo(sys.argv[1], 80)}))"


@dataclass(frozen=True)
class Findings:
    """What came of one run of the page."""

    outcomes: dict[str, str]
    """How each step ended for the page, by name."""
    hits: list[dict[str, Any]]
    """Who was reached by the page."""
    log: str
    """What the recorder wrote."""
    task: dict[str, Any]


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


def attack(there: Attacker, tasks: Tasks, run: str) -> Findings:
    """Let the page try everything under the rules of app `walls-RUN`."""
    task = page_task(
        f"http://{HOST}/page?run={run}",
        appId=f"walls-{run}",
        video={"width": 320, "height": 180, "frameRate": 10, "bitrate": 200},
    )
    name = task["metadata"]["name"]
    tasks.kubectl.apply(task)
    tasks.until_state(name, "PROCESSING", seconds=90)
    (pod,) = tasks.pods(name)
    with tasks.follow_log(pod["metadata"]["name"]).process as log:
        try:
            outcomes, hits = drive(there, tasks, pod, run)
            ended = tasks.until_state(name, "STOPPED", seconds=90)
            out, _ = log.communicate(timeout=60)
        except AssertionError as problem:
            said = tasks.kubectl.run("logs", pod["metadata"]["name"], "--tail=60")
            raise AssertionError(f"{problem}\nthe recorder's last words:\n{said}") from None
        finally:
            log.terminate()
    return Findings(outcomes, hits, out.decode(errors="replace"), ended)


def drive(
    there: Attacker, tasks: Tasks, pod: dict[str, Any], run: str
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Lead the page of a run through its steps; gives how they ended for it, and who was reached.

    Before, a program in the same Pod that no barrier holds knocks at every listener: each of them is there.
    """
    there.point("rebinding", NAMES["rebinding"])
    with _listening_in(there, tasks, pod, run) as pod_hits:
        inside = _in_pod(tasks, pod)
        targets = [(_bare(step.reaches), port_of(step, run)) for step in STEPS]
        assert json.loads(inside(KNOCK, json.dumps(targets))) == [], "a listener is not there"
        there.say(run, steps=[*(step.step(run) for step in STEPS), *_services(inside, pod)])
        until("the page asks for rebinding", lambda: there.heard(run).get("askedForRebinding"), seconds=60)
        there.point("rebinding", [PRIVATE])
        until("the name has changed", lambda: PRIVATE in inside(RESOLVE, "rebinding.egress-demo"), seconds=30)
        there.say(run, rebound=True)
        outcomes = until("the page has tried it all", lambda: there.heard(run).get("outcomes"), seconds=120)
        hits = [hit for hit in (*_of_run(there.hits(), run), *pod_hits()) if hit["said"] != "CONTROL"]
        there.say(run, over=True)
    return outcomes, hits


@contextlib.contextmanager
def _listening_in(
    there: Attacker, tasks: Tasks, pod: dict[str, Any], run: str
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Listen in the recorder's Pod, on its loopback addresses; gives a way to read the hits."""
    there.on_node(
        'ip=$1; shift; for n in /run/netns/*; do if nsenter --net=$n ip -o addr | grep -qF " $ip/"; then '
        "for a; do nsenter --net=$n ip addr replace $a/128 dev lo; done; exit 0; fi; done; exit 1",
        pod["status"]["podIP"], *IN_THE_POD,
    )  # fmt: skip
    last = FIRST_PORT[run] + len(STEPS) - 1
    command = _exec(tasks, pod, "-", "listen", str(FIRST_PORT[run]), str(last))
    with (
        tempfile.NamedTemporaryFile("w+") as out,
        HERE.joinpath("walls_server.py").open() as script,
        subprocess.Popen(command, stdin=script, stdout=out, stderr=subprocess.STDOUT) as listener,
    ):

        def lines() -> list[dict[str, Any]]:
            text = Path(out.name).read_text()
            assert "Traceback" not in text, text
            return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

        def hits() -> list[dict[str, Any]]:
            return [line for line in lines() if "listening" not in line]

        try:
            until("somebody listens in the Pod", lambda: any("listening" in x for x in lines()), seconds=30)
            yield hits
        finally:
            listener.terminate()


def _in_pod(tasks: Tasks, pod: dict[str, Any]) -> Callable[..., str]:
    def inside(script: str, *arguments: str) -> str:
        done = subprocess.run(
            _exec(tasks, pod, "-", *arguments), input=script, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return inside


def _exec(tasks: Tasks, pod: dict[str, Any], *arguments: str) -> list[str]:
    where = ("exec", "-i", pod["metadata"]["name"], "-c", RECORDER_CONTAINER, "--")
    return tasks.kubectl.command(*where, "python3", *arguments)


def _services(inside: Callable[..., str], pod: dict[str, Any]) -> list[dict[str, Any]]:
    """List what really is there: the Pod's own ports, the kubelet, the API server."""
    places = {
        "service recorder": ("127.0.0.1", 8080),
        "service recorder by the Pod's address": (pod["status"]["podIP"], 8080),
        "service kubelet": (pod["status"]["hostIP"], 10250),
        "service API server": ("kubernetes.default", 443),
    }
    listening = json.loads(inside(LISTENING_PORTS))
    ours = {*ports("closed"), *ports("open"), 8080}
    places |= {f"port {port} of the Pod": ("127.0.0.1", port) for port in listening if port not in ours}
    return [{"name": n, "way": "fetch", "host": host, "port": port} for n, (host, port) in places.items()]


def _of_run(hits: list[dict[str, Any]], run: str) -> list[dict[str, Any]]:
    return [hit for hit in hits if hit["port"] in ports(run)]


def _bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


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
