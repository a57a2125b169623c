"""The section of docs/benchmarks.md on the control plane. Pure: figures in, text out.

Each aim stands beside its figure, and one that is missed is said to be missed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bench import document
from bench.control_plane.figures import Held, Kept, Run, cost, rate
from bench.document import Row

LEAST_RATIO = 1.2
MOST_WRITES = 8.0
MOST_POST_SECONDS = 0.1
MOST_GROWTH = 1.3
LEAST_GETS = 2000.0
MOST_READY_SECONDS = 10.0
MOST_OPERATOR_BYTES = 200_000_000
MOST_GATEWAY_BYTES = 250_000_000
OURS = ("operator", "gateway")
AIM_HEAD: Row = ("what", "aim", "found", "")
_ORDER = (
    "operator",
    "gateway",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "kube-scheduler",
    "kwok",
    "client",
)


@dataclass(kw_only=True)
class Results:
    """All that was measured; what was left out is empty or None."""

    tasks: dict[int, list[Run]] = field(default_factory=dict)
    """By how many at a time, one for each round."""
    jobs: dict[int, list[Run]] = field(default_factory=dict)
    paced: Run | None = None
    pace: float = 0.0
    held: Held | None = None
    kept: Kept | None = None


def kept_or_missed(*, holds: bool) -> str:
    """Say whether an aim is kept."""
    return "kept" if holds else "**missed**"


def aims(found: Results) -> Iterator[Row]:
    """Give what, aim, figure and verdict."""
    for count in sorted(found.tasks.keys() & found.jobs.keys()):
        ratio = rate(found.tasks[count]) / rate(found.jobs[count])
        yield (
            f"rate of {count} tasks against {count} Jobs", f"≥ {LEAST_RATIO} ×", f"{ratio:.2f} ×",
            kept_or_missed(holds=ratio >= LEAST_RATIO),
        )  # fmt: skip
    for count, runs in sorted(found.tasks.items()):
        writes = max(run.writes() for run in runs)
        yield (
            f"writes for a task over its life ({count})", f"≤ {MOST_WRITES:.0f}", f"{writes:.2f}",
            kept_or_missed(holds=writes <= MOST_WRITES),
        )  # fmt: skip
    if len(found.tasks) > 1:
        few, many = min(found.tasks), max(found.tasks)
        growth = cost(found.tasks[many], *OURS) / cost(found.tasks[few], *OURS)
        yield (
            f"CPU for a task at {many} against {few}", f"≤ {MOST_GROWTH} ×", f"{growth:.2f} ×",
            kept_or_missed(holds=growth <= MOST_GROWTH),
        )  # fmt: skip
    if found.paced:
        slow = found.paced.posts.at(99)
        yield (
            f"POST p99 at {found.pace:.0f} starts/s", f"< {MOST_POST_SECONDS * 1000:.0f} ms", f"{slow * 1000:.0f} ms",
            kept_or_missed(holds=slow < MOST_POST_SECONDS),
        )  # fmt: skip
    if found.kept:
        yield from _aims_kept(found.kept)


def _aims_kept(kept: Kept) -> Iterator[Row]:
    at = f"at {kept.count} finished tasks"
    yield (
        f"status calls/s for a core, {at}", f"≥ {LEAST_GETS:.0f}", f"{kept.gets_per_core:.0f}",
        kept_or_missed(holds=kept.gets_per_core >= LEAST_GETS),
    )  # fmt: skip
    memory = (("operator", kept.operator, MOST_OPERATOR_BYTES), ("gateway", kept.gateway, MOST_GATEWAY_BYTES))
    for name, usage, most in memory:
        yield (
            f"{name}'s memory {at}", f"≤ {most / 1e6:.0f} MB", f"{usage.resident_bytes / 1e6:.0f} MB",
            kept_or_missed(holds=usage.resident_bytes <= most),
        )  # fmt: skip
    for name, seconds in (("operator", kept.operator_ready), ("gateway", kept.gateway_ready)):
        yield (
            f"{name}: from its start to ready {at}", f"≤ {MOST_READY_SECONDS:.0f} s", f"{seconds:.1f} s",
            kept_or_missed(holds=seconds <= MOST_READY_SECONDS),
        )  # fmt: skip


RATE_HEAD: Row = ("at a time", "side", "a second", "each round", "POST p50 / p99", "stop p50 / p99")


def rate_rows(found: Results) -> Iterator[Row]:
    """Give the rates of both sides, and what the calls took."""
    for count in sorted(found.tasks.keys() | found.jobs.keys()):
        for side, runs in (("tasks", found.tasks.get(count)), ("Jobs", found.jobs.get(count))):
            if runs:
                last = runs[-1]
                stops = last.stops.text() if last.stops.seconds else ""
                rounds = ", ".join(f"{run.rate:.1f}" for run in runs)
                yield (str(count), side, f"{rate(runs):.1f}", rounds, last.posts.text(), stops)
    if found.paced:
        paced = found.paced
        yield (
            f"{paced.count} at {found.pace:.0f}/s", "tasks", f"{paced.rate:.1f}", f"{paced.rate:.1f}",
            paced.posts.text(), paced.stops.text(),
        )  # fmt: skip


def cost_table(found: Results) -> tuple[Row, list[Row]]:
    """Give CPU milliseconds for each task or Job by program, and memory at the end."""
    columns = [
        (f"{count} {side}", runs)
        for count in sorted(found.tasks.keys() | found.jobs.keys())
        for side, runs in (("tasks", found.tasks.get(count)), ("Jobs", found.jobs.get(count)))
        if runs
    ]
    head: Row = ("CPU for each, ms", *(title for title, _ in columns))
    rows: list[Row] = [
        (name, *(f"{cost(runs, name) * 1000:.1f}" if name in runs[0].spent else "" for _, runs in columns))
        for name in _ORDER
    ]
    rows += [(f"{name}'s memory at the end", *(_memory(runs, name) for _, runs in columns)) for name in OURS]
    return head, rows


def _memory(runs: Sequence[Run], name: str) -> str:
    found = [run.spent[name].resident_bytes for run in runs if name in run.spent]
    return f"{max(found) / 1e6:.0f} MB" if found else ""


def calls_table(found: Results) -> tuple[Row, list[Row]]:
    """Give the calls to the API server for each task or Job, of the largest runs."""
    largest = [
        (side, runs[max(runs)][-1]) for side, runs in (("tasks", found.tasks), ("Jobs", found.jobs)) if runs
    ]
    head: Row = ("calls for each", *(f"{run.count} {side}" for side, run in largest))
    names = sorted({name for _, run in largest for name in run.calls})
    rows: list[Row] = [
        (f"`{name}`", *(_each(run.calls, name, run.count) for _, run in largest)) for name in names
    ]
    rows.append(("writes in all", *(f"{run.writes():.2f}" for _, run in largest)))
    rows.append(("reads in all", *(f"{run.reads():.2f}" for _, run in largest)))
    return head, rows


def _each(calls: Mapping[str, int], name: str, count: int) -> str:
    return f"{calls[name] / count:.2f}" if name in calls else ""


def held_rows(held: Held) -> list[Row]:
    """Give what recordings cost that go on."""
    cores: list[Row] = [
        (f"{name}, cores", f"{held.cores(name):.3f}") for name in (*OURS, "kube-apiserver", "etcd")
    ]
    return [
        *cores,
        ("operator, cores for 1000 recordings", f"{held.cores('operator') / held.count * 1000:.2f}"),
        ("recorders asked for their status", f"{held.asked / held.seconds:.1f}/s"),
        ("writes to the API server", f"{held.writes():.2f}/s"),
        ("operator's memory", f"{held.spent['operator'].resident_bytes / 1e6:.0f} MB"),
        ("gateway's memory", f"{held.spent['gateway'].resident_bytes / 1e6:.0f} MB"),
        ("measured over", f"{held.seconds:.0f} s"),
    ]


def kept_rows(kept: Kept) -> list[Row]:
    """Give what kept tasks cost."""
    return [
        ("operator, resting", f"{kept.operator.resident_bytes / 1e6:.0f} MB, at most {kept.operator.highest_bytes / 1e6:.0f} MB"),
        ("gateway, resting", f"{kept.gateway.resident_bytes / 1e6:.0f} MB, at most {kept.gateway.highest_bytes / 1e6:.0f} MB"),
        ("operator, from its start to ready", f"{kept.operator_ready:.1f} s"),
        ("gateway, from its start to ready", f"{kept.gateway_ready:.1f} s"),
        ("status call, p50 / p99, one after the other", kept.get.text()),
        ("list of 1 page, p50 / p99", kept.lists.text()),
        ("list of all of them, page by page", f"{kept.list_all_seconds:.2f} s"),
        ("status calls at full speed", f"{kept.gets / kept.gets_seconds:.0f}/s, {kept.gets_per_core:.0f}/s for a core"),
    ]  # fmt: skip


WORDS = (
    "A real kube-apiserver and etcd (which waits for no disk), kube-scheduler and the Job controller at 1000 requests a",
    "second; kwok plays the kubelets without any delay, all on loopback. A task goes by REST from its start over PROCESSING",
    "to STOPPED and is stopped as soon as it records; a Job has the same Pod, is made directly and is complete when its Pod",
    "was Ready. Both sides in turns, with the same number of connections; client, API server and kwok share the cores with",
    "what is measured. A rate counts from the first call to the last end, and is the median of the rounds.",
)
WORDS_CALLS = (
    "The API server's own count of calls that it let through, by service account; the scheduler's, the kubelets' and the",
    "garbage collector's are not among them.",
)


def tables(found: Results) -> Iterator[tuple[str, Sequence[str], Row, Sequence[Row]]]:
    """Give title, words, head and rows of each table."""
    yield "Aims", (), AIM_HEAD, list(aims(found))
    if found.tasks or found.jobs:
        yield "Rates", (), RATE_HEAD, list(rate_rows(found))
        head, rows = cost_table(found)
        yield "CPU and memory", (), head, rows
        head, rows = calls_table(found)
        yield "Calls to the API server", WORDS_CALLS, head, rows
    if found.held:
        yield f"{found.held.count} recordings that go on", (), ("what", ""), held_rows(found.held)
    if found.kept:
        yield f"{found.kept.count} finished tasks kept", (), ("what", ""), kept_rows(found.kept)


def section(found: Results, *, made: str) -> list[str]:
    """Write the section of the documentation."""
    lines = ["## The control plane", "", made, "", *WORDS]
    for title, words, head, rows in tables(found):
        lines += ["", f"### {title}", "", *words, *([""] if words else []), *document.table(head, rows)]
    return lines
