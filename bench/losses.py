"""How many seconds of a recording each fault costs, and how soon a new capture or a new Pod records.

In: an operator's tasks, a channel with somebody in it, ways to break things. Out: one `Loss` for each fault made. What
is missing is taken from the manifest's gaps, and held against the clock in the picture: two programs measured these.
"""

import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import obstore

from bench import document
from bench.errors import BenchError
from egress_api.constants import RECORDER_CONTAINER
from support import breaking, demo
from support.e2e import request_id, until
from support.faults import Fault, Place, Run, begin
from support.publishers import publishing, user
from support.recording import Recording
from support.recording_fetch import open_store
from support.recording_picture import MODULUS, NO_STAMP
from support.releases import scratch_release
from support.store import BUCKET, fetch_task

CHANNEL = f"bench-losses-{request_id()[:6]}"
"""Another one each time: a run that was broken off may still be clearing up."""
PEOPLE = (user("user1", hue=0, tone=440),)
RECORDINGS = 2
"""At the same time."""
GOES_ON_SECONDS = 90
MORE_SEGMENTS = 2
END_SECONDS = 120

RESTART = """
import os, pathlib, sys, time
def captures():
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = folder.joinpath("cmdline").read_bytes().split(b"\\0")
        except OSError:
            continue
        if b"egress_recorder.capture" in words and b"-c" not in words:
            found[int(folder.name)] = folder
    return found
old = captures()
began = time.monotonic()
for process in old:
    os.kill(process, int(sys.argv[1]))
while not captures().keys() - old.keys():
    if time.monotonic() > began + 30:
        sys.exit("no new capture")
    time.sleep(0.005)
print(time.monotonic() - began)
"""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What one fault did to one recording."""

    seconds: float
    """Missing, as the manifest says."""
    by_clock: float
    """Missing, as the clock in the picture says."""
    again: float
    """From the fault (of a node: from its loss being known) until a new capture runs or a new Pod records."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to break a recording."""

    name: str
    again: str
    """What is measured as `again`, in words."""
    make: Callable[[Run], float]
    """Breaks it; returns seconds until a new capture ran, or the Unix second from which a new Pod's are to be counted."""
    new_pod: bool


def capture(number: signal.Signals) -> Callable[[Run], float]:
    """Send the capture a signal and measure, inside the Pod, until there is another one."""

    def make(run: Run) -> float:
        arguments = ("exec", run.pod_name(), "-c", RECORDER_CONTAINER, "--", "python3", "-c", RESTART)
        return float(run.tasks.kubectl.run(*arguments, str(int(number)), timeout_seconds=60))

    return make


def pod(broken: Callable[[Run], None]) -> Callable[[Run], float]:
    """Break a Pod, and count from then."""

    def make(run: Run) -> float:
        at = time.time()
        broken(run)
        return at

    return make


WAYS = (
    Way(name="capture killed (SIGKILL)", again="new capture runs", make=capture(signal.SIGKILL), new_pod=False),
    Way(name="capture hangs (SIGSTOP)", again="new capture runs", make=capture(signal.SIGSTOP), new_pod=False),
    Way(name="recorder killed (kill -9)", again="new Pod records", make=pod(breaking.kill_recorder), new_pod=True),
    Way(name="Pod deleted", again="new Pod records", make=pod(breaking.delete_pod), new_pod=True),
)  # fmt: skip


def measure_all(*, runs: int, say: Callable[[str], None]) -> dict[Way, list[Loss]]:
    """Measure each way, with an operator and a publisher for all of them."""
    with (
        tempfile.TemporaryDirectory(prefix="egress-bench-") as folder,
        publishing(CHANNEL, PEOPLE, duration_seconds=3600),
        scratch_release(values={}) as tasks,
    ):
        place = Place(tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=Path(folder))
        return {way: measure(way, place, runs=runs, say=say) for way in WAYS}


def measure(way: Way, place: Place, *, runs: int, say: Callable[[str], None]) -> list[Loss]:
    """Break so many recordings in a way, each once: what dies again at once is started later, and rightly so."""
    with ThreadPoolExecutor(RECORDINGS) as pool:
        losses = list(pool.map(lambda _: one(way, place), range(runs)))
    say(
        f"{way.name}: lost {', '.join(f'{loss.seconds:.2f}' for loss in losses)} s,"
        f" by the picture's clock {', '.join(f'{loss.by_clock:.2f}' for loss in losses)} s,"
        f" {way.again} after {', '.join(f'{loss.again:.2f}' for loss in losses)} s"
    )
    return losses


