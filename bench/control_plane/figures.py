"""The figures of the control plane's bench: what was counted, and what it comes to. Pure.

In: moments, the kernel's and the API server's counters. Out: rates, percentiles, costs for each task.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

_DISPATCHED = "apiserver_flowcontrol_dispatched_requests_total"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process has spent since it began, and its memory."""

    cpu_seconds: float
    resident_bytes: int
    highest_bytes: int

    def since(self, before: "Usage | None") -> "Usage":
        """Return what was spent since an earlier look; the memory is that of now."""
        spent = self.cpu_seconds - (before.cpu_seconds if before else 0.0)
        return Usage(cpu_seconds=spent, resident_bytes=self.resident_bytes, highest_bytes=self.highest_bytes)


def dispatched(metrics: str, *, prefix: str) -> dict[str, int]:
    """Read how many calls the API server has let through, by flow schema; those whose name begins with `prefix`."""
    # Of a page of some megabytes these lines are a few.
    lines = (line for line in metrics.splitlines() if line.startswith(_DISPATCHED))
    found: dict[str, int] = {}
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            schema = sample.labels["flow_schema"]
            if schema.startswith(prefix):
                name = schema.removeprefix(prefix)
                found[name] = found.get(name, 0) + int(sample.value)
    return found


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted between two looks, without what was not."""
    counted = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in counted.items() if count}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds of each answer."""

    seconds: Sequence[float]

    def text(self) -> str:
        """Write p50 and p99 in milliseconds."""
        return f"{self.at(50) * 1000:.0f} / {self.at(99) * 1000:.0f} ms"

    def at(self, percent: float) -> float:
        """Return a percentile; not a number where nothing was measured."""
        return float(np.percentile(self.seconds, percent)) if self.seconds else float("nan")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One side, once: so many tasks or Jobs from the first call to the last end."""

    count: int
    seconds: float
    spent: Mapping[str, Usage]
    """By program."""
    calls: Mapping[str, int]
    """Of the API server, by who makes them and what: `operator/pods`, `operator/reads`."""
    posts: Latency
    stops: Latency = field(default_factory=lambda: Latency(seconds=()))

    @property
    def rate(self) -> float:
        """Return tasks or Jobs a second."""
        return self.count / self.seconds

    def writes(self) -> float:
        """Return the writes for each task or Job, whoever of our side makes them."""
        return sum(count for name, count in self.calls.items() if not name.endswith("/reads")) / self.count

    def reads(self) -> float:
        """Return the reads for each task or Job."""
        return sum(count for name, count in self.calls.items() if name.endswith("/reads")) / self.count

    def cpu(self, *names: str) -> float:
        """Return the CPU seconds of some programs together."""
        return sum(self.spent[name].cpu_seconds for name in names)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What recordings cost that go on, between their start and their end."""

    count: int
    seconds: float
    spent: Mapping[str, Usage]
    calls: Mapping[str, int]
    asked: int
    """How often recorders were asked for their status."""

    def cores(self, name: str) -> float:
        """Return the cores that a program takes."""
        return self.spent[name].cpu_seconds / self.seconds

    def writes(self) -> float:
        """Return the writes a second."""
        return sum(n for name, n in self.calls.items() if not name.endswith("/reads")) / self.seconds


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What finished tasks cost that are kept."""

    count: int
    operator: Usage
    gateway: Usage
    operator_ready: float
    gateway_ready: float
    """Seconds from the start of the process."""
    get: Latency
    lists: Latency
    list_all_seconds: float
    """To read all of them, page by page."""
    gets: int
    gets_seconds: float
    gets_cpu_seconds: float
    """What the gateway spent on the status calls at full speed."""

    @property
    def gets_per_core(self) -> float:
        """Return status calls for each second of a core."""
        return self.gets / self.gets_cpu_seconds if self.gets_cpu_seconds else float("nan")


def rate(runs: Iterable[Run]) -> float:
    """Return the rate of several runs of the same size: their median."""
    return median(run.rate for run in runs)


def cost(runs: Iterable[Run], *programs: str) -> float:
    """Return the CPU seconds for each task, in the median of several runs."""
    return median(run.cpu(*programs) / run.count for run in runs)
