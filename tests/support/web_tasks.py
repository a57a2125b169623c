"""Tasks that record pages, as e2e tests make and break them.

In: a page's URL and the rest of a spec. Out: tasks made with kubectl, their ends, what lies in the store, and processes
inside a recorder's Pod that are gone. It reaches into a Pod only to break something there.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore

from egress_api.constants import API_VERSION, KIND, RECORDER_CONTAINER
from support import demo, recording
from support.e2e import APP, Tasks, request_id, until
from support.recording_fetch import fetch, open_store
from support.store import BUCKET

ENDS = {"STOPPED", "FAILED", "TIMEOUT"}
END_SECONDS = 90
STARTED_SECONDS = 60

KILL = """
import os, pathlib, signal, sys
name, has, lacks = sys.argv[1:4]
killed = []
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = folder.joinpath("cmdline").read_text(errors="replace").replace("\\0", " ").split()
    except OSError:
        continue
    line = " ".join(words)
    mine = bool(words) and (not name or os.path.basename(words[0]) == name)
    if mine and has in line and (not lacks or lacks not in line) and int(folder.name) != os.getpid():
        os.kill(int(folder.name), signal.SIGKILL)
        killed.append(line[:80])
print(len(killed), killed)
sys.exit(not killed)
"""


@dataclass(frozen=True)
class Victim:
    """A process of a recorder's Pod, as its command line shows it."""

    what: str
    name: str = ""
    """Of the program; empty is any."""
    has: str = ""
    lacks: str = ""


CHROMIUM = Victim("Chromium", name="chromium", lacks="--type=")
TABS = Victim("the tab", name="chromium", has="--type=renderer")
DISPLAY = Victim("Xvfb", name="Xvfb")
SOUND_SERVER = Victim("the sound server", name="pulseaudio")


def page_task(url: str, **spec: Any) -> dict[str, Any]:
    """Build a task that records a page."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": f"t{request_id()}"},
        "spec": {
            "appId": APP,
            "layout": "freestyle",
            "url": url,
            "filenamePattern": "file_output",
            "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
            "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
            **spec,
        },
    }


@dataclass(frozen=True)
class PageTasks:
    """Tasks made with kubectl; all that still run at the end are stopped."""

    tasks: Tasks = field(default_factory=Tasks)
    apps: dict[str, str] = field(default_factory=dict)
    """The app of each task that was made, by name."""

    def start(self, url: str, **spec: Any) -> str:
        """Make a task, and return its name."""
        return self.apply(page_task(url, **spec))

    def apply(self, manifest: dict[str, Any]) -> str:
        """Make a task of a manifest, and return its name."""
        self.tasks.kubectl.apply(manifest)
        name: str = manifest["metadata"]["name"]
        self.apps[name] = manifest["spec"]["appId"]
        return name

    def record(self, url: str, **spec: Any) -> str:
        """Make a task and wait until it has recorded its first frame."""
        task = self.start(url, **spec)
        self.first_frame(task)
        return task

    def first_frame(self, task: str) -> None:
        """Wait until a task has recorded its first frame."""
        self.tasks.until_state(task, "PROCESSING", seconds=STARTED_SECONDS)
        until("the first frame", lambda: self.status(task).get("firstFrameAt"), seconds=20)

    def status(self, task: str) -> dict[str, Any]:
        """Return a task's status."""
        found: dict[str, Any] = self.tasks.get(task).get("status", {})
        return found

    def has_ended(self, task: str) -> bool:
        """Tell whether a task is in a state that is never left."""
        return self.status(task).get("state") in ENDS

    def conditions(self, task: str) -> dict[str, tuple[str, str]]:
        """Return status and reason of each condition."""
        return {one["type"]: (one["status"], one["reason"]) for one in self.status(task)["conditions"]}

    def segments(self, task: str) -> int:
        """Count the segments that lie in the store."""
        found = obstore.list(open_store(demo.store(), bucket=BUCKET), prefix=f"{self.apps[task]}/{task}/")
        return sum(one["path"].endswith(".ts") for batch in found for one in batch)

    def goes_on(self, task: str, *, segments: int = 1, seconds: float = 60) -> None:
        """Wait until so much more has come to the store than there is now; the status tells of it now and then."""
        wanted = self.segments(task) + segments
        until(f"more of {task} is in the store", lambda: self.segments(task) >= wanted, seconds=seconds)

    def discontinuities(self, task: str) -> int:
        """Count the discontinuities in the playlist as it lies in the store now."""
        store = open_store(demo.store(), bucket=BUCKET)
        name = f"{self.apps[task]}/{task}/{self.tasks.get(task)['spec']['filenamePattern']}.m3u8"
        text = bytes(obstore.get(store, name).bytes()).decode()
        return text.splitlines().count("#EXT-X-DISCONTINUITY")

    def kill(self, task: str, victim: Victim) -> None:
        """End a process of a task's recorder, as the kernel would for want of memory."""
        pod = self.status(task)["podName"]
        script = f"exec python3 -c {shlex.quote(KILL)} {shlex.quote(victim.name)} {shlex.quote(victim.has)} {shlex.quote(victim.lacks)}"
        self.tasks.kubectl.run("exec", pod, f"--container={RECORDER_CONTAINER}", "--", "sh", "-c", script)

    def restarts(self, task: str) -> int:
        """Return how many times the container of the task's only Pod was started again."""
        (pod,) = self.tasks.pods(task)
        count: int = pod["status"]["containerStatuses"][0]["restartCount"]
        return count

    def stop(self, task: str) -> None:
        """Ask a task to end."""
        patch = '{"spec":{"stop":true}}'
        self.tasks.kubectl.run("patch", "egresstask", task, "--type=merge", "--patch", patch)

    def ended(self, task: str, state: str, *, seconds: float = END_SECONDS) -> dict[str, Any]:
        """Wait for a task's end in a state, and return its status."""
        found: dict[str, Any] = self.tasks.until_state(task, state, seconds=seconds)["status"]
        return found

    def stopped(self, task: str, folder: Path) -> recording.Recording:
        """Stop a task, wait for its end, and read what it recorded."""
        self.stop(task)
        self.ended(task, "STOPPED")
        return self.read(task, folder)

    def read(self, task: str, folder: Path) -> recording.Recording:
        """Read what a task has recorded; the task itself need not be there any more."""
        self.files(task, folder)
        return recording.load(folder)

    def files(self, task: str, folder: Path) -> list[Path]:
        """Download everything of a task."""
        return fetch(demo.store(), bucket=BUCKET, prefix=f"{self.apps[task]}/{task}/", folder=folder)


@contextmanager
def page_tasks() -> Iterator[PageTasks]:
    """Have tasks made inside the block; none of them records after it."""
    made = PageTasks()
    try:
        yield made
    finally:
        for task in made.apps:
            if made.tasks.find("egresstask", task) and not made.has_ended(task):
                made.stop(task)
