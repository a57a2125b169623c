"""Has the images that the cluster starts from: the node's, and the demo servers'.

In: an engine. Out: names of images that it has. kindest/node is taken where it can be pulled; else the node image and
the control plane's images in it are built from our Go programs and Debian packages. What was built from the same
sources is left alone.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from . import gobuild
from .builds import build_image
from .engine import Engine
from .errors import CommandFailed
from .gobuild import COREDNS, KUBE, LIVEKIT, PAUSE, VERSITYGW
from .pulling import present, pulled
from .run import run, step
from .settings import CLUSTER_FOLDER, KUBERNETES_VERSION, Settings

KINDEST_NODE = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"  # kind v0.33.0's
DEMO_IMAGE = "egress-demo:dev"
_SOURCES_LABEL = "egress.sources"
_KEPT_BUILD_CACHE = "10gb"  # several generations of every image's layers, and pip's and apt's caches
_NODE_IMAGE = CLUSTER_FOLDER / "node-image"


def node_image(*, engine: Engine, settings: Settings) -> str:
    """Have a node image and give its name."""
    if pulled(KINDEST_NODE, engine=engine, settings=settings):
        return KINDEST_NODE
    name = f"egress-node:{KUBERNETES_VERSION}-{_node_digest()}"
    if not present(name, engine=engine, settings=settings):
        _build_node(name, engine=engine, settings=settings)
    return name


def tidy(*, engine: Engine, settings: Settings) -> None:
    """Delete from our own engine what newer builds have replaced; the machine's own engine is its owner's to tidy."""
    if not engine.ours:
        return
    current = f"egress-node:{KUBERNETES_VERSION}-{_node_digest()}"
    listing = engine.docker(
        "images", "--format", "{{.Repository}}:{{.Tag}}", "egress-node", settings=settings
    )
    old = [name for name in listing.split() if name != current]
    commands = [
        *(("rmi", name) for name in old),
        ("image", "prune", "--force"),
        ("builder", "prune", "--force", "--keep-storage", _KEPT_BUILD_CACHE),
    ]
    for command in commands:
        with suppress(CommandFailed):  # in use just now: the next run gets it
            engine.docker(*command, settings=settings, seconds=120)


def is_ours(image: str) -> bool:
    """Tell whether a node image is one that we built."""
    return image.startswith("egress-node:")


def demo_image(*, engine: Engine, settings: Settings) -> str:
    """Have the image of the demo's S3 and RTC servers and give its name."""
    programs = {program.name: gobuild.build(program, settings) for program in (VERSITYGW, LIVEKIT)}
    dockerfile = CLUSTER_FOLDER / "demo" / "Dockerfile"
    sources = _digest(dockerfile.read_bytes(), gobuild.digest(VERSITYGW), gobuild.digest(LIVEKIT))
    if _label(DEMO_IMAGE, engine=engine, settings=settings) != sources:
        context = _context("demo", files=programs, settings=settings)
        build_image(
            DEMO_IMAGE,
            context,
            engine=engine,
            settings=settings,
            dockerfile=dockerfile,
            labels={_SOURCES_LABEL: sources},
        )
        shutil.rmtree(context)
    return DEMO_IMAGE


def parse_image_list(listing: str) -> dict[str, list[str]]:
    """Sort `kubeadm config images list` by the stage that makes each: `pause`, `coredns` or `kubernetes`."""
    sorted_: dict[str, list[str]] = {"kubernetes": [], "coredns": [], "pause": []}
    for name in listing.split():
        last = name.rpartition(":")[0].rpartition("/")[2]
        sorted_[last if last in sorted_ else "kubernetes"].append(name)
    return sorted_


def _node_digest() -> str:
    parts: list[bytes | str] = [gobuild.digest(program) for program in (KUBE, COREDNS, PAUSE)]
    for path in sorted([*_NODE_IMAGE.glob("*Dockerfile"), *(_NODE_IMAGE / "node").iterdir()]):
        parts += [path.name, path.read_bytes()]
    return _digest(*parts)


def _digest(*parts: bytes | str) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(f"{len(data)}\n".encode() + data)
    return hasher.hexdigest()[:12]


def _build_node(name: str, *, engine: Engine, settings: Settings) -> None:
    programs = {program.name: gobuild.build(program, settings) for program in (KUBE, COREDNS, PAUSE)}
    listing = run(
        [
            str(settings.bin / "kubeadm"),
            "config",
            "images",
            "list",
            "--kubernetes-version",
            KUBERNETES_VERSION,
        ],
        seconds=60,
    )
    images = parse_image_list(listing)
    context = _context("node", files=programs, settings=settings)
    components = _NODE_IMAGE / "components.Dockerfile"
    for stage, names in images.items():
        build_image(names[0], context, engine=engine, settings=settings, dockerfile=components, target=stage)
        for other in names[1:]:
            engine.docker("tag", names[0], other, settings=settings)
    every = [each for names in images.values() for each in names]
    log = settings.logs / "images.log"
    with step("saving the control plane's images", log=log):
        archive = str(context / "images.tar")
        engine.docker("save", "-o", archive, *every, settings=settings, seconds=300, log=log)
    (context / "coredns").unlink()
    shutil.copytree(_NODE_IMAGE / "node", context / "node")
    build_image(
        name,
        context,
        engine=engine,
        settings=settings,
        dockerfile=_NODE_IMAGE / "Dockerfile",
        arguments=(f"KUBERNETES_VERSION={KUBERNETES_VERSION}", f"PAUSE_IMAGE={images['pause'][0]}"),
    )
    shutil.rmtree(context)


def _context(name: str, *, files: Mapping[str, Path], settings: Settings) -> Path:
    """Make a build context of these files alone: hard links where they can be had, for they are large."""
    folder = settings.cache / "context" / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for target, source in files.items():
        try:
            (folder / target).hardlink_to(source)
        except OSError:
            shutil.copy2(source, folder / target)
    return folder


def _label(image: str, *, engine: Engine, settings: Settings) -> str | None:
    form = f'{{{{index .Config.Labels "{_SOURCES_LABEL}"}}}}'
    try:
        return engine.docker("image", "inspect", "--format", form, image, settings=settings).strip()
    except CommandFailed:
        return None
