"""A task's recording, as it lies in the demo's store."""

from pathlib import Path

from support import demo, recording
from support.e2e import APP

BUCKET = "recordings"


def fetch_task(task: str, folder: Path, *, app: str = APP) -> recording.Recording:
    """Download everything in a task's folder and read it as a player would."""
    recording.fetch(demo.store(), bucket=BUCKET, prefix=f"{app}/{task}/", folder=folder)
    return recording.load(folder)
