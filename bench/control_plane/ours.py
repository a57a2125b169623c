"""Gateway and operator as processes, with the settings that the chart renders, outside a cluster.

In: the plane and a namespace. Out: an address to call, and what each of them spends. What is set otherwise than by the
chart's defaults: where to listen, the namespace, and that every finished task is kept.
"""

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from bench.control_plane.figures import Usage
from bench.control_plane.plane import Plane, now
from bench.control_plane.process import Program, Running
from support.charts import RELEASE, render

READY_SECONDS = 120
POLL_SECONDS = 0.02


class Ours:
    """The two programs. A context manager: they end with it."""

    def __init__(self, plane: Plane, namespace: str, *, profile: Path | None = None) -> None:
        """Prepare.

        Args:
            plane: the cluster.
            namespace: of the tasks.
            profile: where the operator's profile goes, if one is to be made; it then runs slower.
        """
        self._plane = plane
        self._namespace = namespace
        self._profile = profile
        self._stack = ExitStack()
        self._gateway: Running
        self._operator: Running
        self.url = ""
        self.gateway_ready_seconds = 0.0
        self.operator_ready_seconds = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            gateway_port, operator_port = _free_ports(2)
            self.url = f"http://127.0.0.1:{gateway_port}"
            self._gateway = stack.enter_context(Running(self._gateway_program(gateway_port)))
            self._operator = stack.enter_context(Running(self._operator_program(operator_port)))
            waits = {
                self._gateway: f"{self.url}/readyz",
                self._operator: f"http://127.0.0.1:{operator_port}/readyz",
            }
            ready: dict[Running, float] = {}
            deadline = now() + READY_SECONDS
            while len(ready) < len(waits):
                for running, url in waits.items():
                    if running not in ready and _answers(url):
                        ready[running] = now() - running.began
                if now() > deadline:
                    late = next(running for running in waits if running not in ready)
                    late.until("ready", lambda: False, seconds=0)
                for running in waits:
                    running.check()
                time.sleep(POLL_SECONDS)
            self.gateway_ready_seconds = ready[self._gateway]
            self.operator_ready_seconds = ready[self._operator]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, value, trace)

    def usage(self) -> dict[str, Usage]:
        """Read what both have spent so far."""
        return {"gateway": self._gateway.usage(), "operator": self._operator.usage()}

    def _gateway_program(self, port: int) -> Program:
        environment = {
            **_environment(),
            **rendered_environment(),
            "KUBECONFIG": str(self._plane.kubeconfig("gateway")),
            "EGRESS_GATEWAY_NAMESPACE": self._namespace,
            "EGRESS_GATEWAY_HOST": "127.0.0.1",
            "EGRESS_GATEWAY_PORT": str(port),
            "EGRESS_GATEWAY_DRAIN_SECONDS": "0",
        }
        return Program(
            name="gateway",
            command=[sys.executable, "-m", "egress_gateway"],
            folder=self._plane.folder,
            environment=environment,
        )

    def _operator_program(self, port: int) -> Program:
        config = self._plane.folder / f"{self._namespace}.yaml"
        config.write_text(yaml.safe_dump(operator_settings(namespace=self._namespace, port=port)))
        profile = ["-m", "cProfile", "-o", str(self._profile)] if self._profile else []
        return Program(
            name="operator",
            command=[sys.executable, *profile, "-m", "egress_operator", "--config", str(config), "run"],
            folder=self._plane.folder,
            environment={**_environment(), "KUBECONFIG": str(self._plane.kubeconfig("operator"))},
        )


def operator_settings(*, namespace: str, port: int) -> dict[str, Any]:
    """Return the settings file that the chart renders, for one that runs here."""
    kept: dict[str, Any] = {"maxFinished": 0}
    return {**render().settings(), **kept, "namespaces": [namespace], "metricsPort": port}


def rendered_environment() -> dict[str, str]:
    """Return the gateway's environment as the chart renders it."""
    pod = render().one("Deployment", f"{RELEASE}-gateway")["spec"]["template"]["spec"]
    return {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"] if "value" in entry}


def _environment() -> dict[str, str]:
    ours = ("EGRESS_GATEWAY_", "EGRESS_OPERATOR_", "KUBERNETES_SERVICE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
