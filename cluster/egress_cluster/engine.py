"""Finds the Docker engine that answers, or on a Debian machine without one installs and starts Debian's.

In: settings. Out: `Engine`, with the client and the environment that reach it. Our own engine has its data in the
cache and its socket under /run/egress-docker; it never touches an engine of the machine's.
It knows nothing of images or clusters.
"""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import gobuild
from .errors import ClusterError, CommandFailed
from .leftovers import clear_engine_runtime, our_daemons
from .run import only_one, run, step, succeeds, wait_until
from .settings import Settings

PACKAGES = ("docker.io", "debootstrap", "debian-archive-keyring", "iptables", "iproute2")
LATER_PACKAGES = ("docker-cli", "docker-buildx")
"""In docker.io itself up to Debian 12."""
_CAP_SYS_RESOURCE = 24
_ENDING_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker engine that answered."""

    client: Path
    """A client that both reaches this engine and builds with BuildKit."""
    host: str | None
    """Where it listens; None = where the client looks by itself."""
    ours: bool

    def environment(self, settings: Settings) -> dict[str, str]:
        """Give the environment in which docker, kind and helm reach this engine and our tools."""
        path = f"{settings.bin}{os.pathsep}{settings.environment.get('PATH', os.defpath)}"
        environment = {**settings.environment, "PATH": path, "KUBECONFIG": str(settings.kubeconfig)}
        if self.host:
            environment["DOCKER_HOST"] = self.host
        return environment

    def docker(
        self,
        *arguments: str,
        settings: Settings,
        seconds: float = 60,
        log: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Run the docker client."""
        environment = {**self.environment(settings), **(extra or {})}
        return run([str(self.client), *arguments], seconds=seconds, log=log, env=environment)


def find(settings: Settings) -> Engine | None:
    """Look for an engine that answers: where the environment says, then our own."""
    places = [(settings.environment.get("DOCKER_HOST"), False), (settings.engine_host, True)]
    for host, ours in places:
        for client in _clients(settings):
            environment = {**settings.environment, **({"DOCKER_HOST": host} if host else {})}
            if succeeds([str(client), "info"], seconds=20, env=environment) and _builds(client, environment):
                gobuild.link(settings.bin / "docker", client)
                return Engine(client=client, host=host, ours=ours or host == settings.engine_host)
    return None


def ensure(settings: Settings) -> Engine:
    """Find an engine, or install and start one; raises ClusterError where neither can be done."""
    with only_one(settings.cache / "engine.lock", what="the Docker engine"):
        if engine := find(settings):
            return engine
        if os.geteuid() != 0:
            raise ClusterError(
                "No Docker engine answers, and only root can start one: start Docker (`docker info` must work) "
                "and run again"
            )
        if _install(settings) and (engine := find(settings)):
            return engine  # where services start by themselves, Debian's now runs
        _start(settings)
        if engine := find(settings):
            return engine
        raise ClusterError(
            "Our own Docker engine runs but no client reaches it: is there a docker client older than 23, or one "
            "with the buildx plugin?",
            log=_daemon_log(settings),
        )


def stop(settings: Settings) -> None:
    """End our own engine and take away what it leaves in the machine; the machine's own is not touched."""
    daemons = our_daemons(settings)
    if daemons:
        with step("stopping our Docker engine", log=_daemon_log(settings)):
            for pid in daemons:
                _send(pid, signal.SIGTERM)
            try:
                wait_until("the engine's end", lambda: not our_daemons(settings), seconds=_ENDING_SECONDS)
            except ClusterError:
                for pid in our_daemons(settings):
                    _send(pid, signal.SIGKILL)
    clear_engine_runtime(settings)


def _clients(settings: Settings) -> list[Path]:
    folders = settings.environment.get("PATH", os.defpath).split(os.pathsep)
    candidates = [Path(folder) / "docker" for folder in folders if Path(folder) != settings.bin]
    existing = [path for path in [*candidates, Path("/usr/bin/docker")] if os.access(path, os.X_OK)]
    return list(dict.fromkeys(existing))


def _builds(client: Path, environment: Mapping[str, str]) -> bool:
    """Tell whether a client can use BuildKit: up to 22 it is built in, from 23 on it needs the buildx plugin."""
    try:
        version = run([str(client), "--version"], seconds=10, env=environment)
    except CommandFailed:
        return False
    major = re.search(r"version (\d+)\.", version)
    if major and int(major.group(1)) < 23:  # noqa: PLR2004 - the first release without it
        return True
    return succeeds([str(client), "buildx", "version"], seconds=10, env=environment)


def _install(settings: Settings) -> bool:
    """Install Debian's Docker; tells whether there was anything to install."""
    if Path("/usr/sbin/dockerd").exists() and Path("/usr/sbin/debootstrap").exists():
        return False
    if not Path("/etc/debian_version").exists():
        raise ClusterError(
            "No Docker engine answers, and this machine has no Debian packages to install one from: install and "
            "start Docker (`docker info` must work) and run again"
        )
    log = settings.logs / "apt.log"
    environment = {**settings.environment, "DEBIAN_FRONTEND": "noninteractive"}
    with step("installing Debian's Docker engine", log=log):
        run(["apt-get", "update"], seconds=300, log=log, env=environment)
        later = [name for name in LATER_PACKAGES if succeeds(["apt-cache", "show", name], seconds=30)]
        command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES, *later]
        run(command, seconds=600, log=log, env=environment)
    return True


def _start(settings: Settings) -> None:
    log = _daemon_log(settings)
    stop(settings)  # a daemon that runs but does not answer, or what a killed one left
    command = ["dockerd", *daemon_flags(settings)]
    if not _has_sys_resource():
        wrapper = gobuild.build(gobuild.RUNC_WRAP, settings)
        command += ["--add-runtime", f"egress={wrapper}", "--default-runtime", "egress"]
    with step("starting our Docker engine", log=log):
        settings.engine_run.mkdir(parents=True, exist_ok=True)
        settings.engine_root.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env={**settings.environment, "PATH": _with_sbin(settings)},
                start_new_session=True,
            )

        def answers() -> bool:
            if process.poll() is not None:
                raise ClusterError(f"dockerd ended at once with code {process.returncode}", log=log)
            return find(settings) is not None

        wait_until("our Docker engine answers", answers, seconds=settings.engine_seconds, log=log)


def daemon_flags(settings: Settings, *, mtu: int | None = None) -> list[str]:
    """Give our engine's flags: nothing that a Docker engine of the machine's could stumble over."""
    run_folder = settings.engine_run
    return [
        "--host", settings.engine_host,
        "--data-root", str(settings.engine_root),
        "--exec-root", str(run_folder / "exec"),
        "--pidfile", str(run_folder / "docker.pid"),
        "--mtu", str(mtu or _outward_mtu()),
    ]  # fmt: skip


def _outward_mtu() -> int:
    """Give the MTU of the interface with the default route: larger packets would be lost on their way out."""
    try:
        route = run(["ip", "-4", "route", "show", "default"], seconds=10)
        device = re.search(r" dev (\S+)", route)
        return min(1500, int(Path(f"/sys/class/net/{device.group(1)}/mtu").read_text())) if device else 1500
    except (CommandFailed, OSError, ValueError):
        return 1500


def _has_sys_resource() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(effective and int(effective.group(1), 16) >> _CAP_SYS_RESOURCE & 1)


def _with_sbin(settings: Settings) -> str:
    return f"{settings.environment.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"


def _daemon_log(settings: Settings) -> Path:
    return settings.logs / "dockerd.log"


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
