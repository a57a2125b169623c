"""What `kubectl egress` writes about tasks. Pure: tasks and the time in, text out.

Control characters never come through: a sentence in a status may hold the last words of a program that failed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from egress_api.base import to_rfc3339
from egress_api.page import PageStatus
from egress_api.status import EgressTaskStatus, OutputFile
from egress_api.task import EgressTask
from egress_operator.figures import losses
from egress_operator.sentences import counted, size

UNITS: Final = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))
"""Seconds in a unit, and in the next smaller one."""


def sentence(task: EgressTask) -> str:
    """Return where a task is and why, in a line."""
    status = task.status
    if not status.reason:
        return clean(f"{task.metadata.name} is {status.state}: no operator has seen it yet")
    return clean(f"{task.metadata.name} is {status.state} ({status.reason}): {status.message}")


def listing(tasks: Iterable[EgressTask], *, now: datetime, namespaces: bool) -> str:
    """Return a table of tasks, the newest last; with a column for their namespaces if asked to."""
    header = ["NAME", "APP", "SOURCE", "STATE", "REASON", "FILES", "RECORDED", "AGE"]
    rows = [header if not namespaces else ["NAMESPACE", *header]]
    for task in sorted(tasks, key=lambda task: (task.metadata.creation_timestamp, task.metadata.name)):
        status = task.status
        row = [
            task.metadata.name,
            task.spec.app_id,
            status.source or task.spec.source,
            status.state,
            status.reason,
            str(status.files_total),
            recorded(status),
            age(task.metadata.creation_timestamp, now=now),
        ]
        rows.append(row if not namespaces else [task.metadata.namespace, *row])
    return table(rows)


def details(task: EgressTask, *, now: datetime) -> str:
    """Return all that is known of a task."""
    status, metadata = task.status, task.metadata
    pod = [status.pod_phase, status.node_name and f"on {status.node_name}", f"attempt {status.attempt}"]
    facts = [
        ("Name", metadata.name),
        ("Namespace", metadata.namespace),
        ("App", task.spec.app_id),
        ("Source", f"{status.source or task.spec.source} ({task.spec.layout})"),
        ("State", f"{status.state}{asked(task)}"),
        ("Reason", status.reason or "none: no operator has seen it yet"),
        ("Message", status.message),
        ("Created", moment(metadata.creation_timestamp, now=now)),
        ("Started", moment(status.started_at, now=now)),
        ("First frame", moment(status.first_frame_at, now=now)),
        ("Next attempt", to_rfc3339(status.retry_at) if status.retry_at else None),
        ("Ended", moment(status.stopped_at, now=now)),
        ("Recorded", recorded(status)),
        ("Gaps", gaps(status)),
        ("Waiting", f"{size(status.pending_bytes)}, not in the store yet" if status.pending_bytes else ""),
        ("Pod", status.pod_name and f"{status.pod_name} ({', '.join(part for part in pod if part)})"),
        ("Page", page(status.page) if status.page else None),
        ("Manifest", status.manifest_uri),
    ]
    lines = [f"{f'{name}:':<14}{clean(value)}" for name, value in facts if value]
    if status.conditions:
        lines += ["Conditions:", _indented(conditions(status, now=now))]
    if status.files:
        shown = len(status.files)
        more = f" {shown} of {status.files_total}, the manifest has all" if shown < status.files_total else ""
        lines += [f"Files:{more}", _indented(files(status.files))]
    return "\n".join(lines)


def conditions(status: EgressTaskStatus, *, now: datetime) -> str:
    """Return a table of a status' conditions; its own sentence is not told again."""
    rows = [
        [
            one.type,
            one.status,
            one.reason,
            age(one.last_transition_time, now=now),
            one.message if one.message != status.message else "",
        ]
        for one in status.conditions
    ]
    return table([["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"], *rows])


def files(found: Iterable[OutputFile]) -> str:
    """Return a table of outputs."""
    rows = [
        [
            one.kind,
            size(one.size_bytes),
            f"{one.duration_seconds:.1f}s" if one.duration_seconds else "",
            one.uri,
        ]
        for one in found
    ]
    return table([["KIND", "SIZE", "DURATION", "URI"], *rows])


def page(found: PageStatus) -> str:
    """Return how a page does: sandbox, the status of its answer, reloads."""
    parts = [
        f"sandbox {found.sandbox}" if found.sandbox else "",
        f"HTTP {found.http_status}" if found.http_status else "",
        f"loaded again {found.reloads} times" if found.reloads else "",
    ]
    return ", ".join(part for part in parts if part)


def recorded(status: EgressTaskStatus) -> str:
    """Return how much has been recorded: that of the longest output, for all are of one recording."""
    return f"{max(one.duration_seconds for one in status.files):.1f}s" if status.files else ""


def gaps(status: EgressTaskStatus) -> str:
    """Return what is missing, such as "2 gaps, 3.1 s missing; 1 pause"; empty when nothing is."""
    lost = losses(status.gaps)
    pauses = len(status.gaps) - len(lost)
    parts = [
        f"{counted(lost)}, {status.lost_seconds:.1f} s missing" if lost or status.lost_seconds else "",
        f"{pauses} pause{'s' if pauses != 1 else ''}" if pauses else "",
    ]
    return "; ".join(part for part in parts if part)


def asked(task: EgressTask) -> str:
    """Return what is asked of a task that has not ended, beside recording."""
    if task.status.state.terminal:
        return ""
    return ", asked to stop" if task.spec.stop else ", asked to pause" if task.spec.pause else ""


def moment(when: datetime | None, *, now: datetime) -> str | None:
    """Return a moment with the time that has passed since."""
    return None if when is None else f"{to_rfc3339(when)} ({age(when, now=now)} ago)"


def age(since: datetime, *, now: datetime) -> str:
    """Return the time that has passed, in two units at most, such as 2m10s; a clock that is ahead gives 0s."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, name, smaller, smaller_name in UNITS:
        if seconds >= unit:
            rest = seconds % unit // smaller
            return f"{seconds // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
    return f"{seconds}s"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns, three spaces apart; an empty cell is a dash."""
    cells = [[clean(cell) or "-" for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = ("   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)


def clean(text: str) -> str:
    """Return text in one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
