"""How long a start takes: POST → answer → PROCESSING → first segment in the store."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bench import tasks


@dataclass(kw_only=True)
class Latency:
    """Seconds of each run."""

    post: list[float] = field(default_factory=list)
    processing: list[float] = field(default_factory=list)
    segment: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return what, p50, p95 and worst as text."""
        named = [
            ("POST answered", self.post, "ms"),
            ("POST → PROCESSING", self.processing, "s"),
            ("POST → first segment (4 s) in the store", self.segment, "s"),
            ("stop → STOPPED, every object verified", self.stop, "s"),
        ]
        return [(name, *_percentiles(values, unit)) for name, values, unit in named if values]


def measure(subject: tasks.Subject, *, runs: int, say: Callable[[str], None], warm_up: int = 1) -> Latency:
    """Start and stop `runs` tasks one after the other; `warm_up` more before them are not counted."""
    found = Latency()
    for run in range(1 - warm_up, runs + 1):
        with tasks.recording(subject) as task:
            processing = task.until("PROCESSING", seconds=tasks.START_SECONDS) - task.asked_at
            segment = task.until_first_segment(seconds=tasks.START_SECONDS) - task.asked_at
            stop = task.stop()
        post = task.answered_at - task.asked_at
        say(
            f"start {run}/{runs}: POST {post * 1000:.0f} ms, PROCESSING {processing:.2f} s,"
            f" first segment {segment:.2f} s, stop {stop:.2f} s"
        )
        if run > 0:
            found.post.append(post)
            found.processing.append(processing)
            found.segment.append(segment)
            found.stop.append(stop)
    return found


def _percentiles(values: list[float], unit: str) -> tuple[str, str, str]:
    factor, digits = (1000, 0) if unit == "ms" else (1, 2)
    middle, high, worst = (float(value) * factor for value in np.percentile(values, [50, 95, 100]))
    return f"{middle:.{digits}f} {unit}", f"{high:.{digits}f} {unit}", f"{worst:.{digits}f} {unit}"
