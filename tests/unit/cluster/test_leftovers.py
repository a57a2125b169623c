"""Reading what a killed run left, from the texts that the kernel gives."""

from pathlib import Path

from egress_cluster.leftovers import (
    container_processes,
    docker_links,
    mounts_below,
    our_containers,
    our_processes,
    without_docker,
)
from egress_cluster.settings import Settings

MOUNTINFO = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:30 / /cache/docker/overlay2/aa/merged rw - overlay overlay rw
41 22 0:4 net:[4026532512] /run/egress-docker/netns/1 rw - nsfs nsfs rw
42 40 0:31 / /cache/docker/overlay2/aa/merged/var\\040lib rw - ext4 /dev/vda rw
43 22 0:32 / /cache/docker-of-somebody-else rw - ext4 /dev/vda rw
"""

LINKS = r"""
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default\    link/loopback
4: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc pfifo_fast state UP mode DEFAULT group default\    link/ether
6: br-562b23c338a2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT\    link/ether
7: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN mode DEFAULT\    link/ether
11: veth46b0f53@if10: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br-562b23c338a2 state UP\    link/ether
12: br-lan: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT\    link/ether
"""

RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp --dport 22 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br-562b23c338a2 ! -o br-562b23c338a2 -j ACCEPT
-A FORWARD -i lan0 -j ACCEPT
-A DOCKER -d 172.18.0.2/32 -p tcp -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.18.0.0/16 ! -o br-562b23c338a2 -j MASQUERADE
-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 6443 -j MASQUERADE
-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE
COMMIT
"""


def _process(proc: Path, pid: int, *command: str, cgroup: str = "0::/\n") -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_text("\0".join(command) + "\0")
    (folder / "cgroup").write_text(cgroup)


def test_mounts_come_deepest_first_and_only_ours() -> None:
    assert mounts_below(MOUNTINFO, ("/cache/docker", "/run/egress-docker")) == [
        "/cache/docker/overlay2/aa/merged/var lib",
        "/cache/docker/overlay2/aa/merged",
        "/run/egress-docker/netns/1",
    ]


def test_dockers_interfaces_are_its_bridges_and_what_stands_on_them() -> None:
    assert docker_links(LINKS) == ["br-562b23c338a2", "docker0", "veth46b0f53"]


def test_dockers_rules_go_and_the_machines_stay() -> None:
    assert without_docker(RULES).splitlines() == [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        "-A INPUT -p tcp --dport 22 -j ACCEPT",
        "-A FORWARD -i lan0 -j ACCEPT",
        "COMMIT",
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        "-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE",
        "COMMIT",
    ]


def test_only_processes_of_our_engine_are_ours(tmp_path: Path) -> None:
    settings = Settings(cache=Path("/cache"))
    _process(tmp_path, 10, "dockerd", "--data-root", "/cache/docker")
    _process(tmp_path, 11, "containerd", "--config", "/run/egress-docker/exec/containerd/containerd.toml")
    _process(tmp_path, 12, "dockerd", "--data-root", "/var/lib/docker")
    _process(tmp_path, 13, "tail", "-f", "/cache/docker/containers/aa/aa-json.log")
    (tmp_path / "uptime").touch()

    assert our_processes(settings, proc=tmp_path) == {10: "dockerd", 11: "containerd"}


def test_processes_of_containers_are_found_by_their_control_group(tmp_path: Path) -> None:
    _process(tmp_path, 20, "/sbin/init", cgroup="9:name=systemd:/docker/abc123/init.scope\n")
    _process(tmp_path, 21, "/sbin/init", cgroup="9:name=systemd:/docker/def456\n")
    _process(tmp_path, 22, "bash", cgroup="9:name=systemd:/\n")

    assert container_processes(["abc123"], proc=tmp_path) == [20]
    assert container_processes([], proc=tmp_path) == []


def test_an_engine_that_never_ran_has_no_containers(tmp_path: Path) -> None:
    assert our_containers(Settings(cache=tmp_path)) == []
