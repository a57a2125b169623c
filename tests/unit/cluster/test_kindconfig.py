"""What kind is told: nodes, ports, and what the kubelet needs on this machine."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from egress_cluster.kindconfig import SPARE, render
from egress_cluster.settings import Settings


def _rendered(
    *, workers: int = 0, ours: bool = True, cgroup_v1: bool = True, **options: Any
) -> dict[str, Any]:
    settings = Settings(cache=Path("/cache"), **options)
    config: dict[str, Any] = yaml.safe_load(
        render(settings, image="node:1", workers=workers, ours=ours, cgroup_v1=cgroup_v1)
    )
    return config


def _patch(config: dict[str, Any], kind: str) -> dict[str, Any]:
    patches = [yaml.safe_load(text) for text in config["kubeadmConfigPatches"]]
    return next(patch for patch in patches if patch["kind"] == kind)


def test_the_default_is_one_node_with_both_ports_on_loopback() -> None:
    assert _rendered()["nodes"] == [
        {
            "role": "control-plane",
            "image": "node:1",
            "extraPortMappings": [
                {"containerPort": 30091, "hostPort": 8091, "listenAddress": "127.0.0.1"},
                {"containerPort": 30092, "hostPort": 8092, "listenAddress": "127.0.0.1"},
            ],
        }
    ]


def test_a_second_cluster_takes_other_ports_or_none() -> None:
    moved = _rendered(port_offset=100)["nodes"][0]["extraPortMappings"]
    assert [port["hostPort"] for port in moved] == [8191, 8192]
    assert "extraPortMappings" not in _rendered(publish_ports=False)["nodes"][0]


def test_workers_are_spare_nodes_beside_the_control_plane() -> None:
    nodes = _rendered(workers=2)["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    for spare in nodes[1:]:
        assert spare["labels"] == {SPARE: "true"}
        (patch,) = (yaml.safe_load(text) for text in spare["kubeadmConfigPatches"])
        assert patch == {
            "kind": "JoinConfiguration",
            "nodeRegistration": {"taints": [{"key": SPARE, "value": "true", "effect": "NoSchedule"}]},
        }


def test_a_lost_node_is_known_as_lost_after_several_leases_missed() -> None:
    manager = _patch(_rendered(), "ClusterConfiguration")["controllerManager"]["extraArgs"]
    renewal = _patch(_rendered(), "KubeletConfiguration")["nodeLeaseDurationSeconds"] / 4
    assert int(manager["node-monitor-grace-period"].removesuffix("s")) > 3 * renewal


@pytest.mark.parametrize(
    ("ours", "cgroup_v1", "expected"),
    [
        (True, True, {"serializeImagePulls": False, "failCgroupV1": False, "cgroupDriver": "cgroupfs"}),
        (False, True, {"serializeImagePulls": False, "failCgroupV1": False}),
        (True, False, {"serializeImagePulls": False}),
        (False, False, {"serializeImagePulls": False}),
    ],
)
def test_the_kubelet_is_told_of_old_cgroups(*, ours: bool, cgroup_v1: bool, expected: dict[str, Any]) -> None:
    kubelet = _patch(_rendered(ours=ours, cgroup_v1=cgroup_v1), "KubeletConfiguration")
    assert kubelet == {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "nodeLeaseDurationSeconds": 12,
        **expected,
    }


def test_controllers_may_ask_more_than_twenty_times_a_second() -> None:
    cluster = _patch(_rendered(), "ClusterConfiguration")
    for component in ("controllerManager", "scheduler"):
        assert int(cluster[component]["extraArgs"]["kube-api-qps"]) >= 100
