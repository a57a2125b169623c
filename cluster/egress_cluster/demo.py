"""Runs the demo's S3, RTC and web servers in the cluster.

In: a running cluster; for the web server, the recorder's image in the control plane's node too. Out: servers that are ready, in
namespace `egress-demo`. What they are is in `cluster/demo/*.yaml`.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .engine import Engine
from .errors import ClusterError, CommandFailed
from .images import demo_image
from .run import step
from .settings import CLUSTER_FOLDER, Settings

NAMESPACE = "egress-demo"
SERVERS = ("store", "livekit")
PAGES = "pages"
"""The web server: apart from the others, for it runs in the recorder's image, which `deploy` builds."""
_FOLDER = CLUSTER_FOLDER / "demo"


def up(cluster: Cluster, *, engine: Engine, settings: Settings) -> None:
    """Have the demo's servers ready; what runs as it should is left alone."""
    cluster.load(demo_image(engine=engine, settings=settings), into=[cluster.control_plane])
    with step("starting the demo's S3 and RTC servers"):
        for name in ("namespace", *SERVERS):
            cluster.kubectl("apply", "-f", str(_FOLDER / f"{name}.yaml"))
        _wait(cluster, *SERVERS, settings=settings)


def serve_pages(cluster: Cluster, *, settings: Settings) -> None:
    """Have the web server ready with the pages of this checkout."""
    with step("starting the demo's web server"):
        pages = pages_config(_FOLDER / PAGES)
        # The client's side of `apply` would copy it all into an annotation, which is too small.
        arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        cluster.kubectl(*arguments, stdin=json.dumps(pages))
        cluster.kubectl("apply", "-f", str(_FOLDER / f"{PAGES}.yaml"))
        # The kubelet takes up to a minute to bring new files into a running Pod.
        digest = hashlib.sha256(json.dumps(pages, sort_keys=True).encode()).hexdigest()[:16]
        annotation = {"metadata": {"annotations": {"egress-demo/pages": digest}}}
        patch = json.dumps({"spec": {"template": annotation}})
        cluster.kubectl("-n", NAMESPACE, "patch", f"deployment/{PAGES}", "--patch", patch)
        _wait(cluster, PAGES, settings=settings)


def pages_config(folder: Path) -> dict[str, Any]:
    """Build the ConfigMap that holds a folder's files: texts as they are, everything else in base64."""
    texts: dict[str, str] = {}
    others: dict[str, str] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        data = path.read_bytes()
        try:
            texts[path.name] = data.decode()
        except UnicodeDecodeError:
            others[path.name] = base64.b64encode(data).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PAGES, "namespace": NAMESPACE},
        "data": texts,
        "binaryData": others,
    }


def _wait(cluster: Cluster, *names: str, settings: Settings) -> None:
    try:
        for name in names:
            cluster.kubectl(
                "-n", NAMESPACE, "rollout", "status", f"deployment/{name}",
                f"--timeout={settings.demo_seconds}s", seconds=settings.demo_seconds + 10,
            )  # fmt: skip
    except CommandFailed as problem:
        log = settings.logs / "demo.log"
        log.write_text(_what_happened(cluster, *names))
        raise ClusterError(str(problem), log=log) from problem


def _what_happened(cluster: Cluster, *names: str) -> str:
    """Collect what a person would ask for first: the Pods, and what they and the cluster say."""
    questions = (
        ("describe", "pods"),
        *(("logs", f"deployment/{name}", "--tail=100") for name in names),
    )
    answers = []
    for question in questions:
        try:
            answers.append(cluster.kubectl("-n", NAMESPACE, *question))
        except CommandFailed as problem:
            answers.append(str(problem))
    return "\n\n".join(answers)
