"""Start and stop tasks over REST as a user does, and say when what happened.

In: what to record (a channel, a page), the gateway and the store at their published ports. Out: moments of `time.monotonic`. Asking is done by polling
at `POLL_SECONDS`: that is the error of every moment but the answer's own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import obstore

from bench.errors import BenchError
from support import demo
from support.e2e import Gateway, request_id, start_body
from support.publishers import recorder_token
from support.recording_fetch import open_store
from support.store import BUCKET

GATEWAY = "http://127.0.0.1:8091"
APP = "bench"
POLL_SECONDS = 0.05
START_SECONDS = 90
END_SECONDS = 120
ENDS = {"STOPPED", "FAILED", "TIMEOUT"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is recorded."""

    name: str
    body: Callable[[], dict[str, Any]]
    """Makes the body of a start call, with a request id of its own."""


def channel(name: str) -> Subject:
    """Record everyone in a channel."""
    return Subject(name=name, body=lambda: start_body(channel=name, token=recorder_token(name)))


def web_page(url: str) -> Subject:
    """Record a page."""

    def body() -> dict[str, Any]:
        return {
            "request_id": request_id(),
            "cmd": "record",
            "payload": {
                "layout": "freestyle",
                "url": url,
                "filename_pattern": "file_output",
                "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
                "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
            },
        }

    return Subject(name=url, body=body)


@dataclass(frozen=True, kw_only=True)
class Started:
    """A task that has been asked for."""

    task: str
    asked_at: float
    answered_at: float

    def until(self, *states: str, seconds: float) -> float:
        """Wait until the gateway says that the task is in one of `states`; return when that was."""
        deadline = time.monotonic() + seconds
        state, reason = "", ""
        while time.monotonic() < deadline:
            answer = Gateway(GATEWAY).status(self.task, app=APP)
            state, reason = answer.body.get("status", ""), answer.body.get("message", "")
            if state in states:
                return time.monotonic()
            if state in ENDS:
                break
            time.sleep(POLL_SECONDS)
        raise BenchError(
            f"task {self.task} is {state or 'unknown'} instead of {' or '.join(states)}: {reason}"
        )

    def until_first_segment(self, *, seconds: float) -> float:
        """Wait until the store holds a segment of the task; return when that was."""
        store = open_store(demo.store(), bucket=BUCKET)
        deadline = time.monotonic() + seconds
        names: list[str] = []
        while time.monotonic() < deadline:
            names = [
                found["path"]
                for batch in obstore.list(store, prefix=f"{APP}/{self.task}/")
                for found in batch
            ]
            if any(name.endswith(".ts") for name in names):
                return time.monotonic()
            time.sleep(POLL_SECONDS)
        raise BenchError(f"no segment of task {self.task} within {seconds:g} s; the store holds {names}")

    def stop(self) -> float:
        """Stop the task and wait for its end; return the seconds from the call to STOPPED."""
        asked = time.monotonic()
        Gateway(GATEWAY).stop(self.task, app=APP)
        return self.until("STOPPED", seconds=END_SECONDS) - asked


def start(subject: Subject) -> Started:
    """Ask for a recording."""
    body = subject.body()
    asked = time.monotonic()
    answer = Gateway(GATEWAY).start(body, app=APP)
    answered = time.monotonic()
    if "task_id" not in answer.body:
        raise BenchError(f"POST was answered with {answer.status}: {answer.body}")
    return Started(task=answer.body["task_id"], asked_at=asked, answered_at=answered)


@contextmanager
def recording(subject: Subject) -> Iterator[Started]:
    """Have a task inside the block; it is stopped at the end, whatever happened."""
    started = start(subject)
    try:
        yield started
    finally:
        Gateway(GATEWAY).stop(started.task, app=APP)
