"""Ended Pods that are released go all at once, every few seconds: one call for many, instead of one for each.

In: namespaces in which a Pod has been released. Out: deletions of a collection, by the label that a Pod gets with its
release, so that nothing of a recorder that may still have something to say is ever in it. Nothing has to be remembered:
what an operator that died has left is found by the same label, at the first resync of the next one.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from egress_api.constants import RELEASED_LABEL
from egress_operator.cluster import Cluster
from egress_operator.errors import ApiError
from egress_operator.orphans import MANAGED_SELECTOR

SWEEP_SECONDS: Final = 5.0
RELEASED_SELECTOR: Final = f"{MANAGED_SELECTOR},{RELEASED_LABEL}=true"

logger = structlog.get_logger(__name__)


class Sweep:
    """Deletes released Pods, some seconds after they were released."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._due: set[str] = set()
        self._rung = asyncio.Event()
        self._closed = asyncio.Event()

    def due(self, namespace: str) -> None:
        """Have a namespace's released Pods deleted soon."""
        self._due.add(namespace)
        self._rung.set()

    def close(self) -> None:
        """Have `run` end; what is due by then is the next operator's."""
        self._closed.set()
        self._rung.set()

    async def run(self) -> None:
        """Delete what is due, until closed."""
        while not self._closed.is_set():
            await self._rung.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), SWEEP_SECONDS)
            if self._closed.is_set():
                return
            try:
                await self.once()
            except Exception:
                # Nobody waits for this task: it has to go on. A resync finds what is left.
                logger.exception("Ended Pods not deleted")

    async def once(self) -> None:
        """Delete what is due now; what can't be deleted stays due."""
        self._rung.clear()
        due, self._due = self._due, set()
        for namespace in due:
            try:
                await self._cluster.delete_pods(namespace, selector=RELEASED_SELECTOR)
            except ApiError as error:
                logger.warning("Ended Pods not deleted yet", namespace=namespace, error=str(error))
                self.due(namespace)
