"""The watch goes on whatever it meets: a cache that is believed and never changes is worse than none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from egress_gateway.cache import TaskCache
from egress_gateway.metrics import Metrics
from egress_gateway.watch import TaskWatch


class Odd:
    """Lists nothing, and then watches what no API server has ever sent."""

    def __init__(self) -> None:
        self.lists = 0
        self.listed_anew = asyncio.Event()

    async def list_tasks(self, *, continue_token: str) -> dict[str, Any]:
        self.lists += 1
        if self.lists > 1:
            self.listed_anew.set()
        return {"items": [], "metadata": {"resourceVersion": "7"}}

    async def watch_tasks(self, _: str, *, on_open: Callable[[], None]) -> AsyncIterator[dict[str, Any]]:
        on_open()
        yield {"type": "MODIFIED", "object": {}}


async def test_what_is_unheard_of_is_answered_with_a_new_list() -> None:
    cluster, cache = Odd(), TaskCache(stale_seconds=0)
    watch = TaskWatch(cluster, cache, metrics=Metrics())  # type: ignore[arg-type]
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(cluster.listed_anew.wait(), 10)
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
