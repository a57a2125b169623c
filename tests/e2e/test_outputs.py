"""What is made of a recording beside its playlist, on the node, with the demo's store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.e2e import Gateway, Tasks, until
from support.media_file import look_at
from support.recording import Recording
from support.store import fetch_task, recorded_seconds

pytestmark = pytest.mark.timeout(240)
NAME = "file_output"


def until_recorded(task: str, seconds: float) -> None:
    until(f"{seconds} s are recorded", lambda: recorded_seconds(task, NAME) >= seconds, seconds=60)


def assert_one_film(result: Recording, files: list[dict[str, Any]]) -> None:
    """Check that the MP4 has each picture of the playlist, and no other."""
    assert result.problems() == []
    assert [file["name"] for file in files] == [f"{NAME}.m3u8", f"{NAME}.mp4"]
    film = look_at(result.folder / f"{NAME}.mp4")
    assert (film.boxes[:2], film.complaint) == (["ftyp", "moov"], "")
    assert film.pictures == sum(len(part.segment.video.pts) for part in result.parts)
    assert film.picture_seconds == pytest.approx(result.playlist.seconds, abs=0.2)
    assert film.sound_seconds == pytest.approx(result.playlist.seconds, abs=0.2)
    (mp4,) = (file for file in files if file["kind"] == "video")
    assert mp4["sizeBytes"] == (result.folder / mp4["name"]).stat().st_size
    assert mp4["durationSeconds"] == files[0]["durationSeconds"]


@pytest.mark.parametrize(
    "asked", [{"format": "mp4"}, {"outputs": [{"format": "mp4"}]}], ids=["alone", "beside hls"]
)
def test_a_stopped_recording_has_an_mp4(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path, asked: dict[str, Any]
) -> None:
    task = recording(**asked)
    until_recorded(task, 4)
    assert gateway.stop(task).status == 200
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    assert_one_film(fetch_task(task, tmp_path), ended["status"]["files"])
    assert gateway.status(task).body["payload"]["files"] == [f"{NAME}.m3u8", f"{NAME}.mp4"]


def test_a_recording_that_two_pods_made_is_one_mp4(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording(format="mp4")
    until_recorded(task, 4)
    tasks.kubectl.run("delete", "pod", f"{task}-1", "--grace-period=0", "--force", "--wait=false")
    before = recorded_seconds(task, NAME)
    until_recorded(task, before + 8)
    assert gateway.stop(task).status == 200
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    assert ended["status"]["attempt"] == 2
    result = fetch_task(task, tmp_path)
    assert sum(entry.discontinuity for entry in result.playlist.entries) == 1
    assert_one_film(result, ended["status"]["files"])


def test_the_sound_alone_comes_in_every_form(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    codecs = {"m4a": "aac", "ogg": "opus", "mp3": "mp3"}
    task = recording(format="m4a", outputs=[{"format": "ogg"}, {"format": "mp3"}])
    until_recorded(task, 4)
    assert gateway.stop(task).status == 200
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    result = fetch_task(task, tmp_path)
    assert result.problems() == []
    files = {file["name"]: file for file in ended["status"]["files"]}
    assert list(files) == [f"{NAME}.m3u8", *(f"{NAME}.{each}" for each in codecs)]
    for form, codec in codecs.items():
        film = look_at(result.folder / f"{NAME}.{form}")
        assert (film.pictures, film.codecs, film.complaint) == (0, [codec], "")
        assert film.sound_seconds == pytest.approx(result.playlist.seconds, abs=0.2)
        assert files[f"{NAME}.{form}"]["kind"] == "audio"


def test_thumbnails_show_the_recording(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording(outputs=[{"format": "thumbnails", "everySeconds": 2}])
    until_recorded(task, 8)
    assert gateway.stop(task).status == 200
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    result = fetch_task(task, tmp_path)
    assert result.problems() == []
    names = [file["name"] for file in ended["status"]["files"]]
    assert names == [f"{NAME}.m3u8", f"{NAME}_thumbs_000.jpg", f"{NAME}_thumbs.vtt"]
    index = (result.folder / names[2]).read_text()
    assert index.count(f"{names[1]}#xywh=") == -(-int(result.playlist.seconds * 1000) // 2000)
    sheet = look_at(result.folder / names[1])
    assert (sheet.pictures, sheet.codecs, sheet.complaint) == (1, ["mjpeg"], "")
