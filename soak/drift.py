"""People whose clocks run wrong by 200 ppm for ten minutes: do their sound and picture stay together?

Once with real publishers, and once in virtual time, where two hours take seconds: the recorder's own arithmetic,
with the unit tests that hold it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import ROOT

from soak import windows
from soak.long import by_person, words_of
from soak.outcome import Outcome
from soak.place import SoakError, place
from soak.watching import watch
from soak.windows import Window
from support import recording
from support.publishers import user
from support.recording import Recording

CHANNEL = "soak-drift"
PPM = 200
OFFSET_SECONDS = 0.08
HOLE_SECONDS = 0.5
WINDOW_SECONDS = 32
END_SECONDS = 180
VIRTUAL_TESTS = "tests/unit/recorder/capture"
VIRTUAL_WORD = "drift"
VIRTUAL_SECONDS = 900


def run(*, minutes: float, tag: str, say: Callable[[str], None]) -> Outcome:
    """Record people with fast and slow clocks, and look at them in windows."""
    say("in virtual time …")
    virtual = in_virtual_time()
    say(virtual)
    seconds = minutes * 60
    people = [
        user("fast", hue=0, tone=440, drift=PPM),
        user("slow", hue=220, tone=880, drift=-PPM),
    ]
    with tempfile.TemporaryDirectory(prefix="egress-soak-") as folder:
        with place(tag) as here, here.people(CHANNEL, people, seconds=seconds + 900):
            watching = watch(here, CHANNEL, longest=int(seconds) + 1800, say=say)
            task = watching.task
            watching.until(seconds)
            here.stop(task)
            here.tasks.until_state(task, "STOPPED", seconds=END_SECONDS)
            here.fetch(task, Path(folder))
        found = recording.load(Path(folder))
        problems = found.problems(hole_seconds=HOLE_SECONDS)
        looks = list(
            windows.windows(found, people=people, every=max(40.0, seconds / 12), seconds=WINDOW_SECONDS)
        )
        for look in looks:
            say(f"at {look.at:6.0f} s: {words_of(look)}")
        return outcome(found, looks, problems, virtual=virtual)


def in_virtual_time() -> str:
    """Run the tests in which time is virtual, and return pytest's last line.

    Raises:
        SoakError: they fail, or there are none.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", VIRTUAL_TESTS, "-k", VIRTUAL_WORD],
        capture_output=True, text=True, check=False, timeout=VIRTUAL_SECONDS, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        raise SoakError(
            f"in virtual time the clocks come apart, or nothing was tried:\n{done.stdout[-3000:]}"
        )
    return done.stdout.strip().splitlines()[-1].strip("= ")


def outcome(found: Recording, looks: Sequence[Window], problems: Sequence[str], *, virtual: str) -> Outcome:
    """Make figures and verdicts of what was seen."""
    worst = max((window.worst_offset for window in looks), default=float("nan"))
    clock = windows.slopes(looks, "latencies")
    breaks = sum(entry.discontinuity for entry in found.playlist.entries)
    rows = [
        ("recorded", f"{found.playlist.seconds:.1f} s in {len(found.playlist.entries)} segments of 4 s"),
        ("people's clocks against the recording's", by_person(clock, "ppm", -1e6)),
        ("sound against picture, worst of all windows", f"{worst * 1000:.0f} ms"),
        ("… its slope, by person", by_person(windows.slopes(looks, "offsets"), "ms an hour", 3600e3)),
        ("discontinuities", str(breaks)),
        ("faults found by the checker", str(len(problems))),
        ("in virtual time, up to two hours", virtual),
    ]
    missing = [name for name, slope in clock.items() if abs(slope) * 1e6 < PPM / 2]
    failures = [
        *(f"the checker: {problem}" for problem in problems[:10]),
        *([f"{breaks} discontinuities where nothing failed"] if breaks else []),
        *([] if worst < OFFSET_SECONDS else [f"sound and picture are {worst * 1000:.0f} ms apart"]),
        *([f"the clocks of {', '.join(missing)} did not run wrong: nothing is proved"] if missing else []),
    ]
    return Outcome(
        name="soak-drift",
        title=f"Clocks that run wrong by {PPM} ppm for {found.playlist.seconds / 60:.0f} minutes",
        words=f"One person's clock is fast, the other's slow, for\nsound and picture alike; measured in {len(looks)}"
        f" windows of {WINDOW_SECONDS} s.",
        rows=rows,
        failures=failures,
    )
