"""Ask ffprobe and ffmpeg what a file of a whole recording holds."""

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """What a player finds."""

    pictures: int
    sounds: int
    picture_seconds: float
    sound_seconds: float
    codecs: list[str]
    channels: int
    boxes: list[str]
    """Of an MP4, in their order: a player that gets `moov` before `mdat` need not have all to begin."""
    complaint: str
    """What ffmpeg says when it decodes all of it."""


def look_at(path: Path) -> MediaFile:
    """Read a file and decode it."""
    entries = "packet=codec_type,pts_time,duration_time:stream=codec_name,channels"
    probe = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    found = subprocess.run(probe, check=True, timeout=60, capture_output=True, text=True)
    said_of_it = json.loads(found.stdout)
    packets, streams = said_of_it["packets"], said_of_it["streams"]
    times = {
        kind: [
            (float(packet["pts_time"]), float(packet["duration_time"]))
            for packet in packets
            if packet["codec_type"] == kind
        ]
        for kind in ("video", "audio")
    }
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    said = subprocess.run(decode, check=False, timeout=120, capture_output=True, text=True)
    return MediaFile(
        pictures=len(times["video"]),
        sounds=len(times["audio"]),
        picture_seconds=max((sum(each) for each in times["video"]), default=0.0),
        sound_seconds=max((sum(each) for each in times["audio"]), default=0.0),
        codecs=[stream["codec_name"] for stream in streams],
        channels=max((stream.get("channels", 0) for stream in streams), default=0),
        boxes=_boxes(path.read_bytes()) if path.suffix in {".mp4", ".m4a"} else [],
        complaint=said.stderr,
    )


def _boxes(data: bytes) -> list[str]:
    found, place = [], 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        found.append(kind.decode())
        place += size
    return found
