"""The fault table's rows: what happens to a recording, and what is promised of it. Data, and the few steps each takes.

Whoever adds a row adds a promise: docs/recordings.md shows them all.
"""

import signal
import time
from dataclasses import replace
from typing import Any

from egress_api.states import GapReason
from support import breaking
from support.e2e import APP, until
from support.faults import OUTPUT, Expected, Fault, Run
from support.store import put

CAPTURE_SECONDS = 5.0
"""Up to 2 s that the old one was about to write, 1 s until the new one has joined, and up to 2 s until it has everybody's
picture; 3 s altogether on a machine without other work."""
PROGRAMS_SECONDS = 3.0
"""Two programs that start anew want the same cores as the new capture."""
HANG_SECONDS = 7.0
"""After 5 s of silence a capture is taken as hung, and ended."""
REPLACED_SECONDS = 20.0
"""A new Pod records within 15 s; an old one that could not end loses its open segment."""

REPLACED_LATE_SECONDS = 90.0
SECOND = 2
LOST_SECONDS = 45.0
"""A node's silence counts as its loss after 16 s in the tests' cluster (50 s where nobody set it); a new Pod records
within 15 s of that."""

PEOPLE, NOBODY, OWN_RTC, SPARE = "people", "nobody", "own-rtc", "spare"
"""Places: people of the row's own, who are told what to do; a channel without anybody, an RTC server of its own, a node
of its own."""
OWN_RTC_APP = "own-rtc"

DROPPED_SECONDS = 30.0
STILL_SECONDS = 12.0
"""A picture that has stood for 5 s is dimmed."""
IN_STEP_AFTER = 10.0
"""Seconds in which sound and picture are looked at, once somebody is back."""
ONE_SEGMENT = 1.0
RESTARTED = Expected(
    gaps=(GapReason.CAPTURE_RESTARTED,), lost_seconds=CAPTURE_SECONDS, segments_lost=0, in_flight_seconds=2.6
)
"""The splitter holds up to 2 s, a group of pictures, until it is whole."""
REPLACED = Expected(
    attempts=2, gaps=(GapReason.RECORDER_REPLACED,), lost_seconds=REPLACED_SECONDS, segments_lost=ONE_SEGMENT
)
LOST = replace(REPLACED, lost_seconds=LOST_SECONDS)


def twice(run: Run) -> None:
    """Kill the capture, and the next one too."""
    breaking.signal_capture(run, signal.SIGKILL)
    run.records(run.recorded() + 4)
    breaking.signal_capture(run, signal.SIGKILL)


def as_it_starts(run: Run) -> None:
    """Delete the Pod as soon as there is one: it may have joined until the deletion is through."""
    until("it has a Pod", lambda: run.tasks.pods(run.task), seconds=60)
    breaking.delete_pod(run)


def as_it_joins(run: Run) -> None:
    """Delete the Pod in the moment it is told to record."""
    run.until_state("PROCESSING")
    breaking.delete_pod(run)


def stop_at_once(run: Run) -> None:
    """Stop a task whose recorder has not joined yet."""
    until("it has a Pod", lambda: run.tasks.pods(run.task), seconds=60)
    run.stop()


def stop_while_replaced(run: Run) -> None:
    """Stop the task while it has no recorder."""
    breaking.kill_recorder(run)
    run.until("another is to follow", lambda status: status.get("attempt") == SECOND)
    run.stop()


def kill_while_stopping(run: Run) -> None:
    """Stop the task, and kill its recorder before that could close anything."""
    breaking.freeze_recorder(run)
    run.stop()
    run.until_state("STOPPING")
    breaking.kill_frozen_recorder(run)


def pause(run: Run) -> None:
    """Pause for some seconds and go on."""
    run.change(pause=True)
    run.until("it is paused", lambda status: status.get("reason") == "Paused")
    breaking.let_pass(3)
    run.change(pause=False)
    run.until("it goes on", lambda status: status.get("reason") == "Recording")


def pause_twice(run: Run) -> None:
    """Pause, go on, and pause again."""
    pause(run)
    run.records(run.recorded() + 3)
    pause(run)


def begin_paused(run: Run) -> None:
    """Let a task that was made paused go on."""
    run.until("it is paused", lambda status: status.get("reason") == "Paused")
    run.change(pause=False)


def die_while_paused(run: Run) -> None:
    """Kill the capture while it leaves out what comes."""
    run.change(pause=True)
    run.until("it is paused", lambda status: status.get("reason") == "Paused")
    breaking.signal_capture(run, signal.SIGKILL)
    breaking.let_pass(4)
    run.change(pause=False)


