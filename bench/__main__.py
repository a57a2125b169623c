"""`python -m bench [--runs 10] [--seconds 60] [--write]`: see the package's own words."""

import os
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import cold, cost, document, latency, machine, node_loss, tasks
from bench import crowd as crowds
from bench import files as whole
from bench import layouts as changes
from bench import losses as faults
from bench.cost import Cost
from bench.page import Results, section, tables
from egress_cluster.deploy import demo_values
from support.publishers import publishing, two_users
from support.web_pages import ORIGIN

PAGES = ("moving", "still")
ALONE = "python -m bench --no-people --no-pages --losses 0 …"
"""A section of its own; `…` are the other switches that leave things out."""
console = Console(highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    runs: Annotated[int, typer.Option(help="Starts to measure; 0 leaves them out.")] = 10,
    seconds: Annotated[float, typer.Option(help="Length of the CPU measurement; 0 leaves it out.")] = 60,
    people: Annotated[bool, typer.Option(help="Measure the recording of a channel.")] = True,
    pages: Annotated[bool, typer.Option(help="Measure the recording of web pages.")] = True,
    losses: Annotated[int, typer.Option(help="Faults of each kind to make; 0 leaves them out.")] = 10,
    crowd: Annotated[bool, typer.Option(help="Measure recordings of more and fewer people.")] = True,
    files: Annotated[bool, typer.Option(help="Measure what the files of a whole recording take.")] = True,
    layouts: Annotated[int, typer.Option(help="Changes of the layout to make; 0 leaves them out.")] = 10,
    write: Annotated[bool, typer.Option("--write", help="Write docs/benchmarks.md.")] = False,
) -> None:
    """Measure start latency, CPU and memory on the demo's cluster."""
    found = Results(here=machine.describe(), runs=runs)
    if people:
        measure_people(found, runs=runs, seconds=seconds)
    if pages:
        measure_pages(found, runs=runs, seconds=seconds)
    found.load_after = os.getloadavg()[0]
    for title, head, rows in tables(found):
        show(title, head, rows)
    if write and (people or pages):
        document.write("bench", section(found))
        console.print(f"written to {document.PAGE}")
    if crowd and seconds:
        measure_crowd(seconds=seconds, write=write)
    if layouts:
        measure_layouts(layouts, write=write)
    if files:
        measure_files(write=write)
    if losses:
        measure_losses(losses, write=write)


def measure_crowd(*, seconds: float, write: bool) -> None:
    """Measure recordings of more and fewer people: a section of its own."""
    here = machine.describe()
    found = crowds.measure(seconds=seconds, say=console.print)
    made = here.sentence(f"{ALONE} --crowd --seconds {seconds:g} --write", load_after=os.getloadavg()[0])
    show("One recording, by people", crowds.HEAD, crowds.rows(found))
    if write:
        document.write("crowd", crowds.section(found, made=made))


def measure_layouts(times: int, *, write: bool) -> None:
    """Measure how soon another layout is seen: a section of its own."""
    here = machine.describe()
    found, lost = changes.measure(times=times, say=console.print)
    made = here.sentence(f"{ALONE} --layouts {times} --write", load_after=os.getloadavg()[0])
    show("Another layout", changes.HEAD, changes.rows(found, lost=lost))
    if write:
        document.write("layouts", changes.section(found, lost=lost, made=made))


def measure_files(*, write: bool) -> None:
    """Measure what the files of a whole recording take: a section of its own, without the cluster."""
    here = machine.describe()
    found = whole.measure(say=console.print)
    by = here.sentence(f"{ALONE} --files --write", load_after=os.getloadavg()[0])
    show("Files of the whole recording", whole.HEAD, whole.rows(found))
    if write:
        document.write("files", whole.section(found, by=by))


def show(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def measure_people(found: Results, *, runs: int, seconds: float) -> None:
    """Measure the recording of two people."""
    channel = f"bench-{uuid.uuid4().hex[:8]}"
    console.print(f"two people (640x360, 15 frames a second) in channel {channel} …")
    with publishing(channel, two_users(), duration_seconds=3600):
        subject = tasks.channel(channel)
        found.people_cost = spent(subject, seconds=seconds)
        if runs:
            found.people_latency = latency.measure(subject, runs=runs, say=console.print)


def measure_losses(runs: int, *, write: bool) -> None:
    """Measure what faults cost: a section of its own, for it takes long and depends on other things."""
    here = machine.describe()
    say: Callable[[str], None] = console.print
    lost = faults.measure_all(runs=runs, say=say)
    lost[node_loss.WAY] = node_loss.measure(rounds=-(-runs // 5), say=say)
    made = here.sentence(
        f"python -m bench --no-people --no-pages --losses {runs} --write", load_after=os.getloadavg()[0]
    )
    table = Table(*faults.HEAD, title="What faults cost")
    for row in faults.rows(lost):
        table.add_row(*row)
    console.print(table)
    if write:
        document.write("losses", faults.section(lost, made=made))
        console.print(f"written to {document.PAGE}")


def measure_pages(found: Results, *, runs: int, seconds: float) -> None:
    """Measure the two pages that the cluster serves."""
    subjects = {name: tasks.web_page(f"{ORIGIN}/{name}.html") for name in PAGES}
    if runs:
        image: str = demo_values()["recorder"]["web"]["image"]
        console.print(f"a cold start: {image} is loaded into the node again …")
        cold.load_again(image)
        say: Callable[[str], None] = console.print
        found.pages_cold = latency.measure(subjects["moving"], runs=1, say=say, warm_up=0)
        found.pages_latency = latency.measure(subjects["moving"], runs=runs, say=say, warm_up=0)
    for name, subject in subjects.items():
        console.print(f"page {name} …")
        if (measured := spent(subject, seconds=seconds)) is not None:
            found.pages_cost[name] = measured


def spent(subject: tasks.Subject, *, seconds: float) -> Cost | None:
    """Measure what a recording costs; nothing where no time is given to it."""
    return cost.measure(subject, seconds=seconds, say=console.print) if seconds else None


if __name__ == "__main__":
    app()
