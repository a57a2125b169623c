"""A recording of two hours: do sound and picture stay together, does the clock hold, does memory stay where it is?"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soak import windows
from soak.outcome import Outcome
from soak.place import place
from soak.watching import Reading, Watched, watch
from soak.windows import Window
from support import recording
from support.publishers import two_users
from support.recording import Recording

CHANNEL = "soak-long"
OFFSET_SECONDS = 0.08
"""By which sound and picture may be apart, at any time."""
CLOCK_SECONDS = 0.1
"""By which the playlist's clock may move away from the clock in the picture in the whole recording: by its slope, for
the way from a camera into the recording takes longer whenever the machine is busy."""
MEMORY_GROWTH = 10e6
"""Bytes by which the recorder may grow in an hour, once it is warm: two hours are no leak's whole story."""
WARM_SECONDS = 600
HOLE_SECONDS = 0.5
"""Pictures that a machine with other work leaves out."""
WINDOW_SECONDS = 32
END_SECONDS = 180


def run(*, minutes: float, tag: str, say: Callable[[str], None]) -> Outcome:
    """Record for so long, then read all of it."""
    seconds, people = minutes * 60, two_users()
    with tempfile.TemporaryDirectory(prefix="egress-soak-") as folder:
        with place(tag) as here, here.people(CHANNEL, people, seconds=seconds + 1800):
            watching = watch(here, CHANNEL, longest=int(seconds) + 3600, say=say)
            task = watching.task
            watching.until(seconds)
            asked = watching.now
            here.stop(task)
            ended = here.tasks.until_state(task, "STOPPED", seconds=END_SECONDS)
            stop_seconds = watching.now - asked
            here.fetch(task, Path(folder))
        say("reading all that was recorded …")
        found = recording.load(Path(folder))
        problems = found.problems(hole_seconds=HOLE_SECONDS)
        say(f"{len(problems)} problems; looking at sound and picture …")
        looks = list(
            windows.windows(found, people=people, every=max(60.0, seconds / 24), seconds=WINDOW_SECONDS)
        )
        for look in looks:
            say(f"at {look.at:6.0f} s: {words_of(look)}")
        return outcome(
            found, watching.found, looks, problems, status=ended["status"], stop_seconds=stop_seconds
        )


def outcome(
    found: Recording,
    watched: Watched,
    looks: Sequence[Window],
    problems: Sequence[str],
    *,
    status: dict[str, Any],
    stop_seconds: float,
) -> Outcome:
    """Make figures and verdicts of what was seen."""
    offset, clock = windows.slopes(looks, "offsets"), windows.slopes(looks, "latencies")
    worst = max((window.worst_offset for window in looks), default=float("nan"))
    spread = max((spread_of(looks, name) for name in clock), default=float("nan"))
    wander = max((abs(each) * found.playlist.seconds for each in clock.values()), default=float("nan"))
    growth = memory_growth(watched.readings) * 3600
    manifest = found.folder / "manifest.json"
    breaks = sum(entry.discontinuity for entry in found.playlist.entries)
    rows = [
        ("recorded", f"{found.playlist.seconds:.1f} s in {len(found.playlist.entries)} segments of 4 s"),
        ("640x360 at 15 frames a second, H.264 and AAC", f"{media_bytes(found) / 1e6:.0f} MB"),
        ("sound against picture, worst of all windows", f"{worst * 1000:.0f} ms"),
        ("… its slope, by person", by_person(offset, "ms an hour", 3600e3)),
        ("playlist's clock against the clock in the picture, in all", f"{wander * 1000:.0f} ms"),
        ("… its slope, by person", by_person(clock, "ppm", 1e6)),
        ("… between the windows, at most", f"{spread * 1000:.0f} ms"),
        ("recorder's memory after 10 minutes, at the end", memory_words(watched.readings)),
        ("… its slope after 10 minutes", f"{growth / 1e6:+.1f} MB an hour" if np.isfinite(growth) else "too short to tell"),
        ("CPU, mean", f"{mean_cores(watched.readings):.2f} cores"),
        ("playlist, manifest", f"{found.playlist_path.stat().st_size / 1e3:.0f} kB, {manifest.stat().st_size / 1e3:.0f} kB"),
        ("stop → STOPPED, every object verified", f"{stop_seconds:.1f} s"),
        ("discontinuities, seconds lost, attempts", f"{breaks}, {status.get('lostSeconds') or 0:g}, {status['attempt']}"),
        ("readings, of these failed", f"{len(watched.readings)}, {watched.failed}"),
        ("faults found by the checker, in the playlist while it grew", f"{len(problems)}, {len(watched.playlist_problems)}"),
    ]  # fmt: skip
    failures = [
        *(f"the checker: {problem}" for problem in problems[:10]),
        *(f"while recording: {problem}" for problem in watched.playlist_problems[:10]),
        *([f"{breaks} discontinuities where nothing failed"] if breaks else []),
        *([] if worst < OFFSET_SECONDS else [f"sound and picture are {worst * 1000:.0f} ms apart"]),
        *([] if wander < CLOCK_SECONDS else [f"the clock wandered by {wander * 1000:.0f} ms"]),
        *([] if not growth > MEMORY_GROWTH else [f"memory grows by {growth / 1e6:.1f} MB an hour"]),
    ]
    return Outcome(
        name="soak-long",
        title=f"A recording of {found.playlist.seconds / 60:.0f} minutes",
        words=f"Two people at 640x360 and 15 frames a second. Sound, picture and\nclock are measured in {len(looks)} windows"
        f" of {WINDOW_SECONDS} s, evenly spread; all segments are decoded and held against the rules.",
        rows=rows,
        failures=failures,
    )


def spread_of(looks: Sequence[Window], name: str) -> float:
    """Return how far apart a person's latencies are."""
    values = [window.latencies[name] for window in looks if name in window.latencies]
    return max(values) - min(values)


def memory_growth(readings: Sequence[Reading]) -> float:
    """Return bytes by the second, once the recorder is warm."""
    return windows.slope(
        [(each.at, float(each.memory)) for each in readings if each.at > WARM_SECONDS and each.memory]
    )


def memory_words(readings: Sequence[Reading]) -> str:
    """Say the first warm reading and the last one."""
    read = [each for each in readings if each.memory]
    if not read:
        return "not read"
    warm = next((each for each in read if each.at > WARM_SECONDS), read[0])
    return f"{warm.memory / 1e6:.0f} MB, {read[-1].memory / 1e6:.0f} MB"


def mean_cores(readings: Sequence[Reading]) -> float:
    """Return what the recorder took, on average."""
    spent = [each.cores for each in readings if each.cores]
    return sum(spent) / len(spent) if spent else float("nan")


def by_person(slopes: dict[str, float], unit: str, factor: float) -> str:
    """Say each person's slope."""
    return (
        ", ".join(f"{name} {value * factor:+.1f} {unit}" for name, value in slopes.items()) or "not measured"
    )


def media_bytes(found: Recording) -> int:
    """Return the size of all segments."""
    return sum((found.folder / entry.name).stat().st_size for entry in found.playlist.entries)


def words_of(look: Window) -> str:
    """Say what a window shows, in milliseconds."""
    return ", ".join(
        f"{name}: sound {look.offsets.get(name, float('nan')) * 1000:+.0f}, clock {late * 1000:+.0f}"
        for name, late in look.latencies.items()
    )
