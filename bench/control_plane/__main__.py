"""`python -m bench.control_plane [--counts 300,1000,3000] [--kept 10000] [--write]`: see the package's own words."""

import asyncio
import os
import pstats
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import document, machine
from bench.control_plane import jobs, kept, lives, page
from bench.control_plane.api import Api
from bench.control_plane.figures import Run
from bench.control_plane.ours import Ours
from bench.control_plane.page import Results
from bench.control_plane.plane import Plane
from bench.control_plane.stages import Recorders

KEPT = "bench-kept"
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
    write: Annotated[bool, typer.Option("--write", help="Write docs/benchmarks.md.")] = False,
) -> None:
    """Measure what the control plane takes, against the Job controller on the same API server."""
    sizes = [int(count) for count in counts.split(",") if count.strip()]
    if write and (profile or only_tasks):
        raise typer.BadParameter("--write is for whole measurements: leave --profile and --only-tasks out")
    profiles = Path(tempfile.mkdtemp(prefix="egress-bench-profile-")) if profile else None
    bench = Bench(connections=connections, profiles=profiles)
    with Plane(nodes=nodes, say=console.print) as plane:
        here = machine.describe_with(kubernetes=plane.version, nodes=nodes)
        found = asyncio.run(
            bench.measure(
                plane,
                sizes=sizes,
                rounds=rounds,
                with_jobs=not only_tasks,
                pace=pace,
                paced=paced,
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
        console.print(f"the operator's CPU in {path}:")
        pstats.Stats(str(path)).sort_stats("tottime").print_stats(PROFILED).sort_stats("cumtime").print_stats(
            PROFILED
        )
    if write:
        command = (
            f"python -m bench.control_plane --counts {counts} --rounds {rounds} --pace {pace:g} --paced {paced}"
            f" --kept {kept_tasks} --write"
        )
        made = here.sentence(command, load_after=os.getloadavg()[0])
        document.write("control-plane", page.section(found, made=made))
        console.print(f"written to {document.PAGE}")


class Bench:
    """One run of the bench on a plane."""

    def __init__(self, *, connections: int, profiles: Path | None) -> None:
        self._connections = connections
        self._profiles = profiles

    async def measure(
        self,
        plane: Plane,
        *,
        sizes: list[int],
        rounds: int,
        with_jobs: bool,
        pace: float,
        paced: int,
        kept_tasks: int,
        gets_seconds: float,
    ) -> Results:
        """Measure everything, one thing after the other."""
        found = Results()
        async with Recorders(), Api(plane.server, connections=self._connections) as api:
            # A first few of each: caches fill, and what does not work at all is known at once.
            await self._tasks(plane, api, "warm-tasks", count=self._connections)
            if with_jobs:
                await self._jobs(plane, api, "warm-jobs", count=self._connections)
            for count in sizes:
                for number in range(1, rounds + 1):
                    run = await self._tasks(plane, api, f"tasks-{count}-{number}", count=count)
                    found.tasks.setdefault(count, []).append(run)
                    if with_jobs:
                        run = await self._jobs(plane, api, f"jobs-{count}-{number}", count=count)
                        found.jobs.setdefault(count, []).append(run)
            if pace:
                found.pace = pace
                found.paced = await self._tasks(plane, api, "paced", count=paced, rate=pace)
            if kept_tasks:
                found.kept = await self._keep(plane, api, count=kept_tasks, seconds=gets_seconds)
        return found

    async def _tasks(
        self, plane: Plane, api: Api, name: str, *, count: int, rate: float | None = None
    ) -> Run:
        at = f" at {rate:g}/s" if rate else ""
        console.print(f"{count} tasks{at} …")
        profile = self._profiles / f"{name}.prof" if self._profiles else None
        async with _namespace(plane, api, f"bench-{name}") as namespace:
            with Ours(plane, namespace, profile=profile) as ours:
                run = await lives.run(
                    plane, ours, api, namespace=namespace, count=count, connections=self._connections,
                    rate=rate, say=console.print,
                )  # fmt: skip
        _tell(run)
        return run

    async def _jobs(self, plane: Plane, api: Api, name: str, *, count: int) -> Run:
        console.print(f"{count} Jobs …")
        async with _namespace(plane, api, f"bench-{name}") as namespace:
            run = await jobs.run(
                plane, api, namespace=namespace, count=count, connections=self._connections, say=console.print
            )
        _tell(run)
        return run

    async def _keep(self, plane: Plane, api: Api, *, count: int, seconds: float) -> page.Kept:
        console.print(f"{count} finished tasks …")
        plane.make_namespace(KEPT)
        with Ours(plane, KEPT) as ours:
            await lives.run(
                plane, ours, api, namespace=KEPT, count=1, connections=self._connections, say=console.print
            )
        like = await kept.any_finished(api, namespace=KEPT)
        names = await kept.fill(
            api, like, namespace=KEPT, count=count, connections=self._connections, say=console.print
        )
        # The first one was only the pattern.
        await api.request("DELETE", f"{lives.tasks_path(KEPT)}/{like['metadata']['name']}")
        with Ours(plane, KEPT) as ours:
            return await kept.measure(
                plane, ours, names, connections=self._connections, seconds=seconds, say=console.print
            )


def _tell(run: Run) -> None:
    console.print(
        f"  {run.count} in {run.seconds:.1f} s: {run.rate:.1f}/s, {run.writes():.2f} writes each,"
        f" POST p50 / p99 {run.posts.text()}"
    )


@asynccontextmanager
async def _namespace(plane: Plane, api: Api, name: str) -> AsyncIterator[str]:
    """Make a namespace and empty it afterwards: what the next run finds is no more than the first one did."""
    plane.make_namespace(name)
    yield name
    core = f"/api/v1/namespaces/{name}"
    for path in (
        lives.tasks_path(name),
        f"/apis/batch/v1/namespaces/{name}/jobs",
        f"{core}/pods",
        f"{core}/secrets",
        f"{core}/events",
    ):
        await api.clear(path)
    await lives.gone(api, f"{core}/pods")


if __name__ == "__main__":
    app()
