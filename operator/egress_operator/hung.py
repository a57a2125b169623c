"""kopf's end, where it hangs.

kopf cancels a watch together with the task that would pause it, and that one closes the watch's connection: the error of
the closed connection may take the cancellation's place, and is taken for a pause. The watch goes on, kopf waits for it
without a limit, and the operator neither ends nor begins anew. In: that kopf's end has begun. Out: watches that go on
after it are cancelled once more, alone. Must not: touch what ran before kopf began.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

HUNG_SECONDS: Final = 8.0
"""kopf cancels what still runs 5 s after its end has begun."""
_WATCHES: Final = "watcher for "
"""How the names of their tasks begin."""

logger = structlog.get_logger(__name__)


@asynccontextmanager
async def hung_watches_ended(*endings: asyncio.Event, seconds: float = HUNG_SECONDS) -> AsyncIterator[None]:
    """Run kopf in the block.

    Args:
        endings: one of them is set when its end has begun.
        seconds: from then on until watches that go on are cancelled, and until the next such look.
    """
    before = asyncio.all_tasks()

    async def end_hung() -> None:
        while True:
            await asyncio.sleep(seconds)
            for task in asyncio.all_tasks() - before:
                if task.get_name().startswith(_WATCHES):
                    logger.warning("A watch that goes on is ended", watch=task.get_name())
                    task.cancel()

    async def wait_and_end(ending: asyncio.Event) -> None:
        await ending.wait()
        await end_hung()

    # kopf lets those alone that were there before it.
    waiting = [asyncio.create_task(wait_and_end(ending), name="end of hung watches") for ending in endings]
    try:
        yield
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
