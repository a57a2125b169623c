"""A reader of server-sent events, as the HTML standard has them."""

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient


@dataclass
class Event:
    """One event; `state` is the status word of its data."""

    id: int
    name: str
    data: dict[str, Any]

    @property
    def state(self) -> str:
        return str(self.data.get("status", self.name))


@dataclass
class EventStream:
    """One open stream."""

    client: TestClient[Any, Any]
    path: str
    last: int | str | None = None
    comments: list[str] = field(default_factory=list)
    response: ClientResponse = field(init=False)

    async def __aenter__(self) -> Self:
        headers = {} if self.last is None else {"Last-Event-ID": str(self.last)}
        self.response = await self.client.get(self.path, headers=headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.response.close()

    async def next(self) -> Event | None:
        """Return the next event, None at the stream's end; comments are kept apart."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self.response.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(":")
                if line.startswith(":"):
                    self.comments.append(value.strip())
                elif name:
                    fields[name] = value.strip()
                elif "data" in fields:
                    return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
        return None

    async def take(self, number: int) -> list[tuple[int, str, str]]:
        """Return (id, task_id, state or `gone`) of the next events."""
        found = []
        for _ in range(number):
            event = await self.next()
            assert event is not None, "the stream has ended"
            found.append((event.id, str(event.data["task_id"]), event.state))
        return found
