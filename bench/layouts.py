"""How soon another layout is seen: from the PATCH, and from the moment at which the recorder has heard of it.

In: a channel of three. Out: a `Change` for each time. What is seen is taken from the recording, by the playlist's clock; when
the recorder heard from its log. All on one machine, so that the clocks are one.
"""

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench import document, tasks
from bench.errors import BenchError
from support.e2e import NAMESPACE, Gateway, request_id
from support.kubectl import Kubectl
from support.publishers import publishing, user
from support.recording import Recording
from support.store import fetch_task

PEOPLE = [user("user1", hue=0, tone=440), user("user2", hue=220, tone=880), user("user3", hue=120, tone=660)]
BETWEEN_SECONDS = 5.0
LARGE_SHARE = 0.65
"""In a spotlight somebody is wider than so much of the canvas, in a grid of three all are half of it."""
HEAD = ("what", "median", "worst")
WORDS = (
    "Three people, flat and spotlight in turn. The recorder hears of it when the kubelet has written the file into its control\n"
    "volume; a picture is mixed 0.3 s after its own time, so that it can show the change before that. The aim: seen within 500 ms,\n"
    "and no second lost."
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of layout, in seconds."""

    since_patch: float
    since_heard: float


def measure(*, times: int, say: Callable[[str], None]) -> tuple[list[Change], float]:
    """Change the layout so often; return what was seen, and the seconds that the recording lost."""
    channel = f"bench-{uuid.uuid4().hex[:8]}"
    asked: list[tuple[str, float]] = []
    with publishing(channel, PEOPLE, duration_seconds=3600), tasks.recording(tasks.channel(channel)) as task:
        task.until("PROCESSING", seconds=tasks.START_SECONDS)
        pod = Kubectl(namespace=NAMESPACE).get("egresstask", task.task)["status"]["podName"]
        for number in range(times):
            time.sleep(BETWEEN_SECONDS)
            layout = ("spotlight", "flat")[number % 2]
            body = {"request_id": request_id(), "payload": {"layout": layout}}
            answer = Gateway(tasks.GATEWAY).call("PATCH", f"/egress/v1/{tasks.APP}/tasks/{task.task}", body)
            if answer.status != 200:
                raise BenchError(f"PATCH was answered with {answer.status}: {answer.body}")
            asked.append((layout, time.time()))
            say(f"{layout} is asked for")
        time.sleep(BETWEEN_SECONDS)
        log = Kubectl(namespace=NAMESPACE).run("logs", pod)
        task.stop()
    heard = [
        datetime.fromisoformat(line["timestamp"]).timestamp()
        for line in map(_line, log.splitlines())
        if line.get("event") == "capture-told" and "layout" in line
    ]
    if len(heard) != times:
        raise BenchError(f"the recorder heard of {len(heard)} changes, not of {times}")
    with tempfile.TemporaryDirectory(prefix="bench-layouts-") as folder:
        recording = fetch_task(task.task, Path(folder), app=tasks.APP)
        seen = [_seen(recording, layout, after=at) for layout, at in asked]
        lost = recording.manifest.lost_seconds if recording.manifest else float("nan")
    changes = [
        Change(since_patch=there - at, since_heard=there - known)
        for there, (_, at), known in zip(seen, asked, heard, strict=True)
    ]
    return changes, lost


def _line(text: str) -> dict[str, Any]:
    return json.loads(text) if text.startswith("{") else {}


def _seen(recording: Recording, layout: str, *, after: float) -> float:
    """Return when the first picture after a moment shows a layout, by the playlist's clock."""
    watched = recording.watch(PEOPLE)
    widths = np.array(
        [np.where(each.seen, each.boxes[:, 2] - each.boxes[:, 0], 0.0) for each in watched.people.values()]
    )
    spotlight = widths.max(axis=0) > LARGE_SHARE
    fits = (spotlight == (layout == "spotlight")) & (watched.walls > after)
    if not fits.any():
        raise BenchError(f"{layout} is never seen")
    return float(watched.walls[fits][0])


def rows(changes: Sequence[Change], *, lost: float) -> list[tuple[str, ...]]:
    """Return what a table says."""

    def middle_and_worst(values: Sequence[float]) -> tuple[str, str]:
        return f"{float(np.median(values)) * 1000:.0f} ms", f"{max(values) * 1000:.0f} ms"

    return [
        ("PATCH answered → seen", *middle_and_worst([change.since_patch for change in changes])),
        ("recorder told → seen", *middle_and_worst([change.since_heard for change in changes])),
        ("seconds lost", f"{lost:.1f}", ""),
        ("times", str(len(changes)), ""),
    ]


def section(changes: Sequence[Change], *, lost: float, made: str) -> list[str]:
    """Write the section of docs/benchmarks.md; `made` says by what, when and where."""
    return ["## Another layout", "", made, WORDS, "", *document.table(HEAD, rows(changes, lost=lost))]
