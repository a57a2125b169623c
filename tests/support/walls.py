"""A page that tries every way out of a recorder's Pod, and listeners that would see it get through.

In: a release whose apps `walls-closed` and `walls-open` have the rules of `RULES`, and the attacker's servers. Out:
`Findings`: what a page tried under one of them, how each try ended for it, and who was reached. The forbidden addresses
are on loopback interfaces of the node and of the recorder's Pod: what gets past a barrier arrives there, and nowhere else.
"""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egress_api.constants import RECORDER_CONTAINER, TASK_LABEL
from support.e2e import Tasks, until
from support.walls_attacker import HERE, HOST, NAMES, Attacker
from support.walls_evasions import (
    ALLOWED,
    FIRST_PORT,
    FIRST_START_PORT,
    IN_THE_POD,
    LAST_PORT,
    PRIVATE,
    STEPS,
    port_of,
    ports,
)
from support.web_tasks import page_task

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
            outcomes, hits = _lead(there, tasks, pod, run)
            out, _ = log.communicate(timeout=60)
        except AssertionError as problem:
            said = tasks.kubectl.run("logs", pod["metadata"]["name"], "--tail=60")
            raise AssertionError(f"{problem}\nthe recorder's last words:\n{said}") from None
        finally:
            log.terminate()
    return Findings(outcomes, hits, out.decode(errors="replace"), tasks.get(name))


def _lead(
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
        there.say(run, over=True)
        # Only now is every connection closed, and written down, however little was said on it.
        tasks.until_state(pod["metadata"]["labels"][TASK_LABEL], "STOPPED", seconds=90)
        hits = [*_of_run(there.hits(), run), *pod_hits()]
    return outcomes, [hit for hit in hits if hit["said"] != "CONTROL"]


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
