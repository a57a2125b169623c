"""An RTC server of a test's own, to be taken away: the demo's is shared by all that records.

In: a channel and people. Out: a server like the demo's in a namespace of its own, with the people publishing there.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from support import demo, publishers
from support.e2e import request_id
from support.kubectl import Kubectl
from support.publishers import Person, Publishers

READY_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class OwnRtc:
    """A running server with its people."""

    kubectl: Kubectl
    publishers: Publishers

    @property
    def url(self) -> str:
        """Where recorders join."""
        return _url(self.kubectl.namespace)

    def restart(self) -> None:
        """Kill the server: rooms and connections are gone; a new one comes under the same name."""
        self.kubectl.run("delete", "pod", "--selector=app=livekit", "--grace-period=0", "--force")


@contextlib.contextmanager
def own_rtc(channel: str, people: Sequence[Person], *, seconds: float) -> Iterator[OwnRtc]:
    """Have a server with people in a channel inside the block."""
    namespace = f"rtc-{request_id()[:8]}"
    kubectl = Kubectl(namespace=namespace)
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        kubectl.apply(*_server(namespace))
        wait = ("rollout", "status", "deployment/livekit", f"--timeout={READY_SECONDS}s")
        kubectl.run(*wait, timeout_seconds=READY_SECONDS + 10)
        pod = publishers.pod(
            "people", room=channel, people=people, duration_seconds=seconds, namespace=namespace
        )
        pod["spec"]["containers"][0]["env"].append({"name": "LIVEKIT_URL", "value": _url(namespace)})
        kubectl.apply(*publishers.support_objects(namespace=namespace), pod)
        there = Publishers(
            name="people", identities=tuple(person.identity for person in people), kubectl=kubectl
        )
        there.wait_for("join")
        yield OwnRtc(kubectl=kubectl, publishers=there)
    finally:
        kubectl.run("delete", "namespace", namespace, "--wait=false")


def _url(namespace: str) -> str:
    return f"ws://livekit.{namespace}:{demo.LIVEKIT_PORT}"


def _server(namespace: str) -> list[dict[str, Any]]:
    documents = list(yaml.safe_load_all((demo.DEMO_FOLDER / "livekit.yaml").read_text()))
    for document in documents:
        document["metadata"]["namespace"] = namespace
    return documents
