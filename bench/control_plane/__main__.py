"""`python -m bench.control_plane [--counts 300,1000,3000] [--kept 10000] [--write]`: see the package's own words."""

import asyncio
import os
import pstats
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import document, machine
from bench.control_plane import page
from bench.control_plane.plane import Plane
from bench.control_plane.turns import Turns
from bench.errors import BenchError
from egress_cluster.errors import ClusterError

PROFILED = 25
"""Functions of a profile that are shown."""
console = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    counts: Annotated[
        str, typer.Option(help="How many at a time, by commas; empty leaves the rates out.")
    ] = "300,1000,3000",
    rounds: Annotated[int, typer.Option(min=1, help="Turns of both sides for each of them.")] = 2,
    pace: Annotated[float, typer.Option(help="Starts a second for the steady part; 0 leaves it out.")] = 100,
    paced: Annotated[int, typer.Option(min=1, help="Starts in the steady part.")] = 1000,
    held: Annotated[int, typer.Option(help="Recordings that go on at a time; 0 leaves them out.")] = 300,
    held_seconds: Annotated[float, typer.Option(help="For how long.")] = 60,
    kept_tasks: Annotated[
        int, typer.Option("--kept", help="Finished tasks to keep; 0 leaves them out.")
    ] = 10_000,
    gets_seconds: Annotated[float, typer.Option(help="Length of the status calls at full speed.")] = 10,
    connections: Annotated[int, typer.Option(min=1, help="Of the client, on both sides.")] = 20,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes that kwok plays.")] = 10,
    only_tasks: Annotated[bool, typer.Option("--only-tasks", help="Leave the Jobs out.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the operator's CPU goes; rates are then no rates.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where data and logs go, and stay; by default they go with the bench.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write docs/benchmarks.md.")] = False,
) -> None:
    """Measure what the control plane takes, against the Job controller on the same API server."""
    sizes = [int(count) for count in counts.split(",") if count.strip()]
    if write and (profile or only_tasks):
        raise typer.BadParameter("--write is for whole measurements: leave --profile and --only-tasks out")
    profiles = Path(tempfile.mkdtemp(prefix="egress-bench-profile-")) if profile else None
    turns = Turns(connections=connections, profiles=profiles, say=console.print)
    with Plane(nodes=nodes, folder=folder.resolve() if folder else None, say=console.print) as plane:
        here = machine.describe_with(kubernetes=plane.version, nodes=nodes)
        found = asyncio.run(
            turns.measure(
                plane,
                sizes=sizes,
                rounds=rounds,
                with_jobs=not only_tasks,
                pace=pace,
                paced=paced,
                held=held,
                held_seconds=held_seconds,
                kept_tasks=kept_tasks,
                gets_seconds=gets_seconds,
            )
        )
    for title, _, head, rows in page.tables(found):
        table = Table(*head, title=title)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for path in sorted(profiles.iterdir()) if profiles else ():
        show(path)
    if write:
        command = (
            f"python -m bench.control_plane --counts {counts} --rounds {rounds} --pace {pace:g} --paced {paced}"
            f" --held {held} --held-seconds {held_seconds:g} --kept {kept_tasks} --write"
        )
        made = here.sentence(command, load_after=os.getloadavg()[0])
        document.write("control-plane", page.section(found, made=made))
        console.print(f"written to {document.PAGE}")


def show(profile: Path) -> None:
    """Say where the operator's CPU went: by the functions themselves, and with what they called."""
    console.print(f"the operator's CPU in {profile}:")
    found = pstats.Stats(str(profile))
    found.sort_stats("tottime").print_stats(PROFILED)
    found.sort_stats("cumtime").print_stats(PROFILED)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def run() -> None:
    """Run the command line; what went wrong is told without a stack trace."""
    # As an exception, for the programs that were started then end with their contexts.
    signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except* (BenchError, ClusterError) as problems:
        for problem in _single(problems):
            print(f"bench: {problem}", file=sys.stderr)
        sys.exit(1)


def _single(problems: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for problem in problems.exceptions:
        if isinstance(problem, BaseExceptionGroup):
            yield from _single(problem)
        else:
            yield problem


if __name__ == "__main__":
    run()
