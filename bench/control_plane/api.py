"""The API server as the bench's own client uses it: as the administrator, over connections that are kept.

In: an `ApiServer` that runs. Out: dicts, and a watch as an async iterator. For the client's side of what is measured;
setting up goes through `ApiServer.request`.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from bench.errors import BenchError
from egress_cluster.apiserver import ApiServer

REQUEST_SECONDS = 60
WATCH_SECONDS = 3600
CLEAR_SECONDS = 300
POLL_SECONDS = 0.2
_LARGEST_EVENT = 1 << 20


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise a BenchError that says what was waited for, when the time is up."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BenchError(f"{what}: not so after {seconds:.0f} s") from error


class Api:
    """A client with many connections. An async context manager."""

    def __init__(self, server: ApiServer, *, connections: int) -> None:
        config = json.loads(server.kubeconfig.read_text())
        trusted = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
        self._session = aiohttp.ClientSession(
            server.url,
            connector=aiohttp.TCPConnector(limit=connections + 2, ssl=trusted),
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            read_bufsize=_LARGEST_EVENT,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Make one call; a BenchError with the answer where it is refused."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self._session.request(method, path, data=data, params=query, headers=headers) as response:
            text = await response.text()
        if response.status >= 400:
            raise BenchError(f"{method} {path}: {response.status} {text[:500]}")
        return dict(json.loads(text))

    async def count(self, path: str) -> int:
        """Return how many objects there are."""
        first = await self.request("GET", path, query={"limit": "1"})
        return len(first["items"]) + int(first["metadata"].get("remainingItemCount") or 0)

    async def clear(self, path: str) -> None:
        """Delete all objects of a collection, and wait until none is left; a BenchError where some stay."""
        async with deadline(CLEAR_SECONDS, f"{path} is empty"):
            while await self.count(path):
                # A large one takes longer than a call may; what is gone by then is gone.
                with contextlib.suppress(BenchError, TimeoutError):
                    await self.request("DELETE", path, query={"propagationPolicy": "Background"})
                await asyncio.sleep(POLL_SECONDS)

    async def gone(self, path: str) -> None:
        """Wait until a collection is empty; a BenchError where it doesn't become so."""
        async with deadline(CLEAR_SECONDS, f"{path} is empty"):
            while await self.count(path):  # noqa: ASYNC110 - only the API server knows
                await asyncio.sleep(POLL_SECONDS)

    async def version(self, path: str) -> str:
        """Return from where a watch sees everything that is still to come."""
        listed = await self.request("GET", path, query={"limit": "1"})
        return str(listed["metadata"]["resourceVersion"])

    async def watch(self, path: str, *, since: str) -> AsyncIterator[dict[str, Any]]:
        """Yield each object that is made or changed; a BenchError where the watch ends."""
        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": str(WATCH_SECONDS)}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(path, params=query, timeout=timeout) as response:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise BenchError(f"watch of {path}: {event['object'].get('message')}")
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
        raise BenchError(f"watch of {path} has ended")
