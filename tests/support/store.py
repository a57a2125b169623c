"""A task's recording, as it lies in the demo's store."""

from pathlib import Path

import obstore

from support import demo, recording, recording_playlist
from support.e2e import APP
from support.recording_fetch import open_store

BUCKET = "recordings"


def fetch_task(task: str, folder: Path, *, app: str = APP) -> recording.Recording:
    """Download everything in a task's folder and read it as a player would."""
    recording.fetch(demo.store(), bucket=BUCKET, prefix=f"{app}/{task}/", folder=folder)
    return recording.load(folder)


def put(key: str, data: bytes) -> None:
    """Write an object, as somebody else would."""
    obstore.put(open_store(demo.store(), bucket=BUCKET), key, data)


def recorded_seconds(task: str, name: str, *, app: str = APP) -> float:
    """Return the seconds that a task's playlist lists now; its status tells of them once in half a minute."""
    try:
        found = obstore.get(open_store(demo.store(), bucket=BUCKET), f"{app}/{task}/{name}.m3u8")
    except FileNotFoundError:
        return 0.0
    return recording_playlist.read(bytes(found.bytes()).decode()).seconds
