"""Recordings that lie in a store, as recorders leave them, and an API server that has no task."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from egress_api.manifest import End
from egress_api.states import State
from egress_recorder.recording import Recording, StoredSegment
from support.recorder import NOW, recorder_config

TASK = "t5hvirqsrsvh7kpy4eg7w"
JOINED = NOW + timedelta(seconds=2)
ENDED = NOW + timedelta(seconds=42)
STOPPED = End(
    state=State.STOPPED, reason="StopRequested", message="the recording was stopped as asked", at=ENDED
)


def manifest(
    *, segments: int = 2, end: End | None = STOPPED, joined: datetime | None = JOINED, **changes: Any
) -> bytes:
    """Return what a recorder writes as manifest.json; keywords are of its `RecorderConfig`."""
    given = {
        "task_id": TASK,
        "app_id": "demo",
        "namespace": "tasks",
        "store": {"url": f"s3://recordings/demo/{TASK}/"},
        "users": ["user1"],
        "request_id": "m2d3k03l",
    }
    book = Recording(recorder_config(**{**given, **changes}), created_at=NOW)
    book.joined_at = joined
    for number in range(segments):
        started = JOINED + timedelta(seconds=4 * number)
        segment = book.add(Path("x.ts"), size_bytes=100, started_at=started, seconds=4.0)
        book.mark_stored(
            segment.number, StoredSegment(name=segment.name, sha256="0" * 64, uploaded_at=started)
        )
    return book.manifest(complete=end is not None, end=end, playlist_sha256="1" * 64 if end else None)


def keep(bucket: Path, content: bytes, *, folder: str = f"demo/{TASK}") -> None:
    """Put a manifest into a store on a disk."""
    place = bucket / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "manifest.json").write_bytes(content)


def empty_api_server(asked: list[str]) -> web.Application:
    """Return an API server whose namespaces have no tasks.

    Args:
        asked: gets the names of those that it is asked for.
    """

    async def answer(request: web.Request) -> web.Response:
        task = re.search(r"/egresstasks/([^/]+)$", request.path)
        asked.extend([task.group(1)] if task else [])
        details = {"name": task.group(1), "kind": "egresstasks"} if task else {}
        status = {
            "kind": "Status",
            "status": "Failure",
            "reason": "NotFound",
            "code": 404,
            "details": details,
        }
        return web.json_response(status, status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app
