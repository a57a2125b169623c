"""A fault made in a running recording, and what must be left of it: the table's rows as data, and what runs one.

In: a `Place` (an operator's tasks, a channel with people in it) and `Fault`s. Out: an `Outcome` for each, whose
`problems` are sentences that say what is not as the row promises. Rows run beside one another, each with a task of
its own: small pictures and short segments, for a node has two cores. How a thing is broken is breaking.py's subject.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from egress_api.constants import API_VERSION, ATTEMPT_LABEL, KIND, TOKEN_KEY
from egress_api.states import GapReason
from support.e2e import APP, Tasks, request_id, until
from support.own_rtc import OwnRtc
from support.publishers import Publishers, recorder_token
from support.recording import Recording, av_offsets, visible_users
from support.recording_clock import clock_problems, gap_problems
from support.seen import POLL_SECONDS, Seen, seen_in
from support.store import fetch_task, recorded_seconds

AT_ONCE = 3
"""Recordings beside one another: so many of these small ones leave a node with two cores some air."""
AT_ONCE_QUIET = 1
VIDEO = {"width": 640, "height": 360, "frameRate": 15, "bitrate": 500}
SMALL = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}
"""The chart's values for such recorders, under `recorder`: what they ask for must not keep each other off the node."""
SEGMENT_SECONDS = 2
OUTPUT = "file_output"
HOLE_SECONDS = 0.5
"""Pictures that a busy node may leave out; sound may never be missing."""
CLOCK_SECONDS = 0.5
"""By which a segment's middle picture may be late or early against the others: four recorders share two cores, and
a capture that joins then lets sound and picture wait the longer for what comes late."""
IN_STEP_SECONDS = 0.08
"""By which sound and picture may be apart in the end: the middle of the last so many flashes."""
FLASHES = 7
ROUNDING_SECONDS = 0.1
GOES_ON_SECONDS = 90
END_SECONDS = 120
ENDED = frozenset({"STOPPED", "FAILED", "TIMEOUT"})

Person = Any
"""`publisher.Person`; the module is loaded by path, so mypy cannot name it."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is promised of a recording that met a fault."""

    state: str = "STOPPED"
    reason: str = "StopRequested"
    attempts: int = 1
    gaps: tuple[GapReason, ...] = ()
    """Why time is missing, gap by gap; the playlist jumps exactly there."""
    gaps_also: tuple[GapReason, ...] = ()
    """What may come besides: it depends on who was quicker."""
    gaps_repeat: bool = False
    """Whether each of them may come several times, and in any order."""
    gaps_maybe: bool = False
    """Whether there may be none as well: it depends on who was quicker."""
    lost_seconds: float = 0.0
    """At most, pauses not counted."""
    cut_short: bool = False
    """Whether its end may be missing: nothing is recorded behind it, so no gap can tell."""
    recording: bool = True
    """Whether there is one: a closed playlist with every segment that it lists."""
    strays: bool = False
    """Whether a recorder that was replaced, and comes back, may have stored what no list names any more."""
    segments_lost: float | None = None
    """So many of what had been recorded before the fault are lost at most, in lengths of a segment; None: not asked."""
    in_flight_seconds: float = 1.5
    """Beside these: what is in a recorder's mixers and encoder is no segment yet, and the newest is on its way."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row: what happens, how it is made, and what is promised."""

    name: str
    """The row's id, in few words."""
    says: str
    """What happens, for the table in the documentation."""
    make: "Callable[[Run], None]"
    expected: Expected = field(default_factory=Expected)
    before: float = 3.0
    """Seconds that are in the store before the fault is made; 0 makes it as soon as there is a task."""
    after: float = 5.0
    """Seconds that are recorded after it, then the task is stopped; 0 waits for the task to end by itself."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """Over the usual spec."""
    app: str = APP
    """Of the place, where it has more than one: apps have RTC servers of their own."""
    place: str = ""
    """Which of the test's places it needs, where one is not enough."""
    away: bool = False
    """Whether people may be out of the picture meanwhile, or stand still; at the end all must be back."""
    quiet: bool = False
    """Whether sound and picture must be in step at the end, which a machine that is too busy spoils by itself: such rows
    come last, and fewer at a time."""
    prepare: Callable[[str], None] = lambda _: None
    """What is there before there is a task, whose name it gets."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where rows run: an operator's tasks and a channel in which people publish all the time."""

    tasks: Tasks
    channel: str
    people: Sequence[Person]
    folder: Path
    """Below it each recording is downloaded, in a folder with its task's name."""
    publishers: Publishers | None = None
    """Those people's Pod, where a row has them do something."""
    rtc: OwnRtc | None = None
    """The RTC server, where it is the place's own."""

    @property
    def seen(self) -> Seen:
        """What is known of its tasks, the same for all who record there."""
        return seen_in(self.tasks.kubectl.namespace)


PlaceOf = Callable[[Fault], contextlib.AbstractContextManager[Place]]
"""Sets up where a row runs, or finds it; left when the row is over."""


