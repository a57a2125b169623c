"""Bodies as they really go over the wire; the two starts are the contract's, byte for byte."""

import json
from typing import Any, Final

Example = dict[str, Any]

TASK: Final = "t5hvirqsrsvh7kpy4eg7w"
_PICTURE: Final = {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000}
_SOUND: Final = {"sampleRate": 48000, "channels": 2, "bitrate": 128}

START_CHANNEL: Final[Example] = {
    "request_id": "m2d3k03l",
    "cmd": "record",
    "payload": {
        "layout": "flat",
        "channel": "egress_test",
        "access_token": "007eJxt9VMp+//+i9SOE",
        "workerUid": 42,
        "users": ["user1", "user2"],
        "filename_pattern": "file_output",
        "format": "hls",
        "video": _PICTURE,
        "audio": _SOUND,
    },
}
START_PAGE: Final[Example] = {
    "request_id": "m2d3k03l",
    "cmd": "record",
    "payload": {
        "layout": "freestyle",
        "url": "http://your_freestyle_canvas.good.example",
        "webGL": False,
        "filename_pattern": "file_output",
        "format": "hls",
        "video": _PICTURE,
        "audio": _SOUND,
    },
}
STARTED: Final[Example] = {"request_id": "m2d3k03l", "task_id": TASK, "status": "ENQUEUED"}
STOP: Final[Example] = {"request_id": "2yui23k5"}
STOPPED: Final[Example] = {"task_id": TASK, "status": "SUCCESS"}
PAUSE: Final[Example] = {"request_id": "3kd0s2ma", "payload": {"pause": True}}
USERS: Final[Example] = {"request_id": "5ra8d01c", "payload": {"users": ["user1"]}}
STATUS: Final[Example] = {
    "task_id": TASK,
    "status": "PROCESSING",
    "payload": {
        "layout": "flat",
        "channel": "egress_test",
        "users": ["user1", "user2"],
        "files": ["file_output.m3u8"],
        "format": "hls",
        "video": _PICTURE,
        "audio": _SOUND,
    },
    "reason": "Recording",
    "message": "recording on node worker-1",
    "created_at": "2026-11-23T05:11:20.000Z",
    "started_at": "2026-11-23T05:11:22.000Z",
    "pause": False,
    "gaps": [],
    "lost_seconds": 0.0,
    "pending_bytes": 0,
    "outputs": [
        {
            "name": "file_output.m3u8",
            "uri": f"s3://recordings/demo/{TASK}/file_output.m3u8",
            "kind": "playlist",
            "sizeBytes": 1204224,
            "durationSeconds": 8.0,
        }
    ],
    "manifest_uri": f"s3://recordings/demo/{TASK}/manifest.json",
}
DELETED: Final[Example] = {**STATUS, "status": "STOPPING", "reason": "Stopping"}
LISTED: Final[Example] = {"tasks": [STATUS], "next_cursor": "MTc5NTQxMDY4MC50NWh2aXJxc3Jzdmg3a3B5NGVnN3c"}
EVENT: Final = {"id": "48211", "event": "status", "data": json.dumps(STATUS, separators=(",", ":"))}
