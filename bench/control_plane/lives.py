"""Our side: tasks by REST, each stopped as soon as it records.

In: the plane, both programs, how many. Out: a `Run`, from the first POST to the last STOPPED. The client has a bounded
number of connections; it learns from a watch of the API server what becomes of the tasks, as the other side's does, so
that asking is no part of what is measured. With a rate, starts come at that pace whether answers do or not, and an
answer is counted from when its call was due.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.control_plane.api import Api, deadline
from bench.control_plane.figures import Latency, Run, difference
from bench.control_plane.ours import Ours
from bench.control_plane.plane import Plane, now
from bench.errors import BenchError
from egress_api.names import task_name
from egress_api.states import State
from egress_operator.cluster import tasks_path

APP = "bench"
PROGRESS_SECONDS = 5.0
_LOWEST_RATE = 2.0
"""Tasks a second; a run that is slower is given up."""
REST_SECONDS = 600.0
"""What may be done while all of them record takes no longer."""
_TOKEN = "t" * 200
Rest = Callable[[], Awaitable[None]]
ENDED = {State.STOPPED, State.FAILED, State.TIMEOUT}


def seconds_for(count: int) -> float:
    """Return how long so many may take."""
    return 60 + count / _LOWEST_RATE


def start_body(request_id: str) -> dict[str, Any]:
    """Return the body of a start."""
    return {
        "request_id": request_id,
        "cmd": "record",
        "payload": {
            "layout": "flat",
            "channel": "bench",
            "access_token": _TOKEN,
            "workerUid": 42,
            "users": ["user1", "user2"],
            "filename_pattern": "file_output",
            "format": "hls",
            "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
            "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
        },
    }


@dataclass
class _Life:
    request_id: str
    stop_asked: bool = False
    ended: bool = False


class Client:
    """Starts and stops tasks over a bounded number of connections."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, connections: int) -> None:
        self._session = session
        self._slots = asyncio.Semaphore(connections)
        self._path = f"{url}/egress/v1/{APP}/tasks"
        self.posts: list[float] = []
        self.stops: list[float] = []

    async def start(self, request_id: str, *, due: float | None = None) -> None:
        """Start a task; `due` is when the call ought to have been made."""
        seconds = await self._post(self._path, start_body(request_id), due=due)
        self.posts.append(seconds)

    async def stop(self, name: str) -> None:
        """Stop a task."""
        self.stops.append(await self._post(f"{self._path}/{name}/stop", {"request_id": "stop"}))

    async def _post(self, path: str, body: dict[str, Any], *, due: float | None = None) -> float:
        async with self._slots:
            began = now() if due is None else due
            async with self._session.post(path, json=body) as answer:
                text = await answer.text()
                if answer.status >= 400:
                    raise BenchError(f"POST {path}: {answer.status} {text[:500]}")
            return now() - began


class _Lives:
    """All tasks of a run, until the last has ended."""

    def __init__(
        self, client: Client, group: asyncio.TaskGroup, *, count: int, rest: Rest | None = None
    ) -> None:
        self._client = client
        self._rest = rest
        self._group = group
        requests = [f"r{number}" for number in range(count)]
        self._by_name = {task_name(app_id=APP, request_id=request): _Life(request) for request in requests}
        self._left = count
        self._recording = 0

    async def follow(self, api: Api, path: str, *, since: str) -> None:
        """Stop each task that records; return when all have ended."""
        async for task in api.watch(path, since=since):
            name, status = task["metadata"]["name"], task.get("status") or {}
            life, state = self._by_name[name], status.get("state")
            if state == State.PROCESSING and not life.stop_asked:
                life.stop_asked = True
                self._recording += 1
                if self._rest is None:
                    self._group.create_task(self._client.stop(name))
                elif self._recording == len(self._by_name):
                    self._group.create_task(self._stop_all_after(self._rest))
            if state in ENDED and not life.ended:
                if state != State.STOPPED:
                    raise BenchError(
                        f"task {name} ended {state} {status.get('reason')}: {status.get('message')}"
                    )
                life.ended = True
                self._left -= 1
                if not self._left:
                    return

    async def _stop_all_after(self, rest: Rest) -> None:
        await rest()
        for name in self._by_name:
            self._group.create_task(self._client.stop(name))

    async def start_all(self, *, workers: int) -> None:
        """Start them as fast as so many connections do."""
        waiting = [life.request_id for life in reversed(self._by_name.values())]

        async def work() -> None:
            while waiting:
                await self._client.start(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())

    async def start_paced(self, rate: float) -> None:
        """Start them at a rate, never waiting for an answer."""
        began = now()
        for number, life in enumerate(self._by_name.values()):
            due = began + number / rate
            await asyncio.sleep(max(due - now(), 0))
            self._group.create_task(self._client.start(life.request_id, due=due))

    async def tell(self, say: Callable[[str], None]) -> None:
        """Say now and then how far it is."""
        count = len(self._by_name)
        while self._left:
            await asyncio.sleep(PROGRESS_SECONDS)
            say(
                f"  {len(self._client.posts)} of {count} started, {self._recording} recorded, {count - self._left} stopped"
            )


async def run(
    plane: Plane,
    ours: Ours,
    api: Api,
    *,
    namespace: str,
    count: int,
    connections: int,
    rate: float | None = None,
    rest: Rest | None = None,
    say: Callable[[str], None],
) -> Run:
    """Take `count` tasks from their start to their end.

    Args:
        plane: the cluster.
        ours: both programs.
        api: a client of the API server.
        namespace: the tasks'.
        count: how many.
        connections: of the REST client.
        rate: starts a second; by default as fast as the connections go.
        rest: what is done once all of them record, before they are stopped.
        say: is told how far it is.
    """
    path = tasks_path(namespace)
    since = await api.version(path)
    wide = 10 * connections if rate else connections
    before, calls = {**plane.usage(), **ours.usage()}, plane.calls()
    async with (
        deadline(seconds_for(count) + (REST_SECONDS if rest else 0), f"{count} tasks have ended"),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=wide)) as session,
        asyncio.TaskGroup() as group,
    ):
        client = Client(ours.url, session, connections=wide)
        lives = _Lives(client, group, count=count, rest=rest)
        telling = group.create_task(lives.tell(say))
        began = now()
        following = group.create_task(lives.follow(api, path, since=since))
        await (lives.start_paced(rate) if rate else lives.start_all(workers=connections))
        await following
        seconds = now() - began
        telling.cancel()
    # The last Pod's release and deletion come after STOPPED, and are part of the life.
    await api.gone(f"/api/v1/namespaces/{namespace}/pods")
    after = {**plane.usage(), **ours.usage()}
    return Run(
        count=count,
        seconds=seconds,
        spent={name: spent.since(before.get(name)) for name, spent in after.items()},
        calls=difference(plane.calls(), calls),
        posts=Latency(seconds=client.posts),
        stops=Latency(seconds=client.stops),
    )
