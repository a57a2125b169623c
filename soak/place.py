"""A place for one long run: namespaces, servers, an operator and images that nobody else changes.

In: a name. Out: a running RTC server, a running store, an operator of this checkout, and its tasks. A `make deploy`
meanwhile, or a test that restarts the demo's servers, does not touch it. Nothing is left behind but the images.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from egress_api.constants import API_VERSION, KIND, PLURAL, TOKEN_KEY
from egress_cluster import engine
from egress_cluster.builds import build_image
from egress_cluster.cluster import Cluster
from egress_cluster.deploy import ROOT
from egress_cluster.settings import Settings
from support import demo, publishers, recording, store_faults
from support.e2e import Tasks, request_id, until
from support.kubectl import Kubectl, KubectlError
from support.publishers import Person, Publishers, recorder_token
from support.releases import scratch_release
from support.store import BUCKET
from support.store_faults import FaultsInCluster

APP = "soak"
OUTPUT = "recording"
STORE_PORT = 7070
CPU = "75m"
"""What the people and each server ask for: enough to be heard beside what else runs on the node, and room for that."""
RECORDER_CPU = "125m"
SERVERS_SECONDS = 90
JOIN_SECONDS = 120


class SoakError(RuntimeError):
    """A run could not be made at all: no figure comes of it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run happens."""

    tasks: Tasks
    """Of the namespace that the operator watches."""
    servers: str
    """The namespace of the servers."""
    tag: str
    """Of the images."""
    store: demo.Store
    """The store as this machine reaches it."""
    faults: FaultsInCluster | None = None
    """What stands between the recorders and the store, where there is something."""

    @property
    def livekit_url(self) -> str:
        """Where people and recorders join."""
        return f"ws://livekit.{self.servers}:{demo.LIVEKIT_PORT}"

    def record(self, channel: str, **spec: Any) -> str:
        """Make a task that records a channel, and return its name."""
        name, secret = f"t{request_id()}", "token"
        token = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}
        self.tasks.kubectl.apply(
            {**token, "stringData": {TOKEN_KEY: recorder_token(channel, identity=f"recorder-{name}")}},
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "metadata": {"name": name},
                "spec": {
                    "appId": APP,
                    "channel": channel,
                    "accessTokenSecretRef": {"name": secret},
                    "filenamePattern": OUTPUT,
                    "video": {"width": 640, "height": 360, "frameRate": 15, "bitrate": 500},
                    "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
                    **spec,
                },
            },
        )
        return name

    def fetch(self, task: str, folder: Path) -> None:
        """Download what a task recorded: it goes with the place."""
        recording.fetch(self.store, bucket=BUCKET, prefix=f"{APP}/{task}/", folder=folder)

    def stop(self, task: str) -> None:
        """Ask a task to end."""
        patch = '{"spec":{"stop":true}}'
        self.tasks.kubectl.run("patch", "egresstask", task, "--type=merge", "--patch", patch)

    @contextmanager
    def people(self, channel: str, people: Sequence[Person], *, seconds: float) -> Iterator[Publishers]:
        """Have people in a channel inside the block."""
        kubectl = Kubectl(namespace=self.servers)
        started = Publishers(
            name=publishers.pod_name(channel),
            identities=tuple(person.identity for person in people),
            kubectl=kubectl,
        )
        pod = publishers.pod(
            started.name,
            room=channel,
            people=people,
            duration_seconds=seconds,
            image=recorder_image(self.tag),
            namespace=self.servers,
        )
        pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": CPU}}
        pod["spec"]["containers"][0]["env"].append({"name": "LIVEKIT_URL", "value": self.livekit_url})
        kubectl.apply(*publishers.support_objects(namespace=self.servers), pod)
        try:
            started.wait_for("join", timeout_seconds=JOIN_SECONDS)
            yield started
        finally:
            started.stop()


def recorder_image(tag: str) -> str:
    """Name the recorder's image."""
    return f"egress-recorder:{tag}"


def build(tag: str) -> None:
    """Have images of this checkout, with a tag of their own, in every node."""
    settings = Settings.from_environment(os.environ)
    found = engine.find(settings)
    if found is None:
        raise SoakError("no Docker engine answers: run `make deploy` first")
    operator, recorder = f"egress-operator:{tag}", recorder_image(tag)
    for image, dockerfile, target in (
        (operator, "operator/Dockerfile", None),
        (recorder, "recorder-image/Dockerfile", "native"),
    ):
        build_image(image, ROOT, engine=found, settings=settings, dockerfile=ROOT / dockerfile, target=target)
    cluster = Cluster(engine=found, settings=settings)
    cluster.load(operator, recorder, into=[cluster.control_plane])


