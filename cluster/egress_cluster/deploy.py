"""Installs the chart of this checkout in the cluster: what the demo, the e2e tests and the bench stand on.

In: a running cluster with the demo's servers. Out: release `egress` in namespace `egress`, which enforces the
`restricted` Pod Security Standard, with images built from this checkout. A second call with nothing changed
changes nothing.
"""

import json
from pathlib import Path
from typing import Any, Protocol

import yaml

from . import gobuild
from .builds import build_image
from .cluster import Cluster
from .engine import Engine
from .errors import ClusterError, CommandFailed
from .run import run, step
from .settings import CLUSTER_FOLDER, Settings

ROOT = CLUSTER_FOLDER.parent
CHART = ROOT / "charts" / "egress-operator"
RELEASE = "egress"
NAMESPACE = "egress"
STORE_SECRET = "store-credentials"  # noqa: S105 - a Secret's name
IMAGES = (
    ("egress-operator:dev", ROOT / "operator" / "Dockerfile", None),
    ("egress-recorder:dev", ROOT / "recorder-image" / "Dockerfile", "native"),
    ("egress-recorder-web:dev", ROOT / "recorder-image" / "Dockerfile", "web"),
)
ON_SPARES = "egress-recorder:dev"
"""All that a spare node takes: a test's recorders. The image with the browser is a gigabyte more."""
SECCOMP_PROFILE = CHART / "files" / "seccomp-chromium.json"
SECCOMP_ON_NODE = "/var/lib/kubelet/seccomp/egress-chromium.json"
"""Where the kubelet looks for `localhostProfile: egress-chromium.json`: on every node, before the first Pod asks."""
_HELM_SECONDS = 180
_UNFINISHED = f"owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)"


class Kubectl(Protocol):
    """What is needed of a cluster to clear up after helm."""

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl."""


def deploy(cluster: Cluster, *, engine: Engine, settings: Settings) -> None:
    """Build the images, load them, and install or upgrade the release."""
    for tag, dockerfile, target in IMAGES:
        build_image(tag, ROOT, engine=engine, settings=settings, dockerfile=dockerfile, target=target)
    cluster.load(*(tag for tag, _, _ in IMAGES), into=[cluster.control_plane])
    if spares := cluster.spares():
        cluster.load(ON_SPARES, into=spares)
    cluster.put(SECCOMP_ON_NODE, SECCOMP_PROFILE)
    cluster.kubectl("apply", "-f", "-", stdin=_as_list(namespace_objects(NAMESPACE)))
    values = settings.cache / "values.json"
    values.write_text(json.dumps(_with_image_ids(demo_values(), engine=engine, settings=settings)))
    log = settings.logs / "helm.log"
    helm = str(gobuild.wanted(gobuild.HELM, settings))
    command = [helm, "upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE]
    command += ["--values", str(values), "--wait", f"--timeout={_HELM_SECONDS}s"]
    with step(f"installing the chart as release {RELEASE}", log=log):
        forget_unfinished(cluster)
        try:
            run(command, seconds=_HELM_SECONDS + 30, log=log, env=engine.environment(settings))
        except CommandFailed as problem:
            _tell_what_the_pods_say(cluster, log=log)
            raise ClusterError("the chart could not be installed", log=log) from problem


def forget_unfinished(cluster: Kubectl) -> None:
    """Delete helm's record of a run that was killed: with it, helm refuses every later one.

    Only one run of ours works on the cluster at a time, so nobody is still at it. What it had installed stays, and
    the next run takes it up.
    """
    cluster.kubectl("--namespace", NAMESPACE, "delete", "secret", "--selector", _UNFINISHED)


def demo_values() -> dict[str, Any]:
    """Return the chart's values for the demo's cluster."""
    values: dict[str, Any] = yaml.safe_load((CLUSTER_FOLDER / "demo" / "values.yaml").read_text())
    return values


def namespace_objects(namespace: str) -> list[dict[str, Any]]:
    """Return a namespace in which tasks can record into the demo's store.

    It enforces `restricted`, and holds the store's credentials as the operator mounts them.
    """
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    credentials = next(
        document
        for document in yaml.safe_load_all((CLUSTER_FOLDER / "demo" / "store.yaml").read_text())
        if document["kind"] == "Secret"
    )
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": enforce}},
        {**credentials, "metadata": {"name": STORE_SECRET, "namespace": namespace}},
    ]


def _with_image_ids(values: dict[str, Any], *, engine: Engine, settings: Settings) -> dict[str, Any]:
    # The tag stays `dev`: the annotation is what makes a new image roll the Deployments.
    form = ["image", "inspect", "--format", "{{.Id}}", IMAGES[0][0]]
    annotation = {"egress-operator.dev/image": engine.docker(*form, settings=settings).strip()}
    return {
        **values,
        "operator": {**values.get("operator", {}), "podAnnotations": annotation},
        "gateway": {**values.get("gateway", {}), "podAnnotations": annotation},
    }


def _as_list(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _tell_what_the_pods_say(cluster: Cluster, *, log: Path) -> None:
    with log.open("a") as file:
        for question in (["get", "pods", "-o", "wide"], ["describe", "pods"]):
            try:
                file.write(cluster.kubectl("-n", NAMESPACE, *question))
            except CommandFailed as problem:
                file.write(str(problem))
