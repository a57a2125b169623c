"""Makes Debian's base images out of Debian's packages, where they cannot be pulled.

In: an engine and a suite's name. Out: `debian:SUITE-slim` in that engine, under the very name that Dockerfiles say,
so that these keep their ordinary FROM lines. The mirrors are the machine's own; no host name stands here.
"""

import re
import shutil
import subprocess
from pathlib import Path

from .engine import Engine
from .errors import ClusterError, CommandFailed
from .leftovers import mounts_below
from .pulling import pulled
from .run import only_one, run, step
from .settings import Settings

BOOKWORM = "bookworm"
"""For the nodes: its containerd 1.6 still works on cgroup v1."""
TRIXIE = "trixie"
"""For the programs' images: GStreamer 1.26 and Python 3.13."""

# What makes Debian's slim images slim; also for packages that are installed later.
_SLIM = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
"""


def base(suite: str) -> str:
    """Name a suite's base image."""
    return f"debian:{suite}-slim"


def ensure_base(suite: str, *, engine: Engine, settings: Settings) -> str:
    """Have a suite's base image in the engine: there already, pulled, or made; give its name."""
    name = base(suite)
    with only_one(settings.cache / f"base-{suite}.lock", what=f"the base image {name}"):
        if not pulled(name, engine=engine, settings=settings):
            _make(suite, engine=engine, settings=settings)
    return name


def _make(suite: str, *, engine: Engine, settings: Settings) -> None:
    log = settings.logs / f"debootstrap-{suite}.log"
    log.unlink(missing_ok=True)
    root = settings.cache / "debootstrap" / suite
    _remove(root)
    root.mkdir(parents=True)
    mirrors = machine_mirrors()
    command = ["debootstrap", "--variant=minbase", suite, str(root)]
    if "Debian" in mirrors:
        command.append(mirrors["Debian"])
    if not shutil.which("debootstrap", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        raise ClusterError(
            f"{base(suite)} cannot be pulled and debootstrap is not there: apt-get install debootstrap"
        )
    with step(f"making {base(suite)} from Debian's packages (45 s)", log=log):
        try:
            run(command, seconds=900, log=log, env={**settings.environment, **_apt_proxy()})
            _slim(root, suite=suite, mirrors=mirrors)
            _import(root, name=base(suite), engine=engine, settings=settings, log=log)
        finally:
            _remove(root)


def machine_mirrors() -> dict[str, str]:
    """Ask apt where this machine gets Debian (label `Debian`) and its security updates (`Debian-Security`)."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    try:
        listing = run(["apt-get", "indextargets", "--format", form], seconds=30)
    except CommandFailed:
        return {}
    return parse_mirrors(listing)


def parse_mirrors(listing: str) -> dict[str, str]:
    """Take the first address of each of Debian's labels out of apt's `ORIGIN|LABEL|URI` lines."""
    mirrors: dict[str, str] = {}
    for line in listing.splitlines():
        origin, label, address = [*line.split("|"), "", ""][:3]
        if origin == "Debian" and address:
            mirrors.setdefault(label, address.rstrip("/"))
    return mirrors


def _slim(root: Path, *, suite: str, mirrors: dict[str, str]) -> None:
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # no service starts while an image is built
    policy.chmod(0o755)
    sources = root / "etc/apt/sources.list"
    lines = [sources.read_text().strip()]
    if main := mirrors.get("Debian"):
        lines.append(f"deb {main} {suite}-updates main")
    if security := mirrors.get("Debian-Security"):
        lines.append(f"deb {security} {suite}-security main")
    sources.write_text("\n".join(lines) + "\n")
    for folder in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/man",
        "usr/share/info",
        "usr/share/locale",
    ):
        shutil.rmtree(root / folder, ignore_errors=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.is_file() and path.name != "copyright":
            path.unlink()
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    for name in ("etc/resolv.conf", "etc/hostname", "var/log/bootstrap.log"):
        (root / name).unlink(missing_ok=True)


def _import(root: Path, *, name: str, engine: Engine, settings: Settings, log: Path) -> None:
    importing = [str(engine.client), "import", "--change", 'CMD ["bash"]', "-", name]
    with log.open("ab") as file:
        tar = subprocess.Popen(
            ["tar", "--numeric-owner", "--one-file-system", "-C", str(root), "-c", "."],
            stdout=subprocess.PIPE,
            stderr=file,
        )
        done = subprocess.run(
            importing,
            stdin=tar.stdout,
            stdout=file,
            stderr=file,
            env=engine.environment(settings),
            check=False,
            timeout=300,
        )
        code = tar.wait(timeout=30)
    if code or done.returncode:
        raise ClusterError(f"importing {name} failed (tar: {code}, docker: {done.returncode})", log=log)


def _apt_proxy() -> dict[str, str]:
    """Give debootstrap the proxy that apt is configured with; it reads the environment alone."""
    try:
        dump = run(["apt-config", "dump", "Acquire::http::Proxy"], seconds=10)
    except CommandFailed:
        return {}
    match = re.search(r'^Acquire::http::Proxy "(http[^"]+)";', dump, re.MULTILINE)
    return {"http_proxy": match.group(1)} if match else {}


def _remove(root: Path) -> None:
    """Delete a root; debootstrap that was killed leaves /proc mounted in it."""
    for mount in mounts_below(Path("/proc/self/mountinfo").read_text(), (str(root),)):
        subprocess.run(["umount", "--lazy", mount], check=True, capture_output=True, timeout=30)
    shutil.rmtree(root, ignore_errors=True)
