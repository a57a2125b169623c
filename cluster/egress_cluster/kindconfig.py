"""Renders kind's configuration; pure.

In: settings and which node image it is. Out: YAML for `kind create cluster --config -`.
"""

from typing import Any

import yaml

from .settings import Settings

POD_SUBNET = "10.244.0.0/16"
GATEWAY_NODE_PORT = 30091
STORE_NODE_PORT = 30092

_CLIENT_RATE = {"kube-api-qps": "200", "kube-api-burst": "400", "leader-elect": "false"}
"""Requests a second of the controllers: with their defaults (20) 300 Jobs take 90 s. One replica needs no election."""

SPARE = "egress-demo/spare"
"""Label and taint of the workers: only Pods that tolerate it land there, so a test may take such a node away."""

_LEASE_SECONDS = 12
"""The kubelet renews its lease four times in that time; the default is 40."""
_NODE_LOSS = {"node-monitor-grace-period": "16s", "node-monitor-period": "2s"}
"""After what silence a node counts as lost (default 50 s): that wait is the cluster's, and each test of it pays."""


def render(settings: Settings, *, image: str, workers: int, ours: bool, cgroup_v1: bool) -> str:
    """Give the configuration of a cluster with one control plane node that also takes Pods, and the spare workers.

    Args:
        settings: The ports.
        image: The node image.
        workers: Nodes beside the control plane.
        ours: Whether we built it: then the kubelet is told what Debian's containerd and this machine need.
        cgroup_v1: Whether the machine still has the first cgroup hierarchy.

    """
    control_plane: dict[str, Any] = {"role": "control-plane", "image": image}
    if settings.publish_ports:
        control_plane["extraPortMappings"] = [
            _port(GATEWAY_NODE_PORT, settings.gateway_port + settings.port_offset),
            _port(STORE_NODE_PORT, settings.store_port + settings.port_offset),
        ]
    others = [_spare(image) for _ in range(workers)]
    config = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"podSubnet": POD_SUBNET},
        "kubeadmConfigPatches": [
            yaml.safe_dump(patch, sort_keys=False)
            for patch in (_kubelet(ours=ours, cgroup_v1=cgroup_v1), _cluster())
        ],
        "nodes": [control_plane, *others],
    }
    return yaml.safe_dump(config, sort_keys=False)


def _spare(image: str) -> dict[str, Any]:
    taint = {"key": SPARE, "value": "true", "effect": "NoSchedule"}
    joining = {"kind": "JoinConfiguration", "nodeRegistration": {"taints": [taint]}}
    return {
        "role": "worker",
        "image": image,
        "labels": {SPARE: "true"},
        "kubeadmConfigPatches": [yaml.safe_dump(joining, sort_keys=False)],
    }


def _port(inside: int, outside: int) -> dict[str, Any]:
    return {"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1"}


def _kubelet(*, ours: bool, cgroup_v1: bool) -> dict[str, Any]:
    kubelet: dict[str, Any] = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "serializeImagePulls": False,
        "nodeLeaseDurationSeconds": _LEASE_SECONDS,
    }
    if cgroup_v1:
        kubelet["failCgroupV1"] = False
        if ours:
            kubelet["cgroupDriver"] = "cgroupfs"
    return kubelet


def _cluster() -> dict[str, Any]:
    return {
        "kind": "ClusterConfiguration",
        "controllerManager": {"extraArgs": {**_CLIENT_RATE, **_NODE_LOSS}},
        "scheduler": {"extraArgs": dict(_CLIENT_RATE)},
        # A cluster for tests is thrown away, never recovered: writes need not wait for the disk.
        "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
    }
