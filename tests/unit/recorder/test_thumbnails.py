"""Thumbnails: the right picture for each time, on sheets that the index tells of."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.segments import SECONDS, make_segments

EVERY, WIDTH, HEIGHT = 2, 64, 36
COUNT = 28
"""Of segments, and thumbnails: more than a sheet holds."""


def drawn(given: bytes, *, every: int = EVERY) -> list[bytes]:
    command = [
        sys.executable,
        "-m",
        "egress_recorder.remux",
        "thumbnails",
        str(every),
        str(WIDTH),
        "x_%03d.jpg",
    ]
    done = subprocess.run(command, input=given, capture_output=True, timeout=50, check=True)
    found, rest = [], done.stdout
    while rest:
        line, _, rest = rest.partition(b"\n")
        size = json.loads(line)["bytes"]
        found.append(rest[:size])
        rest = rest[size:]
    return found


def announced(parts: list[bytes], *, jumps: frozenset[int] = frozenset()) -> bytes:
    return b"".join(
        json.dumps({"bytes": len(part), "seconds": SECONDS, "jump": place in jumps}).encode() + b"\n" + part
        for place, part in enumerate(parts)
    )


def pixels(picture: bytes, *, width: int) -> np.ndarray:
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-f",
        "mjpeg",
        "-i",
        "-",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ]
    raw = subprocess.run(command, input=picture, capture_output=True, timeout=20, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return [path.read_bytes() for path in make_segments(tmp_path_factory.mktemp("parts"), count=COUNT)]


def test_the_index_names_a_part_of_a_sheet_for_every_time(parts: list[bytes]) -> None:
    *sheets, index = drawn(announced(parts))
    cues = re.findall(r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)", index.decode())
    assert index.startswith(b"WEBVTT\n")
    assert len(sheets) == 2
    assert len(cues) == COUNT
    assert cues[0] == ("00:00:00.000", "00:00:02.000", "x_000.jpg", "0", "0", "64", "36")
    assert cues[7] == ("00:00:14.000", "00:00:16.000", "x_000.jpg", "128", "36", "64", "36")
    assert cues[-1] == ("00:00:54.000", "00:00:56.000", "x_001.jpg", "128", "0", "64", "36")
    assert pixels(sheets[0], width=5 * WIDTH).shape == (5 * HEIGHT, 5 * WIDTH)
    assert pixels(sheets[1], width=3 * WIDTH).shape == (HEIGHT, 3 * WIDTH)


def test_each_is_the_picture_of_its_time(parts: list[bytes], tmp_path: Path) -> None:
    sheet, _ = drawn(announced([parts[0], parts[9], parts[3]], jumps=frozenset({1, 2})))
    tiles = np.split(pixels(sheet, width=3 * WIDTH), 3, axis=1)
    for tile, part in zip(tiles, (parts[0], parts[9], parts[3]), strict=True):
        (path := tmp_path / "part.ts").write_bytes(part)
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-frames:v", "1",
                   "-vf", f"scale={WIDTH}:{HEIGHT}", "-f", "rawvideo", "-pix_fmt", "gray", "-"]  # fmt: skip
        raw = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
        want = np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH)
        assert np.abs(tile.astype(int) - want).mean() < 8


def test_where_key_frames_are_rarer_than_thumbnails_one_stands_for_several(parts: list[bytes]) -> None:
    _, index = drawn(announced(parts[:3]), every=1)
    times = re.findall(r"(\S+) -->", index.decode())
    assert times == ["00:00:00.000", "00:00:01.000", "00:00:03.000"]


def test_they_may_be_further_apart_than_the_recording_is_long(parts: list[bytes]) -> None:
    _, index = drawn(announced(parts[:2]), every=3600)
    assert (
        index.decode().splitlines()[2:]
        == ["00:00:00.000 --> 00:00:04.000", "x_000.jpg#xywh=0,0,64,36", ""][:2]
    )
