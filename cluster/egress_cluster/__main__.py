"""The command line: `python -m egress_cluster up | down | status | load | build | env | …`.

In: options and the environment. Out: lines for the person on stderr, answers for scripts on stdout. It only wires the
modules together; a failure is one sentence with the log to read, and code 1.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from . import builds, demo, engine, gobuild, images, leftovers
from . import deploy as deployment
from .cluster import Cluster
from .errors import ClusterError
from .run import only_one, step
from .settings import Settings
from .shell import exports

app = typer.Typer(
    help="A kind cluster for the demo and the tests, on any machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option(help="The cluster's name.")]


@app.command()
def up(
    *,
    name: Name = "egress",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=10, help="Spare nodes beside the control plane; default: as many as there are, or one."
        ),
    ] = None,
    port_offset: Annotated[int, typer.Option(help="Added to host ports 8091 and 8092.")] = 0,
    ports: Annotated[bool, typer.Option(help="Publish the gateway and the store on 127.0.0.1.")] = True,
    servers: Annotated[bool, typer.Option(help="Run the demo's S3 and RTC servers.")] = True,
) -> None:
    """Have the cluster and the demo's servers running; mend what a killed run left."""
    settings = replace(_settings(name), workers=workers, port_offset=port_offset, publish_ports=ports)
    with only_one(settings.cache / "up.lock", what="up or down"), step(f"cluster {name} up", progress=False):
        found = engine.ensure(settings)
        cluster = Cluster(engine=found, settings=settings)
        cluster.up()
        gobuild.wanted(gobuild.HELM, settings)
        if servers:
            demo.up(cluster, engine=found, settings=settings)
        images.tidy(engine=found, settings=settings)


@app.command()
def deploy() -> None:
    """Have the cluster running and the chart of this checkout installed in it, with images built from it."""
    settings = _settings()
    with only_one(settings.cache / "up.lock", what="up or down"), step("chart installed"):
        found = engine.ensure(settings)
        cluster = Cluster(engine=found, settings=settings)
        cluster.up()
        demo.up(cluster, engine=found, settings=settings)
        deployment.deploy(cluster, engine=found, settings=settings)
        demo.serve_pages(cluster, settings=settings)
        images.tidy(engine=found, settings=settings)


@app.command()
def down(*, name: Name = "egress") -> None:
    """Delete the cluster, its network and, with the last cluster, our own Docker engine; the cache stays."""
    settings = _settings(name)
    with (
        only_one(settings.cache / "up.lock", what="up or down"),
        step(f"cluster {name} down", progress=False),
    ):
        found = engine.find(settings)
        if found is None and leftovers.our_containers(settings):
            found = engine.ensure(
                settings
            )  # a killed engine's containers: the next start would bring them back
        if found is None:
            engine.stop(settings)  # a killed one may have left something
            return
        cluster = Cluster(engine=found, settings=settings)
        cluster.down()
        if found.ours and not cluster.others_left():
            engine.stop(settings)


@app.command()
def status(*, name: Name = "egress") -> None:
    """Show the engine, the nodes and the Pods; code 1 where the cluster does not answer."""
    settings = _settings(name)
    found = engine.find(settings)
    _answer(f"engine: {_describe(found)}")
    if found is None:
        raise typer.Exit(1)
    cluster = Cluster(engine=found, settings=settings)
    states = cluster.node_states()
    for node, state in states.items():
        _answer(f"node container {node}: {state}")
    if not states:
        _answer(f"cluster {name}: not there; `python -m egress_cluster up` makes it")
        raise typer.Exit(1)
    _answer(cluster.kubectl("get", "nodes,pods", "--all-namespaces", "-o", "wide"))


@app.command()
def load(images: list[str], *, name: Name = "egress") -> None:
    """Put images of the engine into every node."""
    settings = _settings(name)
    Cluster(engine=engine.ensure(settings), settings=settings).load(*images)


@app.command()
def build(
    tag: str,
    context: Path,
    *,
    file: Annotated[Path | None, typer.Option(help="The Dockerfile; default: the context's.")] = None,
    target: Annotated[str | None, typer.Option(help="The stage to build.")] = None,
    build_arg: Annotated[list[str] | None, typer.Option(help="NAME=value, any number of times.")] = None,
) -> None:
    """Build an image with BuildKit and with what this machine needs for it."""
    settings = _settings()
    builds.build_image(
        tag,
        context.resolve(),
        engine=engine.ensure(settings),
        settings=settings,
        dockerfile=file.resolve() if file else None,
        target=target,
        arguments=build_arg or (),
    )


@app.command("engine")
def engine_command() -> None:
    """Make sure that a Docker engine answers, and say how."""
    _answer(_describe(engine.ensure(_settings())))


@app.command("build-tools")
def build_tools(
    names: Annotated[list[str] | None, typer.Argument(help="Some of them; default: all.")] = None,
) -> None:
    """Build the Go programs that the machine does not have; needs no Docker."""
    settings = _settings()
    known = {program.name: program for program in gobuild.PROGRAMS}
    if unknown := sorted(set(names or ()) - known.keys()):
        raise ClusterError(f"There is no tool {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names or known:
        _answer(f"{name}: {gobuild.wanted(known[name], settings)}")


@app.command()
def kubeconfig(*, name: Name = "egress") -> None:
    """Print the kubeconfig's path."""
    _answer(str(_settings(name).kubeconfig))


@app.command("env")
def env_command(*, name: Name = "egress") -> None:
    """Print `export` lines for `eval "$(python -m egress_cluster env)"`."""
    settings = _settings(name)
    found = engine.find(settings)
    _answer(exports(settings, docker_host=found.host if found else None))


def _settings(name: str = "egress") -> Settings:
    return replace(Settings.from_environment(os.environ), name=name)


def _describe(found: engine.Engine | None) -> str:
    if found is None:
        return "none answers"
    return f"{found.host or 'the default socket'}, by {found.client} ({'our own' if found.ours else 'the machine’s'})"


def _answer(text: str) -> None:
    print(text)  # noqa: T201 - the answer is for scripts and people alike


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; a ClusterError is told without a stack trace."""
    # As an exception, for `run` then ends the programs that it started: they have process groups of their own.
    signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except ClusterError as problem:
        print(f"egress-cluster: {problem}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
