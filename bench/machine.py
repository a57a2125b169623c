"""Which machine the figures are from: they mean nothing without it."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support.e2e import NAMESPACE
from support.kubectl import Kubectl


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine and the cluster, in words."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    kubernetes: str
    nodes: int
    load_before: float
    """One-minute load average before the bench: what else was going on."""
    date: str

    def rows(self, *, load_after: float) -> list[tuple[str, str]]:
        """Return what a table says about it."""
        return [
            ("CPU", f"{self.cpu}, {self.cores} cores"),
            ("memory", f"{self.memory_gib:.0f} GiB"),
            ("kernel", self.kernel),
            ("Kubernetes", f"{self.kubernetes} (kind, {self.nodes} node{'s' if self.nodes > 1 else ''})"),
            ("load average", f"{self.load_before:.1f} before, {load_after:.1f} after"),
            ("date", self.date),
        ]

    def sentence(self, command: str, *, load_after: float) -> str:
        """Say by what, when and where figures were made."""
        return (
            f"Written by `{command}` on {self.date}: {self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB,"
            f" kernel {self.kernel}, Kubernetes {self.kubernetes},\n"
            f"load average {self.load_before:.1f} before, {load_after:.1f} after."
        )


def describe() -> Machine:
    """Look at this machine and at the demo's cluster."""
    kubectl = Kubectl(namespace=NAMESPACE)
    return describe_with(
        kubernetes=json.loads(kubectl.run("version", "--output=json"))["serverVersion"]["gitVersion"],
        nodes=len(kubectl.get("nodes")["items"]),
    )


def describe_with(*, kubernetes: str, nodes: int) -> Machine:
    """Look at this machine; the cluster is another one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    hierarchy = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
    return Machine(
        cpu=models[0] if models else platform.machine(),
        cores=os.cpu_count() or 0,
        memory_gib=memory / 2**30,
        kernel=f"{platform.release()}, cgroup {hierarchy}",
        kubernetes=kubernetes,
        nodes=nodes,
        load_before=os.getloadavg()[0],
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )
