"""Mends what a killed run left behind: daemons, sockets, mounts, interfaces and firewall chains of our engine.

In: settings, and the texts that the kernel gives (/proc, iptables-save, `ip link`). Everything is found by our own
paths or by Docker's own names, and only where our engine is what runs Docker here. The parsing is pure and tested.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from .errors import ClusterError, CommandFailed
from .run import run, wait_until
from .settings import Settings

_PROGRAMS = {"dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "docker-proxy"}


def our_processes(settings: Settings, *, proc: Path = Path("/proc")) -> dict[int, str]:
    """Find processes of our engine, by their program's name and our paths on their command line."""
    found = {}
    marks = (str(settings.engine_run), str(settings.engine_root))
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        program = Path(command[0]).name
        if program in _PROGRAMS and any(mark in argument for argument in command for mark in marks):
            found[int(folder.name)] = program
    return found


def our_daemons(settings: Settings) -> list[int]:
    """Give the process ids of our dockerd."""
    return [pid for pid, program in our_processes(settings).items() if program == "dockerd"]


def clear_engine_runtime(settings: Settings) -> None:
    """Take away what our engine left once no dockerd of ours runs: the cache's data stays."""
    if our_daemons(settings):
        return
    containers = our_containers(settings)
    for pid in [*our_processes(settings), *container_processes(containers)]:
        _kill(pid)
    _remove_cgroups(containers)
    roots = (str(settings.engine_run), str(settings.engine_root))
    for mount in mounts_below(Path("/proc/self/mountinfo").read_text(), roots):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True, timeout=30)
    shutil.rmtree(settings.engine_run, ignore_errors=True)
    if not _another_engine(settings):
        _clear_network()
        for parent in Path("/sys/fs/cgroup").glob("*/docker"):
            for folder in (parent / "buildkit", parent):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def our_containers(settings: Settings) -> list[str]:
    """Give the ids of the containers in our engine's data."""
    folder = settings.engine_root / "containers"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def container_processes(containers: list[str], *, proc: Path = Path("/proc")) -> list[int]:
    """Find what still runs in these containers: they outlive an engine that is killed, and nobody else ends them."""
    found = []
    for folder in proc.iterdir():
        try:
            groups = (folder / "cgroup").read_text() if folder.name.isdigit() else ""
        except OSError:
            continue  # it ended meanwhile
        if any(container in groups for container in containers):
            found.append(int(folder.name))
    return found


def _remove_cgroups(containers: list[str], *, root: Path = Path("/sys/fs/cgroup")) -> None:
    """Delete the control groups of containers whose processes have ended."""
    with contextlib.suppress(ClusterError):  # one that cannot die keeps its group; the engine uses another
        wait_until("the containers' processes end", lambda: not container_processes(containers), seconds=10)
    for container in containers:
        for top in [
            *root.glob(f"*/docker/{container}"),
            *root.glob(f"system.slice/docker-{container}.scope"),
        ]:
            for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()


def mounts_below(mountinfo: str, roots: tuple[str, ...]) -> list[str]:
    """List mount points at or below the roots, the deepest first, so that each can be unmounted in turn."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines() if line.strip()]
    below = [
        point for point in points if any(point == root or point.startswith(f"{root}/") for root in roots)
    ]
    return sorted(below, key=len, reverse=True)


def docker_links(listing: str) -> list[str]:
    """Pick Docker's interfaces out of `ip -o link`: its bridges, and container ends that stand on them."""
    found = []
    for line in listing.splitlines():
        match = re.match(r"\d+: ([^:@]+)[:@]", line)
        if not match:
            continue
        name = match.group(1)
        bridge = name == "docker0" or re.fullmatch(r"br-[0-9a-f]{12}", name)
        if bridge or re.search(r" master (docker0|br-[0-9a-f]{12}) ", line):
            found.append(name)
    return found


def without_docker(rules: str) -> str:
    """Take Docker's chains and rules out of `iptables-save`'s text, and open FORWARD, which Docker closes."""
    kept = []
    for line in rules.splitlines():
        if re.match(r":DOCKER\S* ", line) or re.search(r"(-A|-j) DOCKER", line):
            continue
        if re.search(r"-[io] (docker0|br-[0-9a-f]{12})\b", line) or _masquerades_docker(line):
            continue
        kept.append(re.sub(r"^:FORWARD DROP", ":FORWARD ACCEPT", line))
    return "\n".join(kept) + "\n"


def _masquerades_docker(line: str) -> bool:
    """Tell Docker's masquerade rules: a whole private network to anywhere but its own bridge, or to itself."""
    return bool(re.match(r"-A POSTROUTING -s 172\.\d+\.\d+\.\d+/(16|32) .*-j MASQUERADE$", line))


def _clear_network() -> None:
    try:
        for table in ("iptables", "ip6tables"):
            if not shutil.which(table, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
                continue
            rules = run([f"{table}-save"], seconds=20)
            if "DOCKER" in rules:
                run([f"{table}-restore"], seconds=20, stdin=without_docker(rules))
        for name in docker_links(run(["ip", "-o", "link"], seconds=20)):
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True, timeout=20)
    except CommandFailed:
        return  # no iptables or ip here: then Docker made nothing with them either


def _another_engine(settings: Settings) -> bool:
    """Tell whether some dockerd that is not ours runs in this network: then chains and bridges are not ours to take."""
    network = Path("/proc/self/ns/net").readlink()
    ours = our_processes(settings)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        try:
            if (folder / "comm").read_text().strip() == "dockerd" and (
                folder / "ns/net"
            ).readlink() == network:
                return True
        except OSError:
            continue
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
