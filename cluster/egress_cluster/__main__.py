"""The command line: `python -m egress_cluster up | down | status | load | build | env | …`.

In: options and the environment. Out: lines for the person on stderr, answers for scripts on stdout. It only wires the
modules together; a failure is one sentence with the log to read, and code 1.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import builds, engine, gobuild
from .errors import ClusterError
from .settings import Settings

app = typer.Typer(help="A kind cluster for the demo and the tests, on any machine.", no_args_is_help=True)

Name = Annotated[str, typer.Option(help="The cluster's name.")]


def _settings(**options: object) -> Settings:
    return Settings.from_environment(os.environ, **options)


@app.command("engine")
def engine_command() -> None:
    """Make sure that a Docker engine answers, and say how."""
    found = engine.ensure(_settings())
    print(f"{found.host or 'default socket'} by {found.client} ({'ours' if found.ours else 'the machine’s'})")


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
        dockerfile=file,
        target=target,
        arguments=build_arg or (),
    )


@app.command("build-tools")
def build_tools() -> None:
    """Build the Go programs that the machine does not have; needs no Docker."""
    settings = _settings()
    for program in gobuild.PROGRAMS:
        print(f"{program.name}: {gobuild.wanted(program, settings)}")


def main() -> None:
    """Run the command line; a ClusterError is told without a stack trace."""
    try:
        app()
    except ClusterError as problem:
        print(f"egress-cluster: {problem}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
