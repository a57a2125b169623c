"""The tables of a bench, for the terminal and for docs/benchmarks.md. Pure: figures in, text out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import document
from bench.cost import Cost
from bench.latency import Latency
from bench.machine import Machine

Head = tuple[str, ...]
Rows = Sequence[tuple[str, ...]]


@dataclass(kw_only=True)
class Results:
    """All that was measured; what was left out is None or empty."""

    here: Machine
    runs: int
    load_after: float = 0.0
    people_latency: Latency | None = None
    people_cost: Cost | None = None
    pages_latency: Latency | None = None
    pages_cold: Latency | None = None
    pages_cost: dict[str, Cost] = field(default_factory=dict)


WORDS = {
    "people-start": "A segment is 4 s long and is uploaded when it is complete.",
    "people-cost": "Two people at 640x360 and 15 frames a second (VP8) into a 1280x720 grid at 30 frames a second, H.264 and AAC,\n"
    "HLS of 4 s. CPU and memory are the recorder container's own cgroup's.",
    "pages-start": "The page is moving.html, with the default start rule. Cold is the first start after the image was loaded into\n"
    "the node, with the kernel's page cache empty; warm is every other one.",
    "pages-cost": "1280x720 at 30 frames a second, H.264 and AAC, HLS of 4 s. moving.html draws a canvas with each frame and plays a\n"
    "tone; still.html is text and silent. CPU and memory are the recorder container's own cgroup's, Chromium, display\n"
    "and sound server included.",
}


def sections(found: Results) -> Iterator[tuple[str, str, Head, Rows]]:
    """Give title, words, head and rows of each table but the machine's."""
    times = ("what", "p50", "p95", "worst")
    if found.people_latency:
        title = f"Start and stop ({found.runs} runs, image present)"
        yield title, WORDS["people-start"], times, found.people_latency.rows()
    if found.people_cost:
        yield "One recording", WORDS["people-cost"], ("what", ""), found.people_cost.rows()
    if found.pages_latency:
        rows = [("warm: " + name, *rest) for name, *rest in found.pages_latency.rows()]
        if found.pages_cold:
            once = [(f"cold: {name}", "", "", worst) for name, _, _, worst in found.pages_cold.rows()]
            rows = [*once, *rows]
        yield f"Start and stop of a page ({found.runs} runs, and one cold)", WORDS["pages-start"], times, rows
    if found.pages_cost:
        head = ("what", *(f"{name}.html" for name in found.pages_cost))
        yield "One page", WORDS["pages-cost"], head, side_by_side(list(found.pages_cost.values()))


def side_by_side(costs: Sequence[Cost]) -> Rows:
    """Put several costs into columns; a process that one of them has not is left empty there."""
    columns = [dict(cost.rows()) for cost in costs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    # the processes stay together, below the CPU that they are of
    names.sort(key=lambda name: 0 if name == "CPU" else 1 if name.startswith(" ") else 2)
    return [(name, *(column.get(name, "") for column in columns)) for name in names]


def tables(found: Results) -> Iterator[tuple[str, Head, Rows]]:
    """Give title, head and rows of each table."""
    yield "The machine", ("machine", ""), found.here.rows(load_after=found.load_after)
    for title, _, head, rows in sections(found):
        yield title, head, rows


def section(found: Results) -> list[str]:
    """Write the section of the documentation."""
    lines = [
        "Written by `python -m bench --write`. Not a promise: the figures are from this machine,",
        "which ran the publishers, the RTC server, the web server, the S3 server and Kubernetes itself besides the recorder.",
        "",
        *document.table(("machine", ""), found.here.rows(load_after=found.load_after)),
    ]
    for title, words, head, rows in sections(found):
        lines += ["", f"## {title}", "", words, "", *document.table(head, rows)]
    return lines
