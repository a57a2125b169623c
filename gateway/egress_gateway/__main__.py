"""The process: `egress-gateway`, or `python -m egress_gateway`; settings come from the environment."""

import asyncio
import signal
import sys

from aiohttp import web
from prometheus_client import disable_created_metrics
from pydantic import ValidationError
from pydantic_settings import SettingsError

from egress_gateway.app import CACHE, HEALTH, create_app
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ConfigError
from egress_gateway.logs import configure_logs, get_logger
from egress_gateway.server import Runner
from egress_gateway.settings import Settings

_MISUSE = 2
log = get_logger("egress_gateway")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then exit 0; exit 2 when the setup is wrong."""
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            variable, *inside = problem["loc"]
            where = f"{'.'.join(map(str, inside))}: " if inside else ""
            sys.stderr.write(
                f"egress-gateway: EGRESS_GATEWAY_{str(variable).upper()}: {where}{problem['msg']}\n"
            )
        sys.exit(_MISUSE)
    except SettingsError as error:
        # Its words name the field; of the value, which can be long, only the place is told.
        field = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "…").upper()
        sys.stderr.write(f"egress-gateway: EGRESS_GATEWAY_{field} is not JSON: {error.__cause__ or error}\n")
        sys.exit(_MISUSE)
    configure_logs(settings.log_level)
    disable_created_metrics()  # when each series began is of no use, and doubles them
    try:
        asyncio.run(_serve(settings))
    except ConfigError as error:
        sys.stderr.write(f"egress-gateway: {error}\n")
        sys.exit(_MISUSE)


async def _serve(settings: Settings) -> None:
    told = _listen_for_signals()
    cluster = await Cluster.connect(settings)
    try:
        app = create_app(cluster, settings)
    except ConfigError:
        await cluster.close()
        raise
    runner = Runner(
        app,
        patience_seconds=settings.request_seconds,
        shutdown_seconds=max(settings.shutdown_seconds - settings.drain_seconds, 0),
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"can't listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Set EGRESS_GATEWAY_HOST and EGRESS_GATEWAY_PORT."
            ) from error
        log.info(
            "the gateway listens",
            address=site.name,
            addresses=[f"{host}:{port}" for host, port, *_ in runner.addresses],
            cluster=cluster.host,
            namespace=cluster.namespace,
        )
        if settings.auth.open:
            log.warning(
                "nobody is asked who they are (auth mode: none): whoever reaches this port can record; "
                "keep it inside the cluster, or set gateway.auth.modes"
            )
        else:
            log.info("callers are asked who they are", auth_modes=settings.auth.modes)
        await told.wait()
        log.info("shutting down", drain_seconds=settings.drain_seconds)
        app[HEALTH].draining = True
        app[CACHE].changes.end()
        await asyncio.sleep(settings.drain_seconds)
    finally:
        # Stops listening, lets requests in flight end, then stops the watch.
        await runner.cleanup()
    log.info("shut down")


def _listen_for_signals() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        told.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    return told


if __name__ == "__main__":
    main()