@dataclass(kw_only=True)
class Run:
    """A task that a fault is made in, as its row sees it."""

    fault: Fault
    place: Place
    task: str
    faulty_since: float = 0.0
    """Unix seconds at which the fault was begun to be made."""
    known_since: float = 0.0
    """Unix seconds at which the cluster knew of it, where a row asked."""

    @property
    def tasks(self) -> Tasks:
        """The tasks of the place."""
        return self.place.tasks

    def status(self) -> dict[str, Any]:
        """Return the task's status."""
        return self.place.seen.status(self.task)

    def pod(self) -> dict[str, Any]:
        """Return the newest attempt's Pod."""
        pods = self.tasks.pods(self.task)
        assert pods, f"{self.task} has no Pod: {self.status()}"
        return max(pods, key=lambda pod: int(pod["metadata"]["labels"][ATTEMPT_LABEL]))

    def pod_name(self) -> str:
        """Return the newest attempt's Pod's name."""
        return str(self.pod()["metadata"]["name"])

    def recorded(self) -> float:
        """Return the seconds that are in the store."""
        return recorded_seconds(self.task, OUTPUT, app=self.fault.app)

    def records(self, seconds: float, *, within: float = GOES_ON_SECONDS) -> None:
        """Wait until at least so many seconds are in the store."""
        self.until(f"it has recorded {seconds:.1f} s", lambda _: self.recorded() >= seconds, seconds=within)

    def until(self, what: str, probe: Callable[[dict[str, Any]], object], *, seconds: float = 60) -> None:
        """Wait until the status is so; a task that ended will never be."""

        def ask() -> bool:
            status = self.status()
            found = bool(probe(status))
            assert found or status.get("state") not in ENDED, f"{self.task} ended before {what}: {status}"
            return found

        until(f"{self.task}: {what}", ask, seconds=seconds, every=POLL_SECONDS)

    def until_state(self, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the task is in one of the states, and return it."""
        self.until(" or ".join(states), lambda status: status.get("state") in states, seconds=seconds)
        return self.tasks.get(self.task)

    def change(self, **spec: Any) -> None:
        """Change fields of the task's spec."""
        patch = json.dumps({"spec": spec})
        self.tasks.kubectl.run("patch", "egresstask", self.task, "--type=merge", f"--patch={patch}")

    def stop(self) -> None:
        """Ask the task to end."""
        self.change(stop=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a row."""

    fault: Fault
    place: Place
    task: str
    status: dict[str, Any]
    faulty_since: float
    known_since: float
    recording: Recording | None

    def problems(self) -> list[str]:
        """Say what is not as the row promises; nothing when all is well."""
        found = [*self._ending(), *self._gaps()]
        if (self.recording is not None) != self.fault.expected.recording:
            found.append(f"there is {'a' if self.recording else 'no'} recording")
        if self.recording is not None:
            people = self.place.people
            found += self.recording.problems(
                people=people, hole_seconds=HOLE_SECONDS, strays=self.fault.expected.strays
            )
            found += gap_problems(self.recording, self.status, people=people, tolerance=CLOCK_SECONDS)
            found += clock_problems(
                self.recording, people=people, tolerance=CLOCK_SECONDS, away=self.fault.away
            )
            found += self._files(self.recording)
            found += self._early(self.recording)
            if not self.fault.away:
                found += _beginnings(self.recording, people=people)
            if self.fault.quiet:
                found += step_problems(self.recording, people=people)
        return found

    def _early(self, recording: Recording) -> Iterator[str]:
        """Count what had been recorded already when the fault was made, and is missing."""
        expected, allowed = self.fault.expected, self.fault.expected.segments_lost
        gaps = recording.manifest.gaps if recording.manifest else []
        if allowed is None or not gaps:
            return
        lost = self.faulty_since - gaps[0].started_at.timestamp()
        if lost > allowed * SEGMENT_SECONDS + expected.in_flight_seconds:
            yield f"{lost:.2f} s that had been recorded are lost, promised were at most {allowed:g} segments"

    def _ending(self) -> Iterator[str]:
        expected = self.fault.expected
        for name, wanted in (
            ("state", expected.state),
            ("reason", expected.reason),
            ("attempt", expected.attempts),
        ):
            told = self.status.get(name)
            if told != wanted:
                yield f"the status' {name} is {told}, not {wanted}: {self.status.get('message', '')}"

    def _gaps(self) -> Iterator[str]:
        expected = self.fault.expected
        told = tuple(
            gap["reason"] for gap in self.status.get("gaps", []) if gap["reason"] not in expected.gaps_also
        )
        fits = set(told) == set(expected.gaps) if expected.gaps_repeat else told == expected.gaps
        if not fits and not (expected.gaps_maybe and not told):
            yield f"the status' gaps are {self.status.get('gaps', [])}, expected were {expected.gaps}"
        lost = self.status.get("lostSeconds", 0.0)
        if lost > expected.lost_seconds:
            yield f"{lost:.3f} s are lost, promised were at most {expected.lost_seconds:.1f} s"

    def _files(self, recording: Recording) -> Iterator[str]:
        listed = {file["name"]: file for file in self.status.get("files", [])}
        name = recording.playlist_path.name
        if name not in listed:
            yield f"the status lists {sorted(listed)}, the store has {name}"
        elif abs(listed[name]["durationSeconds"] - recording.playlist.seconds) > ROUNDING_SECONDS:
            yield (
                f"the status says that {name} lasts {listed[name]['durationSeconds']} s,"
                f" its segments add up to {recording.playlist.seconds:.3f} s"
            )


def _beginnings(recording: Recording, *, people: Sequence[Person]) -> Iterator[str]:
    """Look for people in the first picture of the recording, and behind each gap."""
    for stretch in recording.stretches():
        if people and not visible_users(recording, at=stretch[0].start, people=people):
            yield f"{stretch[0].entry.name}: nobody is to be seen in its first picture"


def step_problems(recording: Recording, *, people: Sequence[Person]) -> Iterator[str]:
    """Hold sound against picture at the end: whoever went and came back must be in step again."""
    for identity, offsets in av_offsets(recording, people=people).items():
        last = offsets.each[-FLASHES:]
        if len(last) < FLASHES:
            yield f"{identity}: only {len(last)} flashes with a beep"
        elif abs(apart := float(np.median(last))) > IN_STEP_SECONDS:
            at = float(offsets.at[-FLASHES])
            yield f"{identity}: from {at:.1f} s on the sound is {apart * 1000:+.0f} ms behind the picture"


@contextlib.contextmanager
def running(
    faults: Sequence[Fault], place_of: PlaceOf, *, at_once: int = AT_ONCE
) -> Iterator[dict[str, "Future[Outcome]"]]:
    """Run rows beside one another, in their order; each outcome by its row's name, as soon as there is one."""
    turns = threading.Semaphore(AT_ONCE_QUIET)

    def run(fault: Fault) -> Outcome:
        with turns if fault.quiet else contextlib.nullcontext(), place_of(fault) as place:
            return run_fault(fault, place)

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="fault")
    try:
        yield {fault.name: pool.submit(run, fault) for fault in sorted(faults, key=lambda fault: fault.quiet)}
    finally:
        pool.shutdown(cancel_futures=True)


def run_fault(fault: Fault, place: Place) -> Outcome:
    """Record, break something, record on, stop, and fetch what is there.

    Raises:
        AssertionError: what was waited for did not come; with the status and what the recorder said.
    """
    run = begin(fault, place)
    try:
        if fault.before:
            run.records(fault.before)
        run.faulty_since = time.time()
        reached = run.recorded()
        fault.make(run)
        if fault.after:
            run.until("it goes on", lambda status: goes_on(fault, status), seconds=GOES_ON_SECONDS)
            run.records(max(reached, run.recorded()) + fault.after)
            run.stop()
        ended = run.until_state(*ENDED, seconds=END_SECONDS)
    except BaseException as problem:
        problem.add_note(_what_is_there(run))
        place.tasks.kubectl.run("delete", "egresstask", run.task, "--wait=false", "--ignore-not-found")
        raise
    folder = place.folder / run.task
    folder.mkdir(parents=True)
    return Outcome(
        fault=fault,
        place=place,
        task=run.task,
        status=ended["status"],
        faulty_since=run.faulty_since,
        known_since=run.known_since,
        recording=fetch_task(run.task, folder, app=fault.app) if fault.expected.recording else None,
    )


def goes_on(fault: Fault, status: dict[str, Any]) -> bool:
    """Tell whether what the fault broke off is being recorded again: an old Pod's last segments don't count."""
    expected = fault.expected
    told = status.get("state") == "PROCESSING" and status.get("attempt") == expected.attempts
    return told and (expected.gaps_maybe or len(status.get("gaps", [])) >= len(expected.gaps))


def begin(fault: Fault, place: Place) -> Run:
    """Make the row's task, with a token of its own."""
    name = f"t{request_id()}"
    fault.prepare(name)
    token = recorder_token(place.channel, identity=name)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{name}-token"},
        "stringData": {TOKEN_KEY: token},
    }
    spec = {
        "appId": fault.app,
        "channel": place.channel,
        "accessTokenSecretRef": {"name": f"{name}-token"},
        "filenamePattern": OUTPUT,
        "segmentSeconds": SEGMENT_SECONDS,
        "video": VIDEO,
        **fault.spec,
    }
    task = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    place.tasks.kubectl.apply(secret, task)
    return Run(fault=fault, place=place, task=name)


def _what_is_there(run: Run) -> str:
    said = [f"row: {run.fault.name}", f"status: {json.dumps(run.status(), indent=1)}"]
    for pod in run.tasks.pods(run.task):
        name = pod["metadata"]["name"]
        said.append(f"Pod {name}: {json.dumps(pod['status'].get('containerStatuses', []))}")
        with contextlib.suppress(RuntimeError):  # its container may be gone, or not there yet
            said.append(run.tasks.kubectl.run("logs", "--tail=30", name))
    return "\n".join(said)
