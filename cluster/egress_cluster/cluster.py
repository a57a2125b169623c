"""Brings the kind cluster up, down, and says how it is.

In: an engine and settings. Out: a running cluster with an admin kubeconfig in the cache. A cluster that answers is kept;
one that a killed run or engine left is deleted and made anew, for a node whose address changed cannot be trusted.
"""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from . import dns, gobuild
from .engine import Engine
from .errors import ClusterError, CommandFailed
from .images import is_ours, node_image
from .kindconfig import render
from .run import run, say, step, succeeds, wait_until
from .settings import Settings

_NETWORK = "kind"


class Cluster:
    """One kind cluster on one engine."""

    def __init__(self, *, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._environment = engine.environment(settings)
        self._kind = str(gobuild.wanted(gobuild.KIND, settings))
        self._kubectl = str(kubectl(settings))

    def up(self) -> None:
        """Have the cluster running, with DNS, and every node Ready."""
        if self.healthy():
            say(f"✓ cluster {self._settings.name} runs already")
        else:
            workers = self._workers(len(self.node_states()))
            self._delete_remains()
            self._create(node_image(engine=self._engine, settings=self._settings), workers=workers)
        self._settle()

    def healthy(self) -> bool:
        """Tell whether every node container runs, as many as asked for, and the API server answers.

        A spare node that a test took away and did not bring back is started again: that is no reason to lose the rest.
        """
        states = self.node_states()
        if states.get(self.control_plane) != "running":
            return False
        if self._settings.workers is not None and len(states) != 1 + self._settings.workers:
            return False
        for node in self.spares():
            self.start(node)
        if not self._is_as_created(states):
            return False
        export = [self._kind, "export", "kubeconfig", "--name", self._settings.name]
        export += ["--kubeconfig", str(self._settings.kubeconfig)]
        if not succeeds(export, seconds=30, env=self._environment):
            return False
        return self._answers()

    def _answers(self) -> bool:
        """Give a busy or restarting API server its time: the other way out is to delete everything in the cluster."""
        ask = [self._kubectl, "get", "--raw", "/readyz"]
        try:
            wait_until(
                "the API server answers",
                lambda: succeeds(ask, seconds=10, env=self._environment),
                seconds=self._settings.answer_seconds,
            )
        except ClusterError:
            return False
        return True

    def _is_as_created(self, nodes: Iterable[str]) -> bool:
        """Tell whether these nodes come from a creation that was finished, and nobody has started one again since.

        Docker starts them again after the engine's end, and then with whatever address is free.
        """
        return self._created.exists() and self._created.read_text() == self._starts(nodes)

    def _starts(self, nodes: Iterable[str]) -> str:
        # A worker may have been down in between: it finds back by itself, if only it has its address again.
        started = "{{.Name}} {{.State.StartedAt}}"
        address = "{{.Name}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return "".join(
            self._engine.docker(
                "inspect", "--format", started if node == self.control_plane else address, node,
                settings=self._settings,
            )
            for node in sorted(nodes)
        )  # fmt: skip

    @property
    def _created(self) -> Path:
        """The file that says when the finished cluster was started, and each worker's address."""
        return self._settings.stamps / f"cluster-{self._settings.name}"

    @property
    def control_plane(self) -> str:
        """Name the control plane's node container."""
        return f"{self._settings.name}-control-plane"

    def node_states(self) -> dict[str, str]:
        """Give each node container's state, by name."""
        listing = self._engine.docker(
            "ps", "--all", "--filter", f"label=io.x-k8s.kind.cluster={self._settings.name}",
            "--format", "{{.Names}} {{.State}}",
            settings=self._settings,
        )  # fmt: skip
        return dict(line.split(maxsplit=1) for line in listing.splitlines() if line.strip())

    def spares(self) -> list[str]:
        """Name the node containers beside the control plane."""
        return sorted(node for node in self.node_states() if node != self.control_plane)

    def cut_power(self, node: str) -> None:
        """End a node at once, with all that runs on it; its disk stays."""
        self._engine.docker("kill", node, settings=self._settings)

    def freeze(self, node: str) -> None:
        """Stop every process of a node where it is, until it is started again."""
        self._engine.docker("pause", node, settings=self._settings)

    def start(self, node: str) -> None:
        """Have a node's container running; the kubelet finds back by itself."""
        match self.node_states()[node]:
            case "running":
                return
            case "paused":
                self._engine.docker("unpause", node, settings=self._settings)
            case _:
                self._engine.docker("start", node, settings=self._settings)

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
        """Run kubectl as the cluster's admin."""
        return run([self._kubectl, *arguments], seconds=seconds, env=self._environment, stdin=stdin)

    def load(self, *images: str, into: Iterable[str] | None = None) -> None:
        """Put images of the engine into nodes (default: every one); a node that has this very image is left alone.

        All in one go: layers that the images share travel once.
        """
        identities = {image: self._identity(image) for image in images}
        lacking = {
            node: [image for image in images if self.inside(node, f"cat {_mark(image)}") != identities[image]]
            for node in (self.node_states() if into is None else into)
        }
        wanted = [image for image in images if any(image in missing for missing in lacking.values())]
        nodes = [node for node, missing in lacking.items() if missing]
        if not wanted:
            say(f"✓ {', '.join(images)}: in every node already")
            return
        log = self._settings.logs / "load.log"
        with step(f"loading {', '.join(wanted)} into {', '.join(nodes)}", log=log):
            command = [self._kind, "load", "docker-image", *wanted, "--name", self._settings.name]
            run([*command, "--nodes", ",".join(nodes)], seconds=600, log=log, env=self._environment)
        for node in nodes:
            marks = "; ".join(f"echo {identities[image]} > {_mark(image)}" for image in wanted)
            self.inside(node, f"mkdir -p /kind/loaded; {marks}")

    def forget(self, image: str) -> None:
        """Have `load` load an image again, whatever the nodes have."""
        for node in self.node_states():
            self.inside(node, f"rm -f {_mark(image)}")

    def put(self, path: str, source: Path) -> None:
        """Copy a file into every node; its folder is made where it is not there."""
        for node in self.node_states():
            folder = path.rpartition("/")[0]
            self._engine.docker("exec", node, "mkdir", "-p", folder, settings=self._settings)
            self._engine.docker("cp", str(source), f"{node}:{path}", settings=self._settings)

    def _identity(self, image: str) -> str:
        try:
            listing = self._engine.docker(
                "image", "inspect", "--format", "{{.Id}}", image, settings=self._settings
            )
        except CommandFailed:
            raise ClusterError(f"The engine has no image {image}: build it first") from None
        return listing.strip()

    def down(self) -> None:
        """Delete the cluster and, when it was the last, kind's network."""
        log = self._settings.logs / "kind-delete.log"
        with step(f"deleting cluster {self._settings.name}", log=log):
            self._delete(log)
        self._settings.kubeconfig.unlink(missing_ok=True)
        if not self._others():
            succeeds(
                [str(self._engine.client), "network", "rm", _NETWORK], seconds=60, env=self._environment
            )  # fails where somebody's containers are on it, and then it stays

    def others_left(self) -> bool:
        """Tell whether the engine still holds kind clusters."""
        return bool(self._others())

    def _others(self) -> list[str]:
        return run([self._kind, "get", "clusters"], seconds=30, env=self._environment).split()

    def _workers(self, nodes: int) -> int:
        """Give the number of workers for a cluster that is made anew, where there were so many nodes."""
        if self._settings.workers is not None:
            return self._settings.workers
        return nodes - 1 if nodes else 1

    def _delete_remains(self) -> None:
        if states := self.node_states():
            say(f"  nodes of an earlier run: {states}: made anew")
            log = self._settings.logs / "kind-delete.log"
            with step("deleting what an earlier run left", log=log):
                self._delete(log)

    def _delete(self, log: Path) -> None:
        self._created.unlink(missing_ok=True)
        command = [self._kind, "delete", "cluster", "--name", self._settings.name]
        command += ["--kubeconfig", str(self._settings.kubeconfig)]
        run(command, seconds=120, log=log, env=self._environment)

    def _create(self, image: str, *, workers: int) -> None:
        cgroup_v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        config = render(
            self._settings, image=image, workers=workers, ours=is_ours(image), cgroup_v1=cgroup_v1
        )
        log = self._settings.logs / f"kind-create-{self._settings.name}.log"
        log.unlink(missing_ok=True)
        command = [
            self._kind,
            "create",
            "cluster",
            "--name",
            self._settings.name,
            "--config",
            "-",
            "--retain",
        ]
        command += ["--kubeconfig", str(self._settings.kubeconfig)]
        with step(f"creating cluster {self._settings.name} (nodes: {1 + workers})", log=log):
            try:
                run(
                    command, seconds=self._settings.node_seconds, log=log, env=self._environment, stdin=config
                )
            except CommandFailed as problem:
                folder = self._keep_logs()
                raise ClusterError(f"{problem}\n  the nodes' logs: {folder}") from problem
        self._created.parent.mkdir(parents=True, exist_ok=True)
        self._created.write_text(self._starts(self.node_states()))

    def _keep_logs(self) -> Path:
        """Save what the nodes say before anybody deletes them."""
        folder = self._settings.logs / f"nodes-{self._settings.name}"
        shutil.rmtree(folder, ignore_errors=True)
        succeeds(
            [self._kind, "export", "logs", str(folder), "--name", self._settings.name],
            seconds=60,
            env=self._environment,
        )
        return folder

    def _settle(self) -> None:
        """Wait for nodes and DNS; DNS is made to fit a machine whose own names cannot be asked."""
        with step("waiting for nodes and DNS"):
            self._open_control_plane()
            dns.mend(self)
            try:
                self.kubectl(
                    "wait", "--for=condition=Ready", "node", "--all",
                    f"--timeout={self._settings.node_seconds}s", seconds=self._settings.node_seconds + 10,
                )  # fmt: skip
                self.kubectl(
                    "-n", "kube-system", "rollout", "status", "deployment/coredns",
                    f"--timeout={self._settings.node_seconds}s", seconds=self._settings.node_seconds + 10,
                )  # fmt: skip
            except CommandFailed as problem:
                raise ClusterError(f"{problem}\n  the nodes' logs: {self._keep_logs()}") from problem

    def _open_control_plane(self) -> None:
        """Let the control plane's node take Pods too: with workers, kubeadm closes it."""
        taint = "node-role.kubernetes.io/control-plane"
        nodes = json.loads(self.kubectl("get", "nodes", "-l", taint, "-o", "json"))["items"]
        for node in nodes:
            if any(each["key"] == taint for each in node["spec"].get("taints", [])):
                self.kubectl("taint", "node", node["metadata"]["name"], f"{taint}-")

    def inside(self, node: str, script: str) -> str:
        """Run a shell script in a node and give what it says; nothing where that fails."""
        try:
            return self._engine.docker("exec", node, "sh", "-c", script, settings=self._settings).strip()
        except CommandFailed:
            return ""


def _mark(image: str) -> str:
    """Name the file in a node that says which state of an image was loaded."""
    return f"/kind/loaded/{re.sub('[^A-Za-z0-9._-]', '_', image)}"


def kubectl(settings: Settings) -> Path:
    """Give the machine's kubectl, or ours."""
    if found := gobuild.on_path("kubectl", settings):
        return found
    gobuild.build(gobuild.KUBE, settings)
    return settings.bin / "kubectl"
