"""Test people as Pods in the demo's namespace: who publishes, from when to when, and what they did.

In: a room, people (`publisher.Person`, as `user()` makes them) and a plan. Out: a running Pod and its events.
Used by the e2e tests, the bench and `make demo` alike. It must leave nothing behind (`with publishing(…)`), and
keys travel in a Secret, never in arguments or in the Pod.

    with publishing("egress_test", [user("user1", hue=0, tone=440), user("user2", hue=220, tone=880)]) as people:
        ...
        people.act("user2", "camera-off")
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit.api import AccessToken, VideoGrants

from support import demo
from support.kubectl import Kubectl, KubectlError

IMAGE = "egress-recorder:dev"
"""It has Python, livekit and numpy, and is on the node already."""
SCRIPT_NAME = "publisher-script"
KEYS_NAME = "publisher-keys"
LABEL = "egress-demo/publisher"
POLL_SECONDS = 0.2

Person = Any
"""`publisher.Person`; the module is loaded by path, so mypy cannot name it."""

Plan = Sequence[tuple[float, str, str]]
"""(seconds after the start, identity, action), with publisher.py's actions."""


class PublishersError(RuntimeError):
    """The test people did not do what they were asked; the message holds the Pod's log."""


def user(identity: str, **more: object) -> Person:
    """Describe a person: hue, tone, beep, size="640x360", fps, codec, simulcast, join (seconds), drift."""
    given = {"identity": identity, **more}
    return demo.publisher().Person.parse(",".join(f"{name}={value}" for name, value in given.items()))


def two_users() -> list[Person]:
    """Give the usual two: red with 440 Hz, blue with 880 Hz, 640x360 at 15 frames a second."""
    return [user("user1", hue=0, tone=440), user("user2", hue=220, tone=880)]


def recorder_token(room: str, *, identity: str = "recorder") -> str:
    """Sign the access token that a start call brings: it may listen, and nobody sees it."""
    server = demo.livekit()
    grants = VideoGrants(
        room_join=True, room=room, can_subscribe=True, can_publish=False, can_publish_data=False,
        hidden=True, recorder=True,
    )  # fmt: skip
    return AccessToken(server.key, server.secret).with_identity(identity).with_grants(grants).to_jwt()


def support_objects(*, namespace: str = demo.NAMESPACE) -> list[dict[str, Any]]:
    """Build what every publisher Pod mounts: the script and the server's keys."""
    server = demo.livekit()
    script = (demo.DEMO_FOLDER / "publisher.py").read_text()
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SCRIPT_NAME, "namespace": namespace},
            "data": {"publisher.py": script},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": KEYS_NAME, "namespace": namespace},
            "stringData": {
                "LIVEKIT_URL": server.url,
                "LIVEKIT_API_KEY": server.key,
                "LIVEKIT_API_SECRET": server.secret,
            },
        },
    ]


