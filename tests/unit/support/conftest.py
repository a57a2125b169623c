"""Recordings made here with ffmpeg from the publishers' own drawing: a good one, and copies to break."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egress_api.base import to_rfc3339_millis
from support import demo, publishers, recording, recording_media

WIDTH, HEIGHT, RATE = 640, 360, 30
SECONDS = 6
SEGMENT_SECONDS = 2
BEGAN = datetime(2026, 11, 23, 5, 11, 22, 250_000, tzinfo=UTC)
"""Off the whole second, so that flashes and beeps are within the recording."""
LATENCY = 0.3
"""Seconds by which the picture's own clock is behind the playlist's."""
PEOPLE = [
    publishers.user("user1", hue=0, tone=440, size="320x180"),
    publishers.user("user2", hue=220, tone=880, size="320x180"),
]


@dataclass(frozen=True)
class Recipe:
    """How a synthetic recording differs from a good one."""

    sound_late: float = 0.0
    keyframe_every: float = SEGMENT_SECONDS
    user2_leaves_at: float = SECONDS + 1.0
    frozen_from: float = SECONDS + 1.0
    channels: int = 2
    left_out: tuple[int, int] = (0, 0)
    """Frames that are not there, as of a recorder without a free core."""


def pictures(recipe: Recipe) -> bytes:
    """Draw the frames: two people side by side, in the middle of the height, 15 pictures a second each."""
    painters = [demo.publisher().Painter(320, 180, person.hue) for person in PEOPLE]
    frames = []
    for index in range(SECONDS * RATE):
        at = index / RATE
        canvas = np.full(WIDTH * HEIGHT * 3 // 2, 128, dtype=np.uint8)
        luma = canvas[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
        luma[:] = 16
        chroma = canvas[WIDTH * HEIGHT :].reshape(2, HEIGHT // 2, WIDTH // 2)
        shown = min(at, recipe.frozen_from) + BEGAN.timestamp() - LATENCY
        for place, painter in enumerate(painters):
            if place == 1 and at >= recipe.user2_leaves_at:
                continue
            drawn = painter.paint(np.floor(shown * 15 + 1e-6) / 15)
            left, top = place * 320, 90
            luma[top : top + 180, left : left + 320] = drawn[: 320 * 180].reshape(180, 320)
            chroma[:, top // 2 : top // 2 + 90, left // 2 : left // 2 + 160] = drawn[320 * 180 :].reshape(
                2, 90, 160
            )
        frames.append(canvas.tobytes())
    return b"".join(frames)


def sound(recipe: Recipe) -> bytes:
    """Mix the two people's sound, one sample after the other from the recording's first instant."""
    rate = demo.publisher().SAMPLE_RATE
    begin = (BEGAN.timestamp() - LATENCY - recipe.sound_late) % 1
    mixed = np.zeros(SECONDS * rate)
    for place, person in enumerate(PEOPLE):
        second = demo.publisher().second_of_sound(person).astype(np.float64) / 2
        there = np.roll(np.tile(second, SECONDS + 1), -round(begin * rate))[: SECONDS * rate]
        if place == 1:
            there[int(min(recipe.user2_leaves_at, SECONDS) * rate) :] = 0
        mixed += there
    samples = np.clip(mixed, -32768, 32767).astype("<i2")
    return np.repeat(samples[:, None], 2, axis=1).tobytes()


def make(folder: Path, recipe: Recipe) -> Path:
    """Encode a recording in segments, and write its playlist and manifest."""
    folder.mkdir()
    raw, pcm = folder / "pictures.yuv", folder / "sound.pcm"
    raw.write_bytes(pictures(recipe))
    pcm.write_bytes(sound(recipe))
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", str(raw),
         "-f", "s16le", "-ar", "48000", "-ac", "2", "-i", str(pcm),
         "-vf", f"select='not(between(n,{recipe.left_out[0]},{recipe.left_out[1] - 1}))'", "-fps_mode", "vfr",
         "-c:v", "libx264", "-preset", "superfast", "-profile:v", "main", "-bf", "0", "-threads", "2",
         "-x264-params", "scenecut=0:keyint=10000", "-force_key_frames", f"expr:gte(t,n_forced*{recipe.keyframe_every})",
         "-crf", "23", "-c:a", "aac", "-ac", str(recipe.channels), "-b:a", "128k",
         "-f", "segment", "-segment_time", str(SEGMENT_SECONDS), "-segment_format", "mpegts",
         *(["-break_non_keyframes", "1"] if recipe.keyframe_every > SEGMENT_SECONDS else []),
         str(folder / "segment_%05d.ts")],
        check=True, timeout=60,
    )  # fmt: skip
    raw.unlink()
    pcm.unlink()
    describe(folder)
    return folder


def describe(folder: Path) -> None:
    """Write playlist and manifest of the segments that lie in a folder."""
    lines = [
        "#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}", "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS",
    ]  # fmt: skip
    segments: list[dict[str, Any]] = []
    at = BEGAN
    for index, path in enumerate(sorted(folder.glob("*.ts"))):
        video = recording_media.probe(path).video
        lasts = round(video.end - video.start, 6)
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:{to_rfc3339_millis(at)}", f"#EXTINF:{lasts:.6f},", path.name]
        segments.append(
            {
                "index": index, "name": path.name, "attempt": 1, "startedAt": to_rfc3339_millis(at),
                "durationSeconds": lasts, "sizeBytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "discontinuity": False,
                "uploadedAt": to_rfc3339_millis(at),
            }
        )  # fmt: skip
        at += timedelta(seconds=lasts)
    playlist = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
    (folder / "file_output.m3u8").write_text(playlist)
    manifest = {
        "v": 1, "taskId": "t1", "taskUid": "u1", "appId": "demo", "attempt": 1,
        "createdAt": to_rfc3339_millis(BEGAN), "complete": True, "segmentSeconds": SEGMENT_SECONDS,
        "segments": segments,
        "files": [
            {
                "name": "file_output.m3u8", "uri": "s3://recordings/demo/t1/file_output.m3u8", "kind": "playlist",
                "sizeBytes": sum(segment["sizeBytes"] for segment in segments),
                "durationSeconds": sum(segment["durationSeconds"] for segment in segments),
                "sha256": hashlib.sha256(playlist.encode()).hexdigest(),
            }
        ],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a recording by a recipe, each recipe once; nobody may change what is in the folder."""
    made: dict[Recipe, Path] = {}

    def get(**changes: Any) -> Path:
        recipe = replace(Recipe(), **changes)
        if recipe not in made:
            made[recipe] = make(tmp_path_factory.mktemp("recordings") / "recording", recipe)
        return made[recipe]

    return get


@pytest.fixture(scope="session")
def good(recipes: Callable[..., Path]) -> Path:
    """A recording without a fault; nobody may change it."""
    return recipes()


@pytest.fixture(scope="session")
def read(good: Path) -> recording.Recording:
    """The good recording, read once: what one test had decoded serves the next."""
    return recording.load(good)


@pytest.fixture
def breakable(good: Path, tmp_path: Path) -> Path:
    """A copy of the good recording, to be broken."""
    return Path(shutil.copytree(good, tmp_path / "recording"))
