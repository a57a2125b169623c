"""Builds the programs that come as pinned Go modules, once for each state of their sources.

In: the folders with a committed go.mod and go.sum. Out: static programs in `cache/go`, linked into `cache/bin`.
It knows nothing of Docker or kind. Programs that the machine already has are left alone (`wanted`).
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .run import only_one, run, step
from .settings import CLUSTER_FOLDER, KUBERNETES_VERSION, Settings

_MAJOR, _MINOR = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
_VERSION = "k8s.io/component-base/version"
_GO_FOLDER = "/usr/local/go/bin"
GO_VERSION = "1.26"
"""The newest that one of the go.mod files asks for; an older Go may fetch it by itself."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program and what it is built from."""

    name: str
    folder: str
    """The folder with go.mod, below `cluster/`."""
    package: str = "."
    ldflags: str = "-s -w"
    tags: str = ""
    """Build tags, by commas."""
    links: tuple[str, ...] = ()
    """Other names that the program goes by."""
    anyones: bool = False
    """Whether one that the machine has already will do."""
    minutes: str = "under a minute"
    """What a cold build took on 2 cores; only for telling."""


KUBE = Program(
    name="kube",
    folder="node-image/kube",
    ldflags=(
        f"-s -w -X {_VERSION}.gitVersion={KUBERNETES_VERSION}"
        f" -X {_VERSION}.gitMajor={_MAJOR} -X {_VERSION}.gitMinor={_MINOR}"
    ),
    links=(
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubeadm",
        "kubectl",
    ),
    minutes="6 minutes",
)
RUNC_WRAP = Program(name="runc-wrap", folder="node-image/runc-wrap")
PAUSE = Program(name="pause", folder="node-image/pause")
COREDNS = Program(name="coredns", folder="tools/coredns", minutes="1 to 3 minutes")
KIND = Program(name="kind", folder="tools/kind", package="sigs.k8s.io/kind", anyones=True)
_HELM_VERSIONS = ("helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules")
HELM = Program(
    name="helm",
    folder="tools/helm",
    package="helm.sh/helm/v3/cmd/helm",
    # Without these helm believes in Kubernetes 1.20 wherever there is no cluster to ask.
    ldflags="-s -w "
    + " ".join(f"-X {at}.k8sVersionMajor={_MAJOR} -X {at}.k8sVersionMinor={_MINOR}" for at in _HELM_VERSIONS),
    anyones=True,
    minutes="2 minutes",
)
KUBECONFORM = Program(
    name="kubeconform",
    folder="tools/kubeconform",
    package="github.com/yannh/kubeconform/cmd/kubeconform",
    anyones=True,
)
PROMTOOL = Program(
    name="promtool",
    folder="tools/promtool",
    package="github.com/prometheus/prometheus/cmd/promtool",
    # Rules and metrics are checked here: without the clients of two dozen clouds it is built in a third of the time.
    tags="remove_all_sd",
    anyones=True,
    minutes="4 minutes",
)
VERSITYGW = Program(
    name="versitygw",
    folder="tools/versitygw",
    package="github.com/versity/versitygw/cmd/versitygw",
    minutes="2 minutes",
)
LIVEKIT = Program(
    name="livekit-server",
    folder="tools/livekit",
    package="github.com/livekit/livekit-server/cmd/server",
    minutes="3 minutes",
)
PROGRAMS = (KUBE, COREDNS, KIND, VERSITYGW, LIVEKIT, HELM, KUBECONFORM, PROMTOOL)
"""In the order in which a cold `up` needs them."""


def digest(program: Program) -> str:
    """Name the state of a program's sources and flags, in 16 hexadecimal digits."""
    hasher = hashlib.sha256(f"{program.package}\n{program.ldflags}\n{program.tags}".encode())
    folder = CLUSTER_FOLDER / program.folder
    for path in sorted(folder.iterdir()):
        if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
            hasher.update(f"{path.name}\n".encode())
            hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def built(program: Program, settings: Settings) -> Path:
    """Say where a program is, or will be once it is built."""
    return settings.go / f"{program.name}-{digest(program)}" / program.name


def build(program: Program, settings: Settings) -> Path:
    """Build a program unless it is there, link it into `bin`, and give its path."""
    target = built(program, settings)
    if not target.exists():
        with only_one(settings.cache / "go.lock", what="a Go build"):
            if not target.exists():
                _compile(program, target, settings)
    for name in (program.name, *program.links):
        link(settings.bin / name, target)
    return target


def wanted(program: Program, settings: Settings) -> Path:
    """Give the machine's own program where there is one and it will do, else build ours."""
    if program.anyones and (found := on_path(program.name, settings)):
        return found
    return build(program, settings)


def on_path(name: str, settings: Settings) -> Path | None:
    """Find a program on the PATH, but not ours: a link of ours must not stand in for the machine's own."""
    folders = settings.environment.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if Path(folder) != settings.bin]
    found = shutil.which(name, path=os.pathsep.join(others))
    return Path(found) if found else None


def link(path: Path, target: Path) -> None:
    """Point a link at its target; a reader sees the old one or the new one, never none."""
    if path.is_symlink() and path.readlink() == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def _go(program: Program, settings: Settings) -> str:
    """Find Go: on the PATH, or where its own instructions put it, for sudo and CI often have a PATH without."""
    if found := on_path("go", settings) or shutil.which("go", path=_GO_FOLDER):
        return str(found)
    raise ClusterError(
        f"Go is needed to build {program.name}: install Go {GO_VERSION} or newer and run again"
    )


def _compile(program: Program, target: Path, settings: Settings) -> None:
    go = _go(program, settings)
    log = settings.logs / f"build-{program.name}.log"
    log.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", program.ldflags, "-o", str(fresh)]
    if program.tags:
        command += ["-tags", program.tags]
    environment = {**settings.environment, "CGO_ENABLED": "0"}
    with step(f"building {program.name} from Go modules (cold: {program.minutes})", log=log):
        run(
            [*command, program.package],
            seconds=settings.build_seconds,
            log=log,
            env=environment,
            cwd=CLUSTER_FOLDER / program.folder,
        )
    fresh.replace(target)
    for old in settings.go.glob(f"{program.name}-*"):
        if old != target.parent and _same_program(old, program):
            shutil.rmtree(old, ignore_errors=True)


def _same_program(folder: Path, program: Program) -> bool:
    return folder.name.rpartition("-")[0] == program.name