def restart_rtc(run: Run) -> None:
    """Restart the RTC server: every connection breaks, and the rooms are gone."""
    assert run.place.rtc is not None
    run.place.rtc.restart()


def drop(run: Run) -> None:
    """Have somebody's computer say nothing for half a minute, as a laptop that is shut."""
    people = run.place.publishers
    assert people is not None
    people.act("user1", f"drop={DROPPED_SECONDS:g}")
    people.wait_for("back", ["user1"], timeout_seconds=DROPPED_SECONDS + 30)


def stand_still(run: Run) -> None:
    """Have somebody's picture stand still until it is dimmed, and for a while longer."""
    people = run.place.publishers
    assert people is not None
    people.act("user1", "freeze")
    run.records(run.recorded() + STILL_SECONDS)
    people.act("user1", "thaw")


def take_the_name(task: str) -> None:
    """Put a playlist where the task would write its own."""
    put(f"{APP}/{task}/{OUTPUT}.m3u8", b"#EXTM3U\n")


def come_and_go(run: Run) -> None:
    """Have somebody stand still, go, and come back with a picture of another size and codec."""
    people = run.place.publishers
    assert people is not None
    for action in ("freeze", "thaw", "republish=h264:320x180", "leave", "join"):
        people.act("user1", action)
        run.records(run.recorded() + 2)


def drain(run: Run) -> None:
    """Drain the node: the loss is known before it comes."""
    run.known_since = time.time()
    breaking.drain(run)


def cut_power(run: Run) -> None:
    """End the node, and wait until the cluster knows."""
    node = breaking.node_of(run)
    breaking.cut_power(run)
    run.known_since = breaking.known_lost(node)


def vanish(run: Run) -> None:
    """Have the node stand still until another has taken over, then come back with the old recorder on it."""
    node = breaking.node_of(run)
    breaking.freeze_node(run)
    run.known_since = breaking.known_lost(node)
    run.until("it is replaced", lambda status: status.get("attempt") == 2, seconds=REPLACED_LATE_SECONDS)
    run.until_state("PROCESSING", seconds=REPLACED_LATE_SECONDS)
    run.records(run.recorded() + 2)
    breaking.cluster().start(node)


def nothing(_: Run) -> None:
    """Make no fault: the row is about an end that comes by itself."""


def without_programs(fault: Fault) -> Fault:
    """Give the row in which operator and gateway are killed with it."""

    def make(run: Run) -> None:
        breaking.kill_programs(run)
        fault.make(run)

    expected = fault.expected
    if expected.gaps == RESTARTED.gaps:
        expected = replace(expected, lost_seconds=expected.lost_seconds + PROGRAMS_SECONDS)
    return replace(
        fault, expected=expected, name=f"{fault.name}, operator killed", says=f"{fault.says}; operator and gateway are killed with it", make=make
    )  # fmt: skip


def row(name: str, says: str, make: Any, expected: Expected | None = None, **more: Any) -> Fault:
    """Write a row in one line."""
    return Fault(name=name, says=says, make=make, expected=expected or Expected(), **more)