def pod(
    name: str,
    *,
    room: str,
    people: Sequence[Person],
    plan: Plan = (),
    duration_seconds: float = 600,
    image: str = IMAGE,
    namespace: str = demo.NAMESPACE,
) -> dict[str, Any]:
    """Build the Pod in which `people` publish into `room`; it passes the `restricted` Pod Security Standard."""
    arguments = [f"--room={room}", f"--duration={duration_seconds:g}", "--stdin"]
    arguments += [f"--user={_as_argument(person)}" for person in people]
    arguments += [f"--at={seconds:g}:{identity}:{action}" for seconds, identity, action in plan]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 2,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "publisher",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-u", "/publisher/publisher.py"],
                    "args": arguments,
                    "stdin": True,
                    # without a share of the cores, a busy node would stop them first, and their clocks with them
                    "resources": {"requests": {"cpu": "50m"}},
                    "envFrom": [{"secretRef": {"name": KEYS_NAME}}],
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "script", "mountPath": "/publisher", "readOnly": True},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [
                {"name": "script", "configMap": {"name": SCRIPT_NAME}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


def pod_name(room: str) -> str:
    """Give the name of the Pod of a room's people, unless they were given one of their own."""
    return "people-" + "".join(c if c.isalnum() else "-" for c in room.lower())[:50].rstrip("-")


@dataclass(frozen=True, kw_only=True)
class Publishers:
    """A publisher Pod that has been started."""

    name: str
    identities: tuple[str, ...]
    kubectl: Kubectl = field(default_factory=lambda: Kubectl(namespace=demo.NAMESPACE))

    def events(self) -> list[dict[str, Any]]:
        """Return what the people have done so far: {event, identity, at (unix seconds), …}."""
        lines = self.kubectl.run("logs", self.name).splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"event"')]

    def wait_for(self, event: str, identities: Sequence[str] = (), *, timeout_seconds: float = 60) -> float:
        """Wait until each of `identities` (all, by default) has said `event`; return the last one's instant."""
        wanted = set(identities or self.identities)
        deadline = time.monotonic() + timeout_seconds
        instants: dict[str, float] = {}
        while time.monotonic() < deadline:
            # no log yet: the container is still being made
            with contextlib.suppress(KubectlError):
                instants = {
                    e["identity"]: float(e["at"])
                    for e in self.events()
                    if e["event"] == event and e["identity"] in wanted
                }
            if wanted <= instants.keys():
                return max(instants.values())
            if self._phase() in {"Failed", "Succeeded"}:
                break
            time.sleep(POLL_SECONDS)
        missing = sorted(wanted - instants.keys())
        raise PublishersError(
            f"{missing} did not say {event!r} within {timeout_seconds:g} s; Pod {self.kubectl.namespace}/{self.name}"
            f" is {self._phase()} and says:\n{self._last_words()}"
        )

    def act(self, identity: str, action: str, *, timeout_seconds: float = 20) -> float:
        """Have one person do one action now (`camera-off`, `leave`, …); return the instant it was done."""
        before = len(self._said(identity, action))
        with subprocess.Popen(
            self.kubectl.command("attach", "--stdin", "--quiet", self.name),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as attach:  # fmt: skip
            try:
                if attach.stdin is None:
                    raise PublishersError("kubectl attach was started without a stdin")
                attach.stdin.write(f"{identity} {action}\n".encode())
                attach.stdin.flush()
                deadline = time.monotonic() + timeout_seconds
                while time.monotonic() < deadline:
                    done = self._said(identity, action)
                    if len(done) > before:
                        return done[-1]
                    time.sleep(POLL_SECONDS)
            finally:
                attach.kill()
        raise PublishersError(
            f"{identity} did not {action} within {timeout_seconds:g} s:\n{self._last_words()}"
        )

    def stop(self) -> None:
        """Delete the Pod and wait until it is gone."""
        self.kubectl.run(
            "delete", "pod", self.name, "--ignore-not-found", "--wait", "--timeout=30s", timeout_seconds=40
        )

    def _said(self, identity: str, event: str) -> list[float]:
        return [float(e["at"]) for e in self.events() if (e["identity"], e["event"]) == (identity, event)]

    def _phase(self) -> str:
        return self.kubectl.run(
            "get", "pod", self.name, "--ignore-not-found", "--output=jsonpath={.status.phase}"
        )

    def _last_words(self) -> str:
        try:
            return self.kubectl.run("logs", "--tail=30", self.name)
        except KubectlError as silent:
            return f"(no log: {silent})"


def start(
    room: str,
    people: Sequence[Person],
    *,
    plan: Plan = (),
    name: str = "",
    duration_seconds: float = 600,
    image: str = IMAGE,
    kubectl: Kubectl | None = None,
) -> Publishers:
    """Start a publisher Pod (a Pod of the same name is replaced) and return at once."""
    client = kubectl or Kubectl(namespace=demo.NAMESPACE)
    started = Publishers(
        name=name or pod_name(room),
        identities=tuple(person.identity for person in people),
        kubectl=client,
    )
    started.stop()
    manifest = pod(
        started.name, room=room, people=people, plan=plan,
        duration_seconds=duration_seconds, image=image, namespace=client.namespace,
    )  # fmt: skip
    client.apply(*support_objects(namespace=client.namespace), manifest)
    return started


@contextlib.contextmanager
def publishing(
    room: str,
    people: Sequence[Person],
    *,
    plan: Plan = (),
    duration_seconds: float = 600,
    timeout_seconds: float = 60,
    kubectl: Kubectl | None = None,
) -> Iterator[Publishers]:
    """Have `people` in `room` inside the block: entered once all who join at 0 publish, gone at its end."""
    started = start(room, people, plan=plan, duration_seconds=duration_seconds, kubectl=kubectl)
    try:
        at_once = [person.identity for person in people if person.join == 0]
        if at_once:
            started.wait_for("join", at_once, timeout_seconds=timeout_seconds)
        yield started
    finally:
        started.stop()


def _as_argument(person: Person) -> str:
    return (
        f"identity={person.identity},size={person.width}x{person.height},fps={person.fps},hue={person.hue:g},"
        f"tone={person.tone},beep={person.beep},codec={person.codec},simulcast={int(person.simulcast)},"
        f"join={person.join:g},drift={person.drift:g}"
    )
