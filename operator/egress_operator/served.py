"""Whether kopf has found the resources that it is to watch.

kopf looks which there are once, when it begins, and never again without rights on all of the cluster's definitions: what
is not there then (the CRD is yet to come, or was deleted to be applied again) it waits for without a word and without a
watch. In: what kopf has found. Out: its end, so that app.py begins anew until all is there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from kopf._cogs.structs.references import Insights

from egress_api.constants import GROUP, PLURAL
from egress_operator.errors import ResourceMissingError

_WATCHED: Final = {("", "pods"), (GROUP, PLURAL)}


@asynccontextmanager
async def ended_unless_served(insights: Insights, *, stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Give the flag that is to end kopf: set once `stop` is, or when a resource is not there.

    Args:
        insights: what kopf finds, and was given to it.
        stop: ends the operator.

    Raises:
        ResourceMissingError: behind the block, when it was for that.
    """
    over = asyncio.Event()

    async def told() -> None:
        await stop.wait()
        over.set()

    async def looked() -> None:
        await insights.ready_resources.wait()
        if _missing(insights):
            over.set()

    tasks = [asyncio.create_task(told(), name="told to stop"), asyncio.create_task(looked(), name="looked")]
    try:
        yield over
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if over.is_set() and not stop.is_set():
        raise ResourceMissingError(
            f"the API server has no {' and no '.join(_missing(insights))}: apply crds/egresstasks.yaml of this version"
        )


def _missing(insights: Insights) -> list[str]:
    found = {(resource.group, resource.plural) for resource in insights.watched_resources}
    return [f"{plural}.{group}".rstrip(".") for group, plural in sorted(_WATCHED - found)]
