"""The chart on a real cluster, in namespaces of its own that enforce `restricted`: install, upgrade, uninstall.

The EgressTask definition belongs to the demo's release and is left alone; tests/api/chart has it.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from egress_api.constants import TASK_LABEL
from egress_cluster.deploy import CHART, demo_values, namespace_objects
from support.charts import REPOSITORY, merged
from support.e2e import Tasks, request_id, until
from support.kubectl import Kubectl
from support.publishers import Publishers, recorder_token
from support.releases import helm
from support.store import fetch_task

pytestmark = pytest.mark.timeout(300)

RELEASE = "egress-two"
OVER_THE_DEMOS: dict[str, Any] = {
    "crds": {"install": False},
    "gateway": {"replicas": 2, "service": {"type": "ClusterIP", "nodePort": None}},
}
EXAMPLE = yaml.safe_load((REPOSITORY / "examples" / "record-channel.yaml").read_text())


@dataclass(frozen=True)
class Release:
    """A release in a namespace of its own."""

    tasks: Tasks
    folder: Path
    task: str
    """A name of its own: a task's folder in the store is written by one task alone."""

    @property
    def kubectl(self) -> Kubectl:
        return self.tasks.kubectl

    def helm(self, command: str, *arguments: str, values: dict[str, Any] | None = None) -> str:
        if values is not None:
            file = self.folder / f"{command}.json"
            file.write_text(json.dumps(merged(merged(demo_values(), OVER_THE_DEMOS), values)))
            arguments = (str(CHART), f"--values={file}", *arguments)
        return helm(self.kubectl, command, RELEASE, *arguments, "--wait", "--timeout=2m", seconds=150)

    def record(self) -> dict[str, Any]:
        """Apply the example, and return its Pod once it is there."""
        token = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": EXAMPLE["spec"]["accessTokenSecretRef"]["name"]},
            "stringData": {"access_token": recorder_token(EXAMPLE["spec"]["channel"], identity=request_id())},
        }
        self.kubectl.apply(token, {**EXAMPLE, "metadata": {"name": self.task}})
        return until("the recorder's Pod", lambda: next(iter(self.tasks.pods(self.task)), None), seconds=20)

    def until_it_has_files(self) -> None:
        self.tasks.until_state(self.task, "PROCESSING", seconds=60)
        until("the first file", lambda: self.tasks.get(self.task)["status"].get("files"), seconds=40)

    def pod_of(self, component: str) -> str:
        """Return the UID of the component's one Pod that is not on its way out."""
        pods = self.tasks.all_of("pod", selector=f"app.kubernetes.io/component={component}")
        (pod,) = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return str(pod["metadata"]["uid"])

    def leftovers(self) -> list[str]:
        """Return what an uninstall should have removed and has not."""
        kinds = "all,role,rolebinding,serviceaccount,networkpolicy,configmap,pdb"
        ours = self.tasks.all_of(kinds, selector=f"app.kubernetes.io/instance={RELEASE}")
        recorders = self.tasks.all_of("pod", selector=TASK_LABEL)
        return [f"{item['kind']}/{item['metadata']['name']}" for item in (*ours, *recorders)]


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    """A namespace for a release; whatever a failed test leaves in it is taken away."""
    namespace = f"chart-{request_id()[:8]}"
    kubectl = Kubectl(namespace=namespace)
    kubectl.apply(*namespace_objects(namespace))
    try:
        yield Release(Tasks(kubectl), tmp_path, f"record-{request_id()[:8]}")
    finally:
        with contextlib.suppress(AssertionError):  # already uninstalled
            helm(kubectl, "uninstall", RELEASE, "--ignore-not-found", "--timeout=3m", seconds=200)
        for pod in Tasks(kubectl).all_of("pod", selector=TASK_LABEL):
            patch = '--patch={"metadata": {"finalizers": null}}'
            kubectl.run("patch", "pod", pod["metadata"]["name"], "--type=merge", patch)
        kubectl.run("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def test_install_upgrade_and_uninstall_with_a_running_recording(
    release: Release, people: Publishers, tmp_path: Path
) -> None:
    release.helm("install", values={})
    proxy = f"/api/v1/namespaces/{release.kubectl.namespace}/services/{RELEASE}-gateway:http/proxy"
    assert release.kubectl.run("get", "--raw", f"{proxy}/readyz")
    recorder = release.record()["metadata"]["uid"]
    release.until_it_has_files()
    operator = release.pod_of("operator")

    release.helm("upgrade", values={"region": "upgraded"})
    assert release.pod_of("operator") != operator
    assert release.pod_of("recorder") == recorder
    seen = len(release.tasks.get(release.task)["status"]["files"])
    assert release.tasks.get(release.task)["status"]["state"] == "PROCESSING"
    assert seen == 1
    answer = json.loads(release.kubectl.run("get", "--raw", f"{proxy}/egress/v1/my-app/tasks/{release.task}"))
    assert (answer["task_id"], answer["status"]) == (release.task, "PROCESSING")

    began = time.monotonic()
    release.helm("uninstall")
    assert time.monotonic() - began < 60
    until("nothing of the release is left", lambda: not release.leftovers(), seconds=45)
    status = release.tasks.get(release.task)["status"]
    assert (status["state"], status["reason"]) == ("STOPPED", "StopRequested")
    result = fetch_task(release.task, tmp_path / "recording", app=EXAMPLE["spec"]["appId"])
    assert result.manifest.complete
    assert result.problems() == []
    assert release.tasks.find("secret", "store-credentials") is not None

    release.kubectl.run("delete", "namespace", release.kubectl.namespace, "--timeout=60s", timeout_seconds=70)


def test_an_uninstall_whose_operator_is_dead_still_saves_the_recording(
    release: Release, people: Publishers, tmp_path: Path
) -> None:
    release.helm("install", values={"gateway": {"enabled": False}})
    release.record()
    release.until_it_has_files()
    operator = "app.kubernetes.io/component=operator"
    release.kubectl.run("scale", f"deployment/{RELEASE}-operator", "--replicas=0")
    release.kubectl.run(
        "wait", "--for=delete", "pod", f"--selector={operator}", "--timeout=40s", timeout_seconds=50
    )

    release.helm("uninstall")
    until("nothing of the release is left", lambda: not release.leftovers(), seconds=45)
    result = fetch_task(release.task, tmp_path / "recording", app=EXAMPLE["spec"]["appId"])
    assert result.manifest.complete
    assert result.problems() == []


def test_an_uninstall_does_not_wait_for_a_recorder_that_never_starts(release: Release) -> None:
    absent = {"recorder": {"image": {"tag": "absent", "pullPolicy": "Never"}}, "gateway": {"enabled": False}}
    release.helm("install", values=absent)
    pod = release.record()
    assert pod["metadata"]["finalizers"]
    began = time.monotonic()
    release.helm("uninstall")
    assert time.monotonic() - began < 45
    until("nothing of the release is left", lambda: not release.leftovers(), seconds=45)
    assert release.tasks.get(release.task)["status"]["state"] in {"STOPPED", "FAILED"}
