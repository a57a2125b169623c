"""`python -m bench [--runs 10] [--seconds 60] [--write]`: see the package's own words."""

import os
import uuid
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import ROOT, cost, latency, machine
from bench.cost import Cost
from bench.latency import Latency
from bench.machine import Machine
from support.publishers import publishing, two_users

PAGE = ROOT / "docs" / "benchmarks.md"
console = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    runs: Annotated[int, typer.Option(help="Starts to measure; 0 leaves them out.")] = 10,
    seconds: Annotated[float, typer.Option(help="Length of the CPU measurement; 0 leaves it out.")] = 60,
    write: Annotated[bool, typer.Option("--write", help=f"Write {PAGE.relative_to(ROOT)}.")] = False,
) -> None:
    """Measure start latency, CPU and memory on the demo's cluster."""
    here = machine.describe()
    channel = f"bench-{uuid.uuid4().hex[:8]}"
    console.print(f"two people (640x360, 15 frames a second) in channel {channel} …")
    with publishing(channel, two_users(), duration_seconds=3600):
        cost_found = cost.measure(channel, seconds=seconds, say=console.print) if seconds else None
        latency_found = latency.measure(channel, runs=runs, say=console.print) if runs else None
    show(here, latency_found, cost_found)
    if write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(here, latency_found, cost_found, runs=runs))
        console.print(f"written to {PAGE}")


def show(here: Machine, times: Latency | None, spent: Cost | None) -> None:
    """Print the tables."""
    about = Table("machine", "", title="The machine")
    for row in here.rows(load_after=os.getloadavg()[0]):
        about.add_row(*row)
    console.print(about)
    if times:
        table = Table(
            "what", "p50", "p95", "worst", title=f"Start and stop, {len(times.post)} runs, image present"
        )
        for line in times.rows():
            table.add_row(*line)
        console.print(table)
    if spent:
        table = Table(
            "what", "", title="One recording: 2 people 640x360 at 15/s → 1280x720 at 30/s, H.264 + AAC"
        )
        for pair in spent.rows():
            table.add_row(*pair)
        console.print(table)


def page(here: Machine, times: Latency | None, spent: Cost | None, *, runs: int) -> str:
    """Write the page of the documentation."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m bench --write`. Not a promise: the figures are from this machine,",
        "which ran the publishers, the RTC server, the S3 server and Kubernetes itself besides the recorder.",
        "",
        *_markdown(("machine", ""), here.rows(load_after=os.getloadavg()[0])),
    ]
    if times:
        lines += [
            "",
            f"## Start and stop ({runs} runs, image present)",
            "",
            "A segment is 4 s long and is uploaded when it is complete.",
            "",
            *_markdown(("what", "p50", "p95", "worst"), times.rows()),
        ]
    if spent:
        lines += [
            "",
            "## One recording",
            "",
            "Two people at 640x360 and 15 frames a second (VP8) into a 1280x720 grid at 30 frames a second, H.264 and AAC,",
            "HLS of 4 s. CPU and memory are the recorder container's own cgroup's.",
            "",
            *_markdown(("what", ""), spent.rows()),
        ]
    return "\n".join([*lines, ""])


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    table = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(cell.strip() for cell in row)} |" for row in table]


if __name__ == "__main__":
    app()
