"""Builds images with BuildKit, with what this machine needs for it and an ordinary one does not.

In: a tag, a context folder, a Dockerfile. Out: the image in the engine. A machine behind a proxy that inspects TLS
needs its CA bundle inside the build, and its pip and apt their settings: they go in as build secrets `ca`, `pipconf`
and `aptconf`, which leave no trace in the image. cluster/README.md says how a Dockerfile takes them.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .debian import BOOKWORM, TRIXIE, base, ensure_base
from .engine import Engine
from .errors import ClusterError, CommandFailed
from .run import run, step
from .settings import Settings

_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_CA_INSIDE = "/run/secrets/ca"
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def build_image(
    tag: str,
    context: Path,
    *,
    engine: Engine,
    settings: Settings,
    dockerfile: Path | None = None,
    target: str | None = None,
    arguments: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
) -> None:
    """Build an image; its Debian base is made first where it cannot be pulled.

    Args:
        tag: The image's name.
        context: The folder whose files the Dockerfile may copy.
        engine: Where to build.
        settings: For the cache folder and times.
        dockerfile: Default: `Dockerfile` in the context.
        target: The stage to build; default the last one.
        arguments: Build arguments, `NAME=value` each.
        labels: Labels of the image.

    """
    file = dockerfile or context / "Dockerfile"
    if not file.exists():
        raise ClusterError(f"There is no Dockerfile {file}")
    for suite in (BOOKWORM, TRIXIE):
        if re.search(rf"^FROM\s+(--\S+\s+)?{base(suite)}\b", file.read_text(), re.MULTILINE):
            ensure_base(suite, engine=engine, settings=settings)
    log = settings.logs / f"image-{re.sub('[^a-z0-9.-]+', '-', tag)}.log"
    log.unlink(missing_ok=True)
    command = ["build", "--progress=plain", "--tag", tag, "--file", str(file)]
    command += [part for argument in arguments for part in ("--build-arg", argument)]
    command += [part for name, value in (labels or {}).items() for part in ("--label", f"{name}={value}")]
    command += ["--target", target] if target else []
    if engine.ours:
        command.append("--network=host")  # names resolve as they do on the machine
    for name in _PROXY_VARIABLES:
        if settings.environment.get(name):
            command += ["--build-arg", name]  # by name alone: a proxy's address may hold a password
    with tempfile.TemporaryDirectory(prefix="egress-build-") as folder:
        for name, path in secrets(Path(folder), environment=settings.environment).items():
            command += ["--secret", f"id={name},src={path}"]
        with step(f"building image {tag}", log=log):
            engine.docker(
                *command,
                str(context),
                settings=settings,
                seconds=settings.build_seconds,
                log=log,
                extra={"DOCKER_BUILDKIT": "1"},
            )


def secrets(folder: Path, *, environment: Mapping[str, str]) -> dict[str, Path]:
    """Write what this machine is configured with into files, one for each build secret that is needed."""
    found: dict[str, Path] = {}
    bundle = next((environment[name] for name in _CA_VARIABLES if environment.get(name)), None)
    if bundle and Path(bundle).is_file():
        found["ca"] = Path(bundle)
    texts = {
        "pipconf": pip_configuration(
            _ask("pip", "config", "list"), environment=environment, ca="ca" in found
        ),
        "aptconf": apt_configuration(_ask("apt-config", "dump"), ca="ca" in found),
    }
    for name, text in texts.items():
        if text:
            found[name] = folder / name
            found[name].write_text(text)
            found[name].chmod(0o600)
    return found


def pip_configuration(listing: str, *, environment: Mapping[str, str], ca: bool) -> str:
    """Turn `pip config list` and the PIP_ variables into a pip.conf that holds inside a build; empty = nothing to say.

    Folders of the machine (find-links and the like) are left out: they are not there inside.
    """
    values = dict(re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listing, re.MULTILINE))
    for key in _PIP_KEYS:
        if value := environment.get(f"PIP_{key.upper().replace('-', '_')}"):
            values[key] = value
    lines = [f"{key} = {values[key]}" for key in _PIP_KEYS if key in values]
    if ca:
        lines.append(f"cert = {_CA_INSIDE}")
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def apt_configuration(dump: str, *, ca: bool) -> str:
    """Keep of `apt-config dump` what says how to reach the mirrors; empty = nothing to say."""
    pattern = re.compile(r'^Acquire::(https?::[\w.:-]*(Proxy|Verify-Peer|Verify-Host)[\w:-]*|Retries) ".+";$')
    lines = [line for line in dump.splitlines() if pattern.match(line)]
    if ca:
        lines.append(f'Acquire::https::CaInfo "{_CA_INSIDE}";')
    return "\n".join([*lines, ""]) if lines else ""


def _ask(*command: str) -> str:
    try:
        return run(list(command), seconds=30)
    except CommandFailed:
        return ""  # no pip or no apt here: nothing of theirs to hand on