def one(way: Way, place: Place) -> Loss:
    """Record, break it, record on, stop, and see what is missing."""
    run = begin(Fault(name=way.name, says="", make=lambda _: None), place)
    run.until_state("PROCESSING", seconds=60)
    goes_on(run)
    broken = way.make(run)
    if way.new_pod:  # one that is told to end still stores what it has
        run.until("a second attempt", lambda status: status["attempt"] > 1, seconds=GOES_ON_SECONDS)
        run.until_state("PROCESSING", seconds=GOES_ON_SECONDS)
    goes_on(run)
    return ended(run, broken, way=way)


def ended(run: Run, broken: float, *, way: Way) -> Loss:
    """End a recording, and see what it lost."""
    run.stop()
    status = run.until_state("STOPPED", seconds=END_SECONDS)["status"]
    folder = run.place.folder / run.task
    folder.mkdir(parents=True)
    return loss_of(fetch_task(run.task, folder), broken, way=way, place=run.place, status=status)


def goes_on(run: Run) -> None:
    """Wait until more segments are in the store: what is broken next must have recorded something."""
    wanted = segments(run) + MORE_SEGMENTS
    until(f"{run.task} goes on", lambda: segments(run) >= wanted, seconds=GOES_ON_SECONDS)


def segments(run: Run) -> int:
    """Count the segments in the store; the status tells of them now and then."""
    listed = obstore.list(open_store(demo.store(), bucket=BUCKET), prefix=f"{run.fault.app}/{run.task}/")
    return sum(found["path"].endswith(".ts") for batch in listed for found in batch)


def loss_of(recording: Recording, broken: float, *, way: Way, place: Place, status: dict[str, Any]) -> Loss:
    """Read what the fault left; there must be one gap."""
    manifest = recording.manifest
    if manifest is None or len(manifest.gaps) != 1:
        gaps = manifest.gaps if manifest else "no manifest"
        raise BenchError(f"{way.name}: one fault made these gaps: {gaps}; status: {status}")
    first = next(segment for segment in manifest.segments if segment.discontinuity)
    return Loss(
        seconds=manifest.gaps[0].seconds,
        by_clock=clock_jumps(recording, place.people[0])[0],
        again=first.started_at.timestamp() - broken if way.new_pod else broken,
    )


def clock_jumps(recording: Recording, person: Any) -> list[float]:
    """Return by how much more the clock in the picture goes on over each discontinuity than one picture takes.

    nan where it can't be read on one of the sides: on a busy machine a person's first pictures come late.
    """
    watched = recording.watch([person])
    stamps = watched.people[person.identity].stamps
    read = stamps != NO_STAMP
    found = []
    ends = [stretch[-1].frame_times()[-1] for stretch in recording.stretches()][:-1]
    for end in ends:
        sides = watched.times <= end + 1e-6
        if not (read & sides).any() or not (read & ~sides).any():
            found.append(float("nan"))
            continue
        before, after = np.flatnonzero(read & sides)[-1], np.flatnonzero(read & ~sides)[0]
        passed = (int(stamps[after]) - int(stamps[before])) % MODULUS / 1000
        shown = float(watched.times[after] - watched.times[before])
        found.append(passed - shown)
    return found


def rows(losses: dict[Way, list[Loss]]) -> list[tuple[str, ...]]:
    """Give the table's rows."""
    return [
        (
            way.name,
            str(len(found)),
            *_middle_and_worst([loss.seconds for loss in found]),
            *_middle_and_worst([loss.by_clock for loss in found]),
            f"{way.again}: {' / '.join(_middle_and_worst([loss.again for loss in found]))}",
        )
        for way, found in losses.items()
        if found
    ]


HEAD = (
    "fault",
    "times",
    "lost: median",
    "worst",
    "by the picture's clock: median",
    "worst",
    "then: median / worst",
)
WORDS = (
    "A person at 640x360 and 15 frames a second, segments of 2 s, two recordings at a time. Lost is what the manifest's\n"
    "gaps say; the picture's clock is burnt in by the publisher and read from the recording. A new capture is counted\n"
    "from the signal to the new process; a new Pod from the fault to its first picture."
)


def _middle_and_worst(values: Sequence[float]) -> tuple[str, str]:
    known = [value for value in values if np.isfinite(value)]
    return (f"{float(np.median(known)):.2f} s", f"{max(known):.2f} s") if known else ("not read", "not read")


def section(losses: dict[Way, list[Loss]], *, made: str) -> list[str]:
    """Write the section of docs/benchmarks.md; `made` says by what, when and where."""
    return ["## What faults cost", "", made, WORDS, "", *document.table(HEAD, rows(losses))]
