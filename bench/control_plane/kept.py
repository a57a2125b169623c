"""Finished tasks that are kept: what they cost in memory, at a restart, and at status calls and lists.

In: a task that has lived through the real programs, and how many copies of it to keep. Out: a `Kept`. The copies are
written to the API server directly, while neither program runs; then both are started as after an upgrade.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from bench.control_plane.api import Api, deadline
from bench.control_plane.figures import Kept, Latency
from bench.control_plane.lives import APP
from bench.control_plane.ours import Ours
from bench.control_plane.plane import now
from bench.errors import BenchError
from egress_api.names import task_name
from egress_gateway.listing import MAX_LIMIT
from egress_operator.cluster import MERGE_PATCH, tasks_path

SINGLE_GETS = 500
LISTS = 50
SETTLE_SECONDS = 5.0
"""In which nothing is asked: what a program has read at its start is in its memory by then, as it stays."""


async def any_finished(api: Api, *, namespace: str) -> dict[str, Any]:
    """Return a task that has ended."""
    listed = await api.request("GET", tasks_path(namespace), query={"limit": "1"})
    return dict(listed["items"][0])


async def fill(
    api: Api,
    like: dict[str, Any],
    *,
    namespace: str,
    count: int,
    connections: int,
    say: Callable[[str], None],
) -> list[str]:
    """Write copies of a finished task; return their names."""
    names = [task_name(app_id=APP, request_id=f"k{number}") for number in range(count)]
    waiting = list(names)
    kept = ("labels", "annotations")

    async def work() -> None:
        while waiting:
            name = waiting.pop()
            metadata = {key: like["metadata"].get(key, {}) for key in kept} | {"name": name}
            body = {
                "apiVersion": like["apiVersion"],
                "kind": like["kind"],
                "metadata": metadata,
                "spec": like["spec"],
            }
            await api.request("POST", tasks_path(namespace), body=body)
            await api.request(
                "PATCH",
                f"{tasks_path(namespace, name)}/status",
                body={"status": like["status"]},
                content_type=MERGE_PATCH,
            )

    async with (
        deadline(120 + count / 10, f"{count} finished tasks are written"),
        asyncio.TaskGroup() as group,
    ):
        for _ in range(connections):
            group.create_task(work())
    say(f"  {count} finished tasks written")
    return names


async def measure(
    ours: Ours,
    names: list[str],
    *,
    connections: int,
    seconds: float,
    say: Callable[[str], None],
) -> Kept:
    """Look at both programs, started with so many tasks there, and call the gateway."""
    await asyncio.sleep(SETTLE_SECONDS)
    resting = ours.usage()
    path = f"{ours.url}/egress/v1/{APP}/tasks"
    connector = aiohttp.TCPConnector(limit=connections)
    async with (
        deadline(300 + seconds, "status calls and lists are answered"),
        aiohttp.ClientSession(connector=connector) as session,
    ):
        gets = [await _get(session, f"{path}/{names[i * 7919 % len(names)]}") for i in range(SINGLE_GETS)]
        lists = [await _get(session, path) for _ in range(LISTS)]
        began = now()
        listed = await _list_all(session, path)
        list_all = now() - began
        if listed != len(names):
            raise BenchError(f"the list has {listed} of {len(names)} tasks")
        say(f"  status calls over {connections} connections for {seconds:.0f} s …")
        before, began = ours.usage()["gateway"], now()
        count = await _storm(session, path, names, connections=connections, until=began + seconds)
        spent, took = ours.usage()["gateway"].since(before), now() - began
    return Kept(
        count=len(names),
        operator=resting["operator"],
        gateway=resting["gateway"],
        operator_ready=ours.operator_ready_seconds,
        gateway_ready=ours.gateway_ready_seconds,
        get=Latency(seconds=gets),
        lists=Latency(seconds=lists),
        list_all_seconds=list_all,
        gets=count,
        gets_seconds=took,
        gets_cpu_seconds=spent.cpu_seconds,
    )


async def _storm(
    session: aiohttp.ClientSession, path: str, names: list[str], *, connections: int, until: float
) -> int:
    asked = 0

    async def work(first: int) -> None:
        nonlocal asked
        number = first
        while now() < until:
            await _get(session, f"{path}/{names[number * 7919 % len(names)]}")
            number += connections
            asked += 1

    async with asyncio.TaskGroup() as group:
        for first in range(connections):
            group.create_task(work(first))
    return asked


async def _get(session: aiohttp.ClientSession, url: str) -> float:
    began = now()
    async with session.get(url) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise BenchError(f"GET {url}: {answer.status} {text[:300]}")
    return now() - began


async def _list_all(session: aiohttp.ClientSession, path: str) -> int:
    cursor, found = "", 0
    while True:
        query = {"limit": str(MAX_LIMIT), **({"cursor": cursor} if cursor else {})}
        async with session.get(path, params=query) as answer:
            page = await answer.json()
            if answer.status != 200:
                raise BenchError(f"GET {path}: {answer.status} {page}")
        found += len(page["tasks"])
        if not page["next_cursor"]:
            return found
        cursor = page["next_cursor"]
