"""The store is away for ten minutes in the middle of a recording: does the capture notice, is everything there after?"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from soak.outcome import Outcome
from soak.place import SoakError, place
from soak.watching import Reading, watch
from support import recording, store_faults
from support.publishers import two_users
from support.recording import Recording

CHANNEL = "soak-outage"
BEFORE_SECONDS = AFTER_SECONDS = 120
CATCH_UP_SECONDS = 180
END_SECONDS = 180
HOLE_SECONDS = 0.5
LATE_SECONDS = 60
"""After which everything that has waited should be in the store, once it answers again."""


def run(*, minutes: float, tag: str, say: Callable[[str], None]) -> Outcome:
    """Record, take the store away for so long, give it back, record on."""
    away, people = minutes * 60, two_users()
    length = BEFORE_SECONDS + away + CATCH_UP_SECONDS + AFTER_SECONDS
    with tempfile.TemporaryDirectory(prefix="egress-soak-") as folder:
        with place(tag, faulty_store=True) as here, here.people(CHANNEL, people, seconds=length + 900):
            if here.faults is None:
                raise SoakError("the place has no store that can fail")
            watching = watch(here, CHANNEL, longest=int(length) + 1800, say=say)
            task = watching.task
            watching.until(BEFORE_SECONDS)
            say(f"the store is away for {away:.0f} s")
            here.faults.set(store_faults.DOWN)
            watching.until(watching.now + away)
            begun = watching.now
            here.faults.set()
            say("the store is back")
            caught_up = watching.until(
                begun + CATCH_UP_SECONDS, done=lambda reading: not reading.pending, every=2
            )
            late = caught_up.at - begun if caught_up else float("nan")
            watching.until(watching.now + AFTER_SECONDS)
            here.stop(task)
            ended = here.tasks.until_state(task, "STOPPED", seconds=END_SECONDS)
            here.fetch(task, Path(folder))
        found = recording.load(Path(folder))
        return outcome(
            found,
            watching.found.readings,
            [*found.problems(hole_seconds=HOLE_SECONDS), *watching.found.playlist_problems],
            status=ended["status"],
            away=away,
            late=late,
        )


def outcome(
    found: Recording,
    readings: Sequence[Reading],
    problems: Sequence[str],
    *,
    status: dict[str, Any],
    away: float,
    late: float,
) -> Outcome:
    """Make figures and verdicts of what was seen."""
    most = max(reading.pending for reading in readings)
    told = sorted({reason for reading in readings if (reason := upload_trouble(reading.status))})
    breaks = sum(entry.discontinuity for entry in found.playlist.entries)
    lost = status.get("lostSeconds") or 0.0
    read = [reading.memory for reading in readings if reading.memory]
    rows = [
        ("recorded", f"{found.playlist.seconds:.1f} s in {len(found.playlist.entries)} segments of 4 s"),
        ("the store was away for", f"{away:.0f} s"),
        ("waiting at most, as the status said", f"{most / 1e6:.1f} MB"),
        ("condition Uploaded meanwhile", f"False {', '.join(told)}" if told else "said nothing"),
        ("everything in the store after its return within", f"{late:.0f} s"),
        ("recorder's memory, lowest and highest", f"{min(read) / 1e6:.0f} MB, {max(read) / 1e6:.0f} MB"),
        ("discontinuities, seconds lost, attempts", f"{breaks}, {lost:g}, {status['attempt']}"),
        ("faults found by the checker", str(len(problems))),
    ]  # fmt: skip
    failures = [
        *(f"the checker: {problem}" for problem in problems[:10]),
        *([f"the capture noticed: {breaks} discontinuities"] if breaks else []),
        *([f"{lost:g} s are lost"] if lost else []),
        *(
            []
            if late < LATE_SECONDS
            else [f"what waited was not in the store {LATE_SECONDS} s after its return"]
        ),
        *([] if most and told else ["the status did not tell of the outage"]),
    ]
    return Outcome(
        name="soak-outage",
        title=f"A store that is away for {away / 60:.0f} minutes",
        words="Two people at 640x360 and 15 frames a second; every\nconnection to the store is refused in the middle of"
        " the recording.",
        rows=rows,
        failures=failures,
    )


def upload_trouble(status: dict[str, Any]) -> str:
    """Return the reason for which nothing can be uploaded, as a condition says it."""
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    uploaded = conditions.get("Uploaded", {})
    return str(uploaded["reason"]) if uploaded.get("status") == "False" else ""
