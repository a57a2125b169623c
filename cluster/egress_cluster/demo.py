"""Runs the demo's S3 and RTC servers in the cluster.

In: a running cluster. Out: both servers ready, in namespace `egress-demo`. What they are is in `cluster/demo/*.yaml`.
"""

from .cluster import Cluster
from .engine import Engine
from .errors import ClusterError, CommandFailed
from .images import demo_image
from .run import step
from .settings import CLUSTER_FOLDER, Settings

NAMESPACE = "egress-demo"
SERVERS = ("store", "livekit")
_FOLDER = CLUSTER_FOLDER / "demo"


def up(cluster: Cluster, *, engine: Engine, settings: Settings) -> None:
    """Have the demo's servers ready; what runs as it should is left alone."""
    cluster.load(demo_image(engine=engine, settings=settings))
    with step("starting the demo's S3 and RTC servers"):
        for name in ("namespace", *SERVERS):
            cluster.kubectl("apply", "-f", str(_FOLDER / f"{name}.yaml"))
        try:
            for name in SERVERS:
                cluster.kubectl(
                    "-n", NAMESPACE, "rollout", "status", f"deployment/{name}",
                    f"--timeout={settings.demo_seconds}s", seconds=settings.demo_seconds + 10,
                )  # fmt: skip
        except CommandFailed as problem:
            log = settings.logs / "demo.log"
            log.write_text(_what_happened(cluster))
            raise ClusterError(str(problem), log=log) from problem


def _what_happened(cluster: Cluster) -> str:
    """Collect what a person would ask for first: the Pods, and what they and the cluster say."""
    questions = (
        ("describe", "pods"),
        ("logs", "deployment/store", "--tail=100"),
        ("logs", "deployment/livekit", "--tail=100"),
    )
    answers = []
    for question in questions:
        try:
            answers.append(cluster.kubectl("-n", NAMESPACE, *question))
        except CommandFailed as problem:
            answers.append(str(problem))
    return "\n\n".join(answers)
