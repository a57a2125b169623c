"""What is measured, one thing after the other, both sides in turns.

In: a plane that runs. Out: `Results`. Each run has a namespace of its own and fresh programs; what it leaves is cleared
away, and the controllers rest, before the next one begins.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.control_plane import jobs, kept, lives
from bench.control_plane.api import Api
from bench.control_plane.figures import Held, Kept, Run, difference
from bench.control_plane.ours import Ours
from bench.control_plane.page import Results
from bench.control_plane.plane import Plane, now
from bench.control_plane.stages import Recorders
from egress_operator.cluster import tasks_path

KEPT = "bench-kept"
SETTLE_SECONDS = 5.0
"""Between the last start and a look at what all of them cost."""


class Turns:
    """One run of the bench on a plane."""

    def __init__(self, *, connections: int, profiles: Path | None, say: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            connections: of the client, on both sides.
            profiles: folder for profiles of the operator, if they are to be made.
            say: is told what is going on.
        """
        self._connections = connections
        self._profiles = profiles
        self._say = say

    async def measure(
        self,
        plane: Plane,
        *,
        sizes: list[int],
        rounds: int,
        with_jobs: bool,
        pace: float,
        paced: int,
        held: int,
        held_seconds: float,
        kept_tasks: int,
        gets_seconds: float,
    ) -> Results:
        """Measure everything, one thing after the other."""
        found = Results()
        async with Recorders() as recorders, Api(plane.server, connections=self._connections) as api:
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
            if held:
                found.held = await self._hold(plane, api, recorders, count=held, seconds=held_seconds)
            if kept_tasks:
                found.kept = await self._keep(plane, api, count=kept_tasks, seconds=gets_seconds)
        return found

    async def _tasks(
        self, plane: Plane, api: Api, name: str, *, count: int, rate: float | None = None
    ) -> Run:
        at = f" at {rate:g}/s" if rate else ""
        self._say(f"{count} tasks{at} …")
        profile = self._profiles / f"{name}.prof" if self._profiles else None
        async with _namespace(plane, api, f"bench-{name}") as namespace:
            with Ours(plane, namespace, profile=profile) as ours:
                run = await lives.run(
                    plane, ours, api, namespace=namespace, count=count, connections=self._connections,
                    rate=rate, say=self._say,
                )  # fmt: skip
        self._tell(run)
        return run

    async def _hold(
        self, plane: Plane, api: Api, recorders: Recorders, *, count: int, seconds: float
    ) -> Held:
        self._say(f"{count} recordings that go on for {seconds:.0f} s …")
        found: list[Held] = []
        async with _namespace(plane, api, "bench-held") as namespace:
            with Ours(plane, namespace) as ours:

                async def rest() -> None:
                    await asyncio.sleep(SETTLE_SECONDS)
                    before, calls, asked = ours.usage() | plane.usage(), plane.calls(), recorders.asked
                    began = now()
                    await asyncio.sleep(seconds)
                    after, took = ours.usage() | plane.usage(), now() - began
                    found.append(
                        Held(
                            count=count,
                            seconds=took,
                            spent={name: spent.since(before.get(name)) for name, spent in after.items()},
                            calls=difference(plane.calls(), calls),
                            asked=recorders.asked - asked,
                        )
                    )

                await lives.run(
                    plane, ours, api, namespace=namespace, count=count, connections=self._connections,
                    rest=rest, say=self._say,
                )  # fmt: skip
        return found[0]

    async def _jobs(self, plane: Plane, api: Api, name: str, *, count: int) -> Run:
        self._say(f"{count} Jobs …")
        async with _namespace(plane, api, f"bench-{name}") as namespace:
            run = await jobs.run(
                plane, api, namespace=namespace, count=count, connections=self._connections, say=self._say
            )
        self._tell(run)
        return run

    def _tell(self, run: Run) -> None:
        self._say(
            f"  {run.count} in {run.seconds:.1f} s: {run.rate:.1f}/s, {run.writes():.2f} writes each,"
            f" POST p50 / p99 {run.posts.text()}"
        )

    async def _keep(self, plane: Plane, api: Api, *, count: int, seconds: float) -> Kept:
        self._say(f"{count} finished tasks …")
        plane.make_namespace(KEPT)
        with Ours(plane, KEPT) as ours:
            await lives.run(
                plane, ours, api, namespace=KEPT, count=1, connections=self._connections, say=self._say
            )
        like = await kept.any_finished(api, namespace=KEPT)
        names = await kept.fill(
            api, like, namespace=KEPT, count=count, connections=self._connections, say=self._say
        )
        # The first one was only the pattern.
        await api.request("DELETE", f"{tasks_path(KEPT)}/{like['metadata']['name']}")
        with Ours(plane, KEPT) as ours:
            return await kept.measure(
                ours, names, connections=self._connections, seconds=seconds, say=self._say
            )


@asynccontextmanager
async def _namespace(plane: Plane, api: Api, name: str) -> AsyncIterator[str]:
    """Make a namespace and empty it afterwards: what the next run finds is no more than the first one did."""
    plane.make_namespace(name)
    yield name
    for path in (
        tasks_path(name),
        f"/apis/batch/v1/namespaces/{name}/jobs",
        f"/api/v1/namespaces/{name}/pods",
        f"/api/v1/namespaces/{name}/secrets",
    ):
        await api.clear(path)
    await plane.quiet()