CAPTURE = [
    row("capture killed", "The capture process is killed (SIGKILL)",
        lambda run: breaking.signal_capture(run, signal.SIGKILL), RESTARTED),
    row("capture crashes", "The capture process crashes (SIGSEGV)",
        lambda run: breaking.signal_capture(run, signal.SIGSEGV), RESTARTED),
    row("capture hangs", "The capture process stands still (SIGSTOP)",
        lambda run: breaking.signal_capture(run, signal.SIGSTOP),
        Expected(gaps=(GapReason.CAPTURE_RESTARTED,), lost_seconds=HANG_SECONDS + CAPTURE_SECONDS)),
    row("capture killed twice", "The capture process is killed, and the next one as well", twice,
        Expected(gaps=(GapReason.CAPTURE_RESTARTED,) * 2, lost_seconds=2 * CAPTURE_SECONDS)),
]  # fmt: skip
POD = [
    row("recorder killed", "The recorder's container is killed on its node", breaking.kill_recorder, REPLACED),
    row("Pod deleted", "The Pod is deleted (`kubectl delete pod`)", breaking.delete_pod, REPLACED),
    row("Pod deleted at once", "The Pod is deleted without grace (`--grace-period=0 --force`)",
        lambda run: breaking.delete_pod(run, at_once=True), REPLACED),
    row("Pod evicted", "The Pod is evicted (Eviction API, as by a drain)", breaking.evict_pod, REPLACED),
    row("Pod deleted as it starts", "The Pod is deleted before it has joined, or just then", as_it_starts,
        replace(REPLACED, gaps_maybe=True), before=0),
    row("Pod deleted as it joins", "The Pod is deleted in the moment it begins to record", as_it_joins,
        REPLACED, before=0),
]  # fmt: skip
WITHOUT_PROGRAMS = {"capture killed", "capture crashes", "capture hangs", "recorder killed", "Pod deleted", "Pod deleted at once", "Pod evicted"}  # fmt: skip
PROGRAMS = [
    row("operator killed", "Operator and gateway are killed", breaking.kill_programs),
    *(without_programs(fault) for fault in [*CAPTURE, *POD] if fault.name in WITHOUT_PROGRAMS),
]
SOURCE = [
    row("RTC server restarted", "The RTC server is killed and starts again: everybody is away until they are back in the channel",
        restart_rtc, place=OWN_RTC, app=OWN_RTC_APP, away=True, quiet=True, after=IN_STEP_AFTER),
    row("people come and go", "Somebody's picture stands still, goes, and comes back with another size and codec",
        come_and_go, place=PEOPLE, away=True, quiet=True, after=IN_STEP_AFTER),
    row("publisher drops out", f"Nothing comes from somebody for {DROPPED_SECONDS:g} s, then they are back",
        drop, place=PEOPLE, away=True, quiet=True, after=IN_STEP_AFTER),
    row("picture stands still", "Somebody's picture stands still until it is dimmed (`frozenPicture: dimmed`)",
        stand_still, place=PEOPLE, away=True, quiet=True, after=IN_STEP_AFTER, spec={"frozenPicture": "dimmed"}),
]  # fmt: skip
ENDS = [
    row("stopped as it starts", "Stop, before the recorder has joined", stop_at_once,
        Expected(reason="StoppedBeforeStart", recording=False), before=0, after=0),
    row("the name is taken", "Something that is not the task's own lies where it would write", nothing,
        Expected(state="FAILED", reason="OutputExists", recording=False), before=0, after=0, prepare=take_the_name),
    row("stopped without a recorder", "Stop, while the Pod is being replaced", stop_while_replaced,
        replace(REPLACED, gaps_maybe=True, cut_short=True), after=0),
    row("killed while it stops", "Stop, and the recorder's container is killed at once", kill_while_stopping,
        Expected(state="FAILED", reason="RecorderFailed", attempts=2, cut_short=True), after=0),
    row("no retries left", "The recorder's container is killed, and `retryLimit` is 0", breaking.kill_recorder,
        Expected(state="FAILED", reason="RecorderFailed", attempts=2, cut_short=True), after=0, spec={"retryLimit": 0}),
    row("maxDuration", "`limits.maxDurationSeconds` is reached", nothing,
        Expected(reason="MaxDurationReached"), after=0, spec={"limits": {"maxDurationSeconds": 8}}),
    row("maxBytes", "`limits.maxBytes` is reached", nothing,
        Expected(reason="MaxBytesReached"), after=0, spec={"limits": {"maxBytes": 500_000}}),
    row("idleTimeout", "Nobody has published for `limits.idleTimeoutSeconds`", nothing,
        Expected(reason="IdleTimeout"), after=0, spec={"limits": {"idleTimeoutSeconds": 6}}, place=NOBODY),
]  # fmt: skip
PAUSES = [
    row("paused", "Pause and resume", pause, Expected(gaps=(GapReason.PAUSED,))),
    row("paused twice", "Pause and resume, twice", pause_twice, Expected(gaps=(GapReason.PAUSED,) * 2)),
    row("paused from the start", "Made with `pause: true`, resumed later", begin_paused, before=0,
        spec={"pause": True}),
    row("killed while paused", "The capture process is killed during a pause", die_while_paused,
        Expected(gaps=(GapReason.PAUSED,))),
]  # fmt: skip
NODES = [
    row("node drained", "The node is drained", drain, REPLACED, place=SPARE),
    row("node loses power", "The node loses power", cut_power,
        LOST, place=SPARE),
    row("node vanishes and comes back", "The node is cut off, and comes back when it has been replaced",
        vanish, replace(LOST, gaps_also=(GapReason.CAPTURE_RESTARTED,), strays=True), place=SPARE),
]  # fmt: skip
NODES += [without_programs(fault) for fault in NODES[:2]]
"""One after the other: there is one such node."""

ROWS = [*CAPTURE, *POD, *PROGRAMS, *SOURCE, *ENDS, *PAUSES]
