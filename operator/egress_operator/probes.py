"""Whether the operator does its work, for the kubelet: /healthz, /readyz, /metrics on a server of its own.

/healthz fails, so that the kubelet starts the operator anew, when a watch has gone silent (a resync found an
object that its watch did not tell of for too long), when the queue is stuck (a key worked on for too long, or keys
that wait while none is finished) or when a run that was to end does not. It does not fail because the API server is
away or slow: a restart would not bring that back. Nor while the operator begins anew: the server and what was counted
outlive that.
"""

from collections.abc import Callable
from typing import Final, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from egress_operator.metrics import Metrics

_LAST_ANSWERS_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 120
"""A watch that has not told of an object this long after a list showed it is broken (kopf cuts one at 70 s)."""
STUCK_SECONDS: Final = 300
"""A look makes about ten calls to the API, and the first that is not answered in 30 s ends it."""


class WatchHealth:
    """Compares what lists show with what watches tell."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Start.

        Args:
            clock: seconds that only go forward.
        """
        self._clock = clock
        self._seen: dict[str, int] = {}
        self._missed: dict[str, float] = {}
        self._listing: set[str] = set()
        self._resynced_at = 0.0
        self.ready = False

    def told(self, uid: str, resource_version: str) -> None:
        """A watch has told of an object, or of its deletion."""
        self._missed.pop(uid, None)
        self._seen[uid] = int(resource_version)

    def listed(self, uid: str, resource_version: str) -> None:
        """A list has shown an object."""
        self._listing.add(uid)
        # Versions are comparable (KEP-5504). A list may be older than what the watch told meanwhile.
        if self._seen.get(uid, -1) < int(resource_version):
            self._missed.setdefault(uid, self._clock())

    def resynced(self) -> None:
        """A full list has ended: what it didn't show is no longer waited for."""
        for uid in [uid for uid in self._missed if uid not in self._listing]:
            del self._missed[uid]
        for uid in [uid for uid in self._seen if uid not in self._listing]:
            del self._seen[uid]
        self._listing.clear()
        self._resynced_at = self._clock()
        self.ready = True

    @property
    def silent_seconds(self) -> float:
        """For how long a watch had owed us an object when the last list still showed it; 0 when none does.

        Only lists count: while the API server is away, or after an object went in a gap of the watch,
        nobody owes anything that could be told.
        """
        return max(self._resynced_at - min(self._missed.values()), 0.0) if self._missed else 0.0

    @property
    def owes(self) -> bool:
        """Whether a watch has yet to tell of an object: a list should soon look again."""
        return bool(self._missed)


class Health:
    """How the operator is: of the run that goes on, or why none does just now.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watch: WatchHealth | None = None
        self._stuck_seconds: Callable[[], float] = lambda: 0.0
        self._since = clock()
        self._why = "no full look at the cluster has succeeded yet"

    def begin(self, watch: WatchHealth, *, stuck_seconds: Callable[[], float]) -> None:
        """A run begins.

        Args:
            watch: what the watches owe.
            stuck_seconds: for how long the queue has brought nothing to an end.
        """
        self._watch, self._stuck_seconds = watch, stuck_seconds

    def end(self, why: str) -> None:
        """A run has ended, and another is to begin.

        Args:
            why: a sentence.
        """
        if self._watch is not None:
            self._since = self._clock()
        self._watch, self._stuck_seconds, self._why = None, lambda: 0.0, why

    def problems(self) -> list[str]:
        """Return what a restart would mend, in sentences; empty when all is well."""
        found: list[str] = []
        silent, stuck = self._watch.silent_seconds if self._watch else 0.0, self._stuck_seconds()
        if silent > SILENT_SECONDS:
            found.append(f"a watch has been silent for {silent:.0f} s about an object that a list shows")
        if stuck > STUCK_SECONDS:
            found.append(f"the work queue has been stuck for {stuck:.0f} s")
        idle = self._clock() - self._since if self._watch is None else 0.0
        if idle > STUCK_SECONDS:
            found.append(f"the operator has been about to end or to begin anew for {idle:.0f} s")
        return found

    @property
    def not_ready(self) -> str:
        """Why the operator is not at work, in a sentence; empty when it is."""
        return "" if self._watch is not None and self._watch.ready else self._why


class ProbeServer:
    """The HTTP server of the probes. An async context manager."""

    def __init__(
        self,
        *,
        port: int,
        health: Health,
        metrics: Metrics,
        host: str | None = None,
    ) -> None:
        """Prepare.

        Args:
            port: 0 takes a free one.
            health: what the probes tell.
            metrics: shown at /metrics.
            host: the address to listen on; None is all, of both families.
        """
        self._host = host
        self._port = port
        self._health = health
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics_page),
            ]
        )
        # kopf's end cuts off what answers a probe at that moment; aiohttp would wait a minute for it.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_ANSWERS_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port it listens on: a free one when it was asked for port 0."""
        if self._runner is None:
            raise RuntimeError("the probe server has not been started")
        return int(self._runner.addresses[0][1])

    async def _healthz(self, _: web.Request) -> web.Response:
        problems = self._health.problems()
        return web.Response(text="\n".join(problems) or "ok", status=500 if problems else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        why = self._health.not_ready
        return web.Response(text=why or "ok", status=503 if why else 200)

    async def _metrics_page(self, _: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
