"""The fault table's rows: what happens to a recording, and what is promised of it. Data, and the few steps each takes.

Whoever adds a row adds a promise: docs/recordings.md shows them all.
"""

import signal

from egress_api.states import GapReason
from support import breaking
from support.faults import Expected, Fault

REPLACED_SECONDS = 20.0
"""A new Pod records within 15 s; the old one loses its open segment and what it had not told the store."""
CAPTURE_SECONDS = 3.0
"""A new capture joins within that; what the old one had written is kept."""

CAPTURE = [
    Fault(
        name="capture killed",
        says="The capture process is killed (SIGKILL)",
        make=lambda run: breaking.signal_capture(run, signal.SIGKILL),
        expected=Expected(gaps=(GapReason.CAPTURE_RESTARTED,), lost_seconds=CAPTURE_SECONDS),
    ),
    Fault(
        name="capture crashes",
        says="The capture process crashes (SIGSEGV)",
        make=lambda run: breaking.signal_capture(run, signal.SIGSEGV),
        expected=Expected(gaps=(GapReason.CAPTURE_RESTARTED,), lost_seconds=CAPTURE_SECONDS),
    ),
    Fault(
        name="capture hangs",
        says="The capture process stands still (SIGSTOP)",
        make=lambda run: breaking.signal_capture(run, signal.SIGSTOP),
        expected=Expected(gaps=(GapReason.CAPTURE_RESTARTED,), lost_seconds=5 + CAPTURE_SECONDS),
    ),
]

POD = [
    Fault(
        name="recorder killed",
        says="The recorder's container is killed on its node",
        make=breaking.kill_recorder,
        expected=Expected(attempts=2, gaps=(GapReason.RECORDER_REPLACED,), lost_seconds=REPLACED_SECONDS),
    ),
    Fault(
        name="Pod deleted",
        says="The Pod is deleted (`kubectl delete pod`)",
        make=breaking.delete_pod,
        expected=Expected(attempts=2, gaps=(GapReason.RECORDER_REPLACED,), lost_seconds=REPLACED_SECONDS),
    ),
    Fault(
        name="Pod deleted at once",
        says="The Pod is deleted without grace (`--grace-period=0 --force`)",
        make=lambda run: breaking.delete_pod(run, at_once=True),
        expected=Expected(attempts=2, gaps=(GapReason.RECORDER_REPLACED,), lost_seconds=REPLACED_SECONDS),
    ),
    Fault(
        name="Pod evicted",
        says="The Pod is evicted (Eviction API)",
        make=breaking.evict_pod,
        expected=Expected(attempts=2, gaps=(GapReason.RECORDER_REPLACED,), lost_seconds=REPLACED_SECONDS),
    ),
]

ROWS = [*CAPTURE, *POD]
