"""`egress-operator [run]` runs the operator; `egress-operator release` lets its Pods go before an uninstall."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from egress_operator.app import run, utc_now
from egress_operator.cluster import Cluster
from egress_operator.errors import OperatorError
from egress_operator.log import configure_logging
from egress_operator.release import release_all
from egress_operator.settings import CONFIG_ENV, DEFAULT_CONFIG, Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="egress-operator", description=__doc__)
    parser.add_argument(
        "--config", type=Path, help=f"settings file; default: ${CONFIG_ENV} or {DEFAULT_CONFIG}"
    )
    parser.add_argument("--kubeconfig", type=Path, help="how to reach the API server outside a cluster")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the operator (the default)")
    release = commands.add_parser(
        "release", help="end every recorder, wait for it, and take our finalizer off every Pod"
    )
    release.add_argument(
        "--wait-seconds", type=float, help="for recorders to end; default: their grace period and 10 s"
    )
    return parser


async def _release(settings: Settings, *, wait_seconds: float | None) -> None:
    cluster = await Cluster.connect()
    try:
        wait = settings.recorder.grace_seconds + 10 if wait_seconds is None else wait_seconds
        forced = await release_all(cluster, settings, wait_seconds=wait, clock=utc_now)
    finally:
        await cluster.close()
    text = f", {forced} of them before they had ended" if forced else ""
    print(f"All recorder Pods are released{text}.")  # noqa: T201 - the command's answer


def main() -> None:
    """Run the command that the arguments name."""
    arguments = _parser().parse_args()
    try:
        settings = Settings.load(arguments.config)
        configure_logging(settings.log_level)
        if arguments.kubeconfig is not None:
            os.environ["KUBECONFIG"] = str(arguments.kubeconfig)  # kopf reads no argument
        if arguments.command == "release":
            asyncio.run(_release(settings, wait_seconds=arguments.wait_seconds))
        else:
            asyncio.run(run(settings))
    except OperatorError as error:
        sys.exit(f"egress-operator: {error}")


if __name__ == "__main__":
    main()
