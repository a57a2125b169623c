"""Fits the cluster's DNS to the machine: one CoreDNS, and a quick no where nobody answers for outside names.

In: a cluster whose API server answers. Out: its CoreDNS changed where needed. Where no resolver answers the machine,
each look-up of an outside name would wait for seconds, and a recorder's with it.
"""

import json
from typing import Protocol

import yaml

from .errors import CommandFailed
from .run import say, wait_until

_NAMESPACE = ("-n", "kube-system")
_TIMED_OUT = "124"  # timeout(1)'s code


class Cluster(Protocol):
    """What is needed of a cluster here."""

    @property
    def control_plane(self) -> str:
        """Name the control plane's node."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl."""

    def inside(self, node: str, script: str) -> str:
        """Run a script in a node."""


def mend(cluster: Cluster) -> None:
    """Have one CoreDNS, whose unknown names get a quick no even where no resolver answers the machine."""
    wait_until("CoreDNS is there", lambda: _is_there(cluster), seconds=60)
    deployment = json.loads(cluster.kubectl(*_NAMESPACE, "get", "deployment", "coredns", "-o", "json"))
    if deployment["spec"]["replicas"] != 1:
        cluster.kubectl(*_NAMESPACE, "scale", "deployment", "coredns", "--replicas=1")
    if _names_are_answered(cluster):
        return
    config = json.loads(cluster.kubectl(*_NAMESPACE, "get", "configmap", "coredns", "-o", "json"))
    fitted = without_forward(config["data"]["Corefile"])
    if fitted != config["data"]["Corefile"]:
        say("  no resolver answers this machine: the cluster's DNS says no to every outside name")
        patch = yaml.safe_dump({"data": {"Corefile": fitted}})
        cluster.kubectl(
            *_NAMESPACE, "patch", "configmap", "coredns", "--patch-file", "/dev/stdin", stdin=patch
        )
        cluster.kubectl(*_NAMESPACE, "rollout", "restart", "deployment", "coredns")


def _is_there(cluster: Cluster) -> bool:
    try:
        cluster.kubectl(*_NAMESPACE, "get", "deployment", "coredns")
    except CommandFailed:
        return False
    return True


def _names_are_answered(cluster: Cluster) -> bool:
    """Ask for a name that cannot be: a resolver says no at once, a missing one says nothing."""
    script = "timeout 3 getent ahosts nowhere.invalid; echo $?"
    return cluster.inside(cluster.control_plane, script) != _TIMED_OUT


def without_forward(corefile: str) -> str:
    """Answer cluster names as before, and every other name with "there is none", instead of asking a resolver.

    Two server blocks, for within one block CoreDNS asks `template` before `kubernetes`.
    """
    if "rcode NXDOMAIN" in corefile:
        return corefile
    zones = "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {"
    kept: list[str] = []
    depth = 0
    for line in corefile.splitlines():
        words = line.split()
        if depth:
            depth += line.count("{") - line.count("}")
        elif words[:1] == ["forward"]:
            depth = line.count("{") - line.count("}")
        elif words[:1] != ["fallthrough"]:
            kept.append(line)
    others = [".:53 {", "    errors", "    template ANY ANY {", "        rcode NXDOMAIN", "    }", "}"]
    return "\n".join([*kept, *others, ""]).replace(".:53 {", zones, 1)
