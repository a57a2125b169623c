"""`python -m soak PART [--minutes N] [--write]`: see the package's own words."""

import os
import signal
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from types import FrameType
from typing import Annotated

import typer
from bench import document, machine

from egress_cluster.errors import ClusterError
from soak import drift, long, outage
from soak.outcome import Outcome
from soak.place import SoakError, build
from support.kubectl import KubectlError
from support.publishers import PublishersError


class Part(StrEnum):
    """What can be run."""

    LONG = "long"
    OUTAGE = "outage"
    DRIFT = "drift"


Run = Callable[..., Outcome]
PARTS: dict[Part, tuple[Run, float]] = {
    Part.OUTAGE: (outage.run, 10),
    Part.DRIFT: (drift.run, 10),
    Part.LONG: (long.run, 120),
}
"""How each part is run, and its full length in minutes."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    parts: Annotated[list[Part] | None, typer.Argument(help="Default: all.")] = None,
    *,
    minutes: Annotated[float, typer.Option(help="Another length than the full one, to try it.")] = 0,
    write: Annotated[bool, typer.Option("--write", help="Write docs/benchmarks.md.")] = False,
    built: Annotated[bool, typer.Option("--built", help="Use the images of the run before.")] = False,
) -> None:
    """Run what takes long; code 1 where something was not as it should be."""
    signal.signal(signal.SIGTERM, _end)
    failed = False
    try:
        for part in parts or list(PARTS):
            run, full = PARTS[part]
            # its own, so that another part's next build changes nothing under a run of hours
            tag = f"soak-{part}"
            if not built:
                build(tag)
            here = machine.describe()
            say(f"part {part}: {minutes or full:g} minutes")
            found = run(minutes=minutes or full, tag=tag, say=say)
            command = (
                f"make soak PART={part}" if not minutes else f"python -m soak {part} --minutes {minutes:g}"
            )
            lines = found.section(command=command, here=here, load_after=os.getloadavg()[0])
            print("\n".join(lines), flush=True)
            if write:
                document.write(found.name, lines)
                say(f"written to {document.PAGE}")
            failed = failed or bool(found.failures)
    except (SoakError, ClusterError, KubectlError, PublishersError, AssertionError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(1)


def say(text: str) -> None:
    """Print one line at once, with the time: this runs for hours, often into a file."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    app()
