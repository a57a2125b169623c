"""Where things are and how long they may take: the one typed class that every module is given.

In: the environment and the command line's options. Out: `Settings`, with every path derived from the cache
folder. It touches neither disk nor network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLUSTER_FOLDER = Path(__file__).resolve().parent.parent

KUBERNETES_VERSION = "v1.34.4"
"""The newest Kubernetes that still runs on cgroup v1 and with Debian bookworm's containerd 1.6."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one run of `egress_cluster` goes by."""

    cache: Path
    """Folder for all that is built; outside the checkout, so that a fresh clone finds it again."""

    engine_run: Path = Path("/run/egress-docker")
    """Socket, pid file and container state of our own Docker engine: gone after a reboot, as it should be."""

    name: str = "egress"
    """The kind cluster's name; also what its node containers are called."""

    workers: int | None = None
    """Spare nodes beside the control plane, which does everything; another number makes the cluster anew. None = as
    many as there are; a new cluster then gets one, for the tests that take a node away."""

    port_offset: int = 0
    """Added to the host ports, so that a second cluster fits beside the first."""

    publish_ports: bool = True
    """Whether the gateway's and the store's node ports appear on 127.0.0.1."""

    gateway_port: int = 8091
    """Host port of the gateway (node port 30091): the REST contract's port."""

    store_port: int = 8092
    """Host port of the demo's S3 server (node port 30092)."""

    pull_seconds: int = 20
    """Seconds to try for an image's manifest before it counts as out of reach (an answer takes 1 or 2)."""

    pull_again_seconds: int = 7 * 24 * 3600
    """Seconds for which a failed pull is remembered; a machine without a registry seldom gets one."""

    engine_seconds: int = 60
    """Seconds for Docker to answer after its start (4 here)."""

    answer_seconds: int = 45
    """Seconds that an existing cluster's API server gets to answer before the cluster is made anew."""

    node_seconds: int = 180
    """Seconds for every node to be Ready and DNS to run (20 to 40 here)."""

    demo_seconds: int = 120
    """Seconds for the demo's servers to be ready (5 here)."""

    build_seconds: int = 45 * 60
    """Seconds for one build; Kubernetes takes 6 minutes on 2 free cores."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment that programs are started with."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read `EGRESS_CACHE` (default `~/.cache/egress-operator`) and `EGRESS_RUN` (default /run/egress-docker)."""
        cache = (
            environment.get("EGRESS_CACHE") or f"{environment.get('HOME', '/root')}/.cache/egress-operator"
        )
        return cls(
            cache=Path(cache).resolve(),
            engine_run=Path(environment.get("EGRESS_RUN") or cls.engine_run).resolve(),
            environment=dict(environment),
        )

    @property
    def bin(self) -> Path:
        """Programs that the cluster's users need on their PATH."""
        return self.cache / "bin"

    @property
    def go(self) -> Path:
        """What Go built, one folder for each digest of sources and flags."""
        return self.cache / "go"

    @property
    def logs(self) -> Path:
        """One log for each step."""
        return self.cache / "logs"

    @property
    def stamps(self) -> Path:
        """Small files that say what was built from what."""
        return self.cache / "stamps"

    @property
    def kubeconfig(self) -> Path:
        """The admin kubeconfig; a cluster with a name of its own gets a file of its own."""
        return self.cache / ("kubeconfig" if self.name == "egress" else f"kubeconfig-{self.name}")

    @property
    def engine_root(self) -> Path:
        """Data of our own Docker engine."""
        return self.cache / "docker"

    @property
    def engine_host(self) -> str:
        """Where our own Docker engine listens."""
        return f"unix://{self.engine_run}/docker.sock"