@contextmanager
def place(tag: str, *, faulty_store: bool = False) -> Iterator[Place]:
    """Set up servers and an operator of images with this tag; with `faulty_store` their store can be made to fail."""
    servers = f"soak-{request_id()[:8]}"
    kubectl = Kubectl(namespace=servers)
    try:
        kubectl.run("get", "crd", f"{PLURAL}.egress-operator.dev")
    except (KubectlError, FileNotFoundError) as problem:
        raise SoakError(f"the cluster has no EgressTasks ({problem}): run `make deploy` first") from None
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": servers}})
    try:
        kubectl.apply(*server_objects(servers))
        for name in ("livekit", "store"):
            wait = ("rollout", "status", f"deployment/{name}", f"--timeout={SERVERS_SECONDS}s")
            kubectl.run(*wait, timeout_seconds=SERVERS_SECONDS + 10)
        with ExitStack() as stack:
            faults = stack.enter_context(faulty(servers, tag)) if faulty_store else None
            tasks = stack.enter_context(scratch_release(values=release_values(servers, tag, faults)))
            yield Place(tasks=tasks, servers=servers, tag=tag, store=store_of(kubectl), faults=faults)
    finally:
        kubectl.run("delete", "namespace", servers, "--wait=false")


def server_objects(namespace: str) -> list[dict[str, Any]]:
    """Build the demo's RTC and S3 servers for another namespace; the store's data goes with it."""
    texts = [Path(demo.DEMO_FOLDER, f"{name}.yaml").read_text() for name in ("livekit", "store")]
    found = [document for text in texts for document in yaml.safe_load_all(text)]
    for document in found:
        document["metadata"]["namespace"] = namespace
        if document["kind"] == "Service":
            for port in document["spec"]["ports"]:
                port.pop("nodePort", None)
        if document["kind"] == "Deployment":
            for container in document["spec"]["template"]["spec"]["containers"]:
                container["resources"] = {"requests": {"cpu": CPU}}
            for volume in document["spec"]["template"]["spec"]["volumes"]:
                if volume.pop("hostPath", None):
                    volume["emptyDir"] = {}
    return found


def faulty(servers: str, tag: str) -> AbstractContextManager[FaultsInCluster]:
    """Put what can fail before the store."""
    upstream = f"store.{servers}.svc:{STORE_PORT}"
    return store_faults.in_cluster(namespace=servers, upstream=upstream, image=recorder_image(tag))


def release_values(servers: str, tag: str, faults: FaultsInCluster | None) -> dict[str, Any]:
    """Give the chart's values for an operator that works with these servers and with images of its own."""
    endpoint = faults.endpoint if faults else f"http://store.{servers}:{STORE_PORT}"
    return {
        "image": {"tag": tag},
        "recorder": {
            "image": {"tag": tag, "pullPolicy": "Never"},
            "resources": {"requests": {"cpu": RECORDER_CPU, "memory": "256Mi"}},
        },
        "store": {"options": {"endpoint": endpoint}},
        "sources": {"default": {"url": f"ws://livekit.{servers}:{demo.LIVEKIT_PORT}"}},
        # a reading every second, for two hours, is a load that nobody has
        "operator": {"settings": {"pollSeconds": 3}},
    }


def store_of(kubectl: Kubectl) -> demo.Store:
    """Find the store's address for this machine: a node's own, for nobody publishes this one's port."""
    port = kubectl.get("service", "store")["spec"]["ports"][0]["nodePort"]
    (pod,) = kubectl.get("pod", "--selector=app=store")["items"]
    return replace(demo.store(), endpoint=f"http://{pod['status']['hostIP']}:{port}")


def until_recording(place: Place, task: str, *, seconds: float = 90) -> dict[str, Any]:
    """Wait until a task has recorded its first frame, and return its status."""
    place.tasks.until_state(task, "PROCESSING", seconds=seconds)

    def first_frame() -> dict[str, Any] | None:
        status: dict[str, Any] = place.tasks.get(task)["status"]
        return status if status.get("firstFrameAt") else None

    return until(f"the first frame of {task}", first_frame, seconds=30)


def described(status: dict[str, Any]) -> str:
    """Say a task's status on one line."""
    chosen = {name: status.get(name) for name in ("state", "reason", "message", "attempt", "lostSeconds")}
    return json.dumps({name: value for name, value in chosen.items() if value})
