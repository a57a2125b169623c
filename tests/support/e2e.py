"""What the e2e tests hold in their hands: kubectl, the REST API, and a way to wait that has an end.

Everything goes through what a user has: the published port of the gateway, kubectl with the cluster's
kubeconfig, the store's S3 port. Nothing here reaches into a program of ours.
"""

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from egress_api.constants import TASK_LABEL
from support import cluster_api
from support.kubectl import Kubectl

T = TypeVar("T")

APP = "demo"
NAMESPACE = "egress"


def until(what: str, probe: Callable[[], T | None], *, seconds: float, every: float = 0.2) -> T:
    """Ask until there is an answer that is not empty, and return it.

    Raises:
        AssertionError: after `seconds`, with what was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(every)


@dataclass(frozen=True)
class Tasks:
    """The tasks of a namespace, as the API has them."""

    kubectl: Kubectl = field(default_factory=lambda: Kubectl(namespace=NAMESPACE))

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None where there is none."""
        if kind == "egresstask":
            return cluster_api.task(self.kubectl.kubeconfig, self.kubectl.namespace, name)
        text = self.kubectl.run("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def all_of(self, kind: str, *, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        return self.kubectl.get(kind, "--selector", selector)["items"]

    def get(self, name: str) -> dict[str, Any]:
        """Return a task's resource."""
        task = self.find("egresstask", name)
        assert task is not None, f"there is no task {name}"
        return task

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return a task's recorder Pods."""
        kubectl = self.kubectl
        return cluster_api.pods(kubectl.kubeconfig, kubectl.namespace, selector=f"{TASK_LABEL}={name}")

    def every(self) -> list[dict[str, Any]]:
        """Return all tasks."""
        return cluster_api.tasks(self.kubectl.kubeconfig, self.kubectl.namespace)

    def until_state(self, name: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a task is in one of the states, and return it; an end in another fails at once."""

        def probe() -> dict[str, Any] | None:
            task = self.get(name)
            state = task.get("status", {}).get("state")
            if state in states:
                return task
            ended = state in {"STOPPED", "FAILED", "TIMEOUT"}
            assert not ended, f"{name} is {state}, not {states}"
            return None

        try:
            return until(f"{name} is {' or '.join(states)}", probe, seconds=seconds)
        except AssertionError as problem:
            status = json.dumps(self.get(name).get("status"), indent=1)
            raise AssertionError(f"{problem}\nstatus: {status}") from None

    def follow_log(self, pod: str) -> "Following":
        """Begin to keep a Pod's log until the Pod is gone: its last words count too."""
        return Following(
            subprocess.Popen(
                self.kubectl.command("logs", "--follow", pod),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )


@dataclass(frozen=True)
class Following:
    """A Pod's log that is being kept."""

    process: subprocess.Popen[bytes]

    def text(self, *, seconds: float = 60) -> str:
        """Wait for the end of the log and return it."""
        out, _ = self.process.communicate(timeout=seconds)
        return out.decode(errors="replace")


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Gateway:
    """The REST API, over plain HTTP with a new connection for each call."""

    url: str

    def call(self, method: str, path: str, body: Any = None, *, seconds: float = 15) -> Answer:
        """Send a request; `body` is an object to send as JSON, or bytes to send as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return Answer(response.status, dict(response.headers), _body(response))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), _body(error))

    def start(self, body: Any, *, app: str = APP) -> Answer:
        """Start a task."""
        return self.call("POST", f"/egress/v1/{app}/tasks", body)

    def status(self, task: str, *, app: str = APP) -> Answer:
        """Ask for a task."""
        return self.call("GET", f"/egress/v1/{app}/tasks/{task}")

    def stop(self, task: str, *, app: str = APP) -> Answer:
        """Stop a task."""
        return self.call("POST", f"/egress/v1/{app}/tasks/{task}/stop", {"request_id": request_id()})


def _body(response: http.client.HTTPResponse | urllib.error.HTTPError) -> Any:
    """Parse JSON; /healthz, /readyz and /metrics answer with plain text."""
    text = response.read().decode()
    return json.loads(text) if "json" in (response.headers.get_content_subtype() or "") else text


def request_id() -> str:
    """Return a new request id."""
    return uuid.uuid4().hex[:20]


def start_body(*, channel: str, token: str, **payload: Any) -> dict[str, Any]:
    """Return a start call's body as design.md has it; keywords replace or add fields of the payload."""
    return {
        "request_id": request_id(),
        "cmd": "record",
        "payload": {
            "layout": "flat",
            "channel": channel,
            "access_token": token,
            "workerUid": 42,
            "users": [],
            "filename_pattern": "file_output",
            "format": "hls",
            "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
            "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
            **payload,
        },
    }
