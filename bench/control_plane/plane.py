"""The cluster that both sides run on: API server, etcd, scheduler, controllers, and nodes that kwok plays.

In: the programs that Go built. Out: a `Plane` with identities whose calls the API server counts apart. Everything is on
loopback and ends with it. Controllers and scheduler have the client rate of a cluster that is made for many Pods.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench import ROOT
from bench.control_plane import stages
from bench.control_plane.callers import COUNTED, PROGRAMS, flow_schemas
from bench.control_plane.figures import Usage, dispatched
from bench.control_plane.process import Program, Running, usage
from bench.errors import BenchError
from egress_api.constants import GROUP, PLURAL
from egress_cluster import gobuild
from egress_cluster.apiserver import ApiServer
from egress_cluster.run import wait_until
from egress_cluster.settings import Settings

QPS, BURST = 1000, 2000
START_SECONDS = 60
METRICS_TRIES = 5
QUIET_SECONDS = 120
"""After which the next run begins all the same."""
CLIENT = "client"
"""This process: who calls on both sides."""
_RESTING_CORES = 0.1


class Plane:
    """A context manager: the processes end with it, by their own ids."""

    def __init__(self, *, nodes: int, folder: Path | None, say: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            nodes: that kwok plays.
            folder: where data and logs go, and stay; by default a new one that goes with the plane.
            say: is told what is going on.
        """
        self._folder = folder
        self._nodes = nodes
        self._say = say
        self._stack = ExitStack()
        self._running: list[Running] = []
        self.server: ApiServer

    def __enter__(self) -> Self:
        settings = Settings.from_environment(os.environ)
        kube = gobuild.build(gobuild.KUBE, settings)
        kwok = gobuild.build(gobuild.KWOK, settings)
        with ExitStack() as stack:
            self._say("API server and etcd …")
            self.server = stack.enter_context(ApiServer(kube, folder=self._folder))
            self._prepare()
            for program in self._programs(kube, kwok):
                self._running.append(stack.enter_context(Running(program)))
            self._make_nodes()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, value, trace)

    @property
    def folder(self) -> Path:
        """Where logs and settings go."""
        return self.server.folder

    @property
    def version(self) -> str:
        """The API server's."""
        return str(self.server.request("GET", "/version")["gitVersion"])

    def usage(self) -> dict[str, Usage]:
        """Read what each process has spent so far."""
        found = {name: usage(pid) for name, pid in {**self.server.pids, CLIENT: os.getpid()}.items()}
        return found | {running.name: running.usage() for running in self._running}

    async def quiet(self) -> None:
        """Wait until controllers, scheduler and kwok rest: what the last run left is not the next one's to pay."""
        for _ in range(QUIET_SECONDS):
            before = self._busy()
            await asyncio.sleep(1)
            if self._busy() - before < _RESTING_CORES:
                return

    def _busy(self) -> float:
        return sum(running.usage().cpu_seconds for running in self._running)

    def calls(self) -> dict[str, int]:
        """Read how many calls each of the callers has made so far: `operator/pods`, `operator/reads`."""
        metrics = self._metrics()
        return {name.replace(".", "/"): n for name, n in dispatched(metrics, prefix=COUNTED).items()}

    def _metrics(self) -> str:
        tries = 0
        while True:
            try:
                return str(self.server.request("GET", "/metrics"))
            except OSError as error:  # a page of megabytes, of a server that has much to do
                tries += 1
                if tries == METRICS_TRIES:
                    raise BenchError(f"the API server's /metrics can't be read: {error}") from error

    def make_namespace(self, name: str) -> None:
        """Make a namespace in which gateway and operator have the rights that the chart gives them."""
        self.server.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
        rights = yaml.safe_load((ROOT / "charts/egress-operator/files/rights.yaml").read_text())
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
        for holder in ("operator", "gateway"):
            rules = [{key: value for key, value in rule.items() if key != "why"} for rule in rights[holder]]
            self.server.request("POST", f"{rbac}/roles", body={"metadata": {"name": holder}, "rules": rules})
            self.server.request(
                "POST",
                f"{rbac}/rolebindings",
                body={
                    "metadata": {"name": holder},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": holder},
                    "subjects": [{"kind": "ServiceAccount", "name": holder, "namespace": PROGRAMS}],
                },
            )

    def kubeconfig(self, holder: str) -> Path:
        """Give a program's kubeconfig: a token of its service account."""
        return self.server.service_account(holder, namespace=PROGRAMS)

    def _prepare(self) -> None:
        self._define_tasks()
        self.server.request("POST", "/api/v1/namespaces", body={"metadata": {"name": PROGRAMS}})
        for holder in ("operator", "gateway"):
            path = f"/api/v1/namespaces/{PROGRAMS}/serviceaccounts"
            self.server.request("POST", path, body={"metadata": {"name": holder}})
        path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
        for body in flow_schemas():
            self.server.request("POST", path, body=body)

    def _define_tasks(self) -> None:
        crd = yaml.safe_load((ROOT / "crds" / "egresstasks.yaml").read_text())
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        self.server.request("POST", path, body=crd)

        def established() -> bool:
            found = self.server.request("GET", f"{path}/{PLURAL}.{GROUP}").get("status", {})
            return any(
                c["type"] == "Established" and c["status"] == "True" for c in (found.get("conditions") or [])
            )

        wait_until("EgressTasks are served", established, seconds=START_SECONDS)

    def _programs(self, kube: Path, kwok: Path) -> list[Program]:
        for name in ("kube-controller-manager", "kube-scheduler"):
            (self.folder / name).symlink_to(kube)
        config = self.folder / "kwok.yaml"
        config.write_text(stages.configuration())
        rates = [
            f"--kube-api-qps={QPS}",
            f"--kube-api-burst={BURST}",
            "--leader-elect=false",
            "--secure-port=0",
        ]
        manager = self.server.user("system:kube-controller-manager")
        scheduler = self.server.user("system:kube-scheduler")
        # As in a cluster that kubeadm made: each controller has its own service account.
        controllers = "--controllers=job-controller,garbage-collector-controller"
        commands: dict[str, list[str]] = {
            "kube-controller-manager": [
                str(self.folder / "kube-controller-manager"), f"--kubeconfig={manager}", controllers,
                "--use-service-account-credentials=true", *rates,
            ],
            "kube-scheduler": [str(self.folder / "kube-scheduler"), f"--kubeconfig={scheduler}", *rates],
            "kwok": [
                str(kwok), f"--kubeconfig={self.server.kubeconfig}", f"--config={config}", "--manage-all-nodes",
                f"--node-ip={stages.ADDRESS}", "--node-lease-duration-seconds=0",
            ],
        }  # fmt: skip
        return [Program(name=name, command=command, folder=self.folder) for name, command in commands.items()]

    def _make_nodes(self) -> None:
        self._say(f"{self._nodes} nodes, scheduler and Job controller …")
        for number in range(self._nodes):
            name = f"node-{number}"
            node = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}
            self.server.request("POST", "/api/v1/nodes", body=node)
        self._wait("nodes are Ready", self._ready_nodes)

    def _ready_nodes(self) -> bool:
        nodes = self.server.request("GET", "/api/v1/nodes")["items"]
        for node in nodes:
            # The API server gives each new node this taint, and no controller is here to take it.
            if node["spec"].pop("taints", None) is not None:
                path = f"/api/v1/nodes/{node['metadata']['name']}"
                self.server.request("PUT", path, body=node)
                return False
        return all(_ready(node) for node in nodes)

    def _wait(self, what: str, test: Callable[[], bool]) -> None:
        def holds() -> bool:
            for running in self._running:
                running.check()
            return test()

        wait_until(what, holds, seconds=START_SECONDS)


def _ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def now() -> float:
    """Return seconds that only go forward."""
    return time.monotonic()
