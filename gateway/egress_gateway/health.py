"""/healthz, /readyz and /metrics: for the kubelet, the Service and Prometheus."""

from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from egress_gateway.cache import TaskCache
from egress_gateway.metrics import Metrics
from egress_gateway.watch import TaskWatch


class Health:
    """How this gateway is.

    `draining` is set when it has been told to end: it then says so on /readyz and goes on answering
    until the Service has forgotten it.
    """

    def __init__(self, cache: TaskCache, watch: TaskWatch, *, metrics: Metrics) -> None:
        self._cache = cache
        self._watch = watch
        self._metrics = metrics
        self.draining = False

    def table(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, _: web.Request) -> web.Response:
        """Say that the process serves; a broken API server is no reason to restart it."""
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        """Say whether requests should come here, and why not."""
        if self.draining:
            return _not_ready("shutting down")
        if not self._cache.synced:
            return _not_ready(f"the watch cache isn't filled yet: {self._watch.trouble}")
        return web.Response(text="ok\n")

    async def metrics(self, _: web.Request) -> web.Response:
        """Return what Prometheus may read."""
        self._metrics.cache_tasks.set(len(self._cache))
        self._metrics.cache_fresh.set(self._cache.fresh)
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _not_ready(reason: str) -> web.Response:
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"not ready: {reason}\n")
