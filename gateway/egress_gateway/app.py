"""Put the parts together: one aiohttp application around one cluster."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from egress_gateway.auth.guard import Gate, guard
from egress_gateway.auth.modes import keep_following, modes_of
from egress_gateway.cache import TaskCache
from egress_gateway.cluster import Cluster
from egress_gateway.events import Events
from egress_gateway.health import Health
from egress_gateway.history.history import History
from egress_gateway.limits import Limits
from egress_gateway.links.links import LinkSigner
from egress_gateway.listing import Listing
from egress_gateway.lookup import Lookup
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import deadline, observe
from egress_gateway.openapi.site import Site
from egress_gateway.pages import PageCheck
from egress_gateway.polling import Polling
from egress_gateway.routes import Routes
from egress_gateway.settings import Settings
from egress_gateway.tasks import Tasks
from egress_gateway.token_secrets import TokenSecrets
from egress_gateway.tracing import Tracing
from egress_gateway.watch import TaskWatch
from egress_gateway.wishes import Wishes

HEALTH = web.AppKey("health", Health)
CACHE = web.AppKey("cache", TaskCache)
WATCH = web.AppKey("watch", TaskWatch)


def create_app(cluster: Cluster, settings: Settings) -> web.Application:
    """Return the gateway: it watches from its start on, and closes `cluster` at its end.

    Raises:
        ConfigError: when a mode of authentication can't work as it is set up.
    """
    metrics = Metrics()
    cache = TaskCache(stale_seconds=settings.stale_seconds)
    watch = TaskWatch(cluster, cache, metrics=metrics)
    health = Health(cache, watch, metrics=metrics)
    pages = PageCheck(settings.pages, resolve_seconds=settings.resolve_seconds, metrics=metrics)
    lookup = Lookup(cluster, cache)
    token_secrets = TokenSecrets(cluster, refresh=settings.token_refresh)
    history = (
        History(
            settings.history,
            namespace=cluster.namespace,
            changes=cache.changes,
            metrics=metrics,
            found=lookup.remember_gone,
        )
        if settings.history.url
        else None
    )
    routes = Routes(
        Tasks(cluster, lookup, pages, token_secrets),
        Wishes(cluster, lookup, token_secrets),
        Polling(lookup, cache.changes, metrics=metrics),
        history=history,
        links=LinkSigner(settings.links, namespace=cluster.namespace),
        metrics=metrics,
        body_seconds=settings.request_seconds,
    )

    modes = modes_of(settings.auth, cluster)
    gate = Gate(modes, metrics=metrics)
    tracing = Tracing(settings.tracing) if settings.tracing.on else None
    limits = Limits(settings, metrics=metrics)
    app = web.Application(
        middlewares=[observe(metrics, tracing), guard(gate, limits), deadline(settings.answer_seconds)],
        client_max_size=settings.max_body_bytes,
    )
    events = Events(lookup, cache, metrics=metrics)
    tables = (routes.table(), Listing(cache).table(), events.table(), Site().table(), health.table())
    app.add_routes(path for table in tables for path in table)
    app[HEALTH] = health
    app[CACHE] = cache
    app[WATCH] = watch

    async def watching(_: web.Application) -> AsyncIterator[None]:
        running = [
            asyncio.create_task(watch.run(), name="watch"),
            *(asyncio.create_task(keep_following(mode), name=f"auth-{mode.name}") for mode in modes),
        ]
        yield
        for task in running:
            task.cancel()
        for task in running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await cluster.close()

    async def ending(_: web.Application) -> None:
        cache.changes.end()

    async def exporting(_: web.Application) -> AsyncIterator[None]:
        yield
        if tracing is not None:
            await tracing.close()

    app.on_shutdown.append(ending)
    app.cleanup_ctx.append(exporting)
    app.cleanup_ctx.append(watching)
    return app
