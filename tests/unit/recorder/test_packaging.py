"""An MP4 of a recording: made of what is in the store, by whichever Pod gets so far; never instead of the playlist."""

import asyncio
import hashlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from egress_api.status import FileKind
from support.media_file import look_at
from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, assert_whole
from support.segments import RATE, SECONDS, make_segments

Make = Callable[..., RecorderProcess]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in make_segments(tmp_path_factory.mktemp("media"), count=60)]


@pytest.fixture
def recording(recorder: Make, media: list[str], tmp_path: Path) -> Make:
    """A recorder whose segments are real, and that can be told to stop."""
    control = tmp_path / "control"
    control.mkdir()

    def make(*runs: dict[str, Any], **changes: Any) -> RecorderProcess:
        scenario = [
            {"media": media, "seconds": SECONDS, "every": 0.1, "then": "ended:SourceClosed"} | run
            for run in runs or ({},)
        ]
        return recorder(scenario, **{"format": "mp4", "control_dir": str(control)} | changes)

    return make


def tell_to_stop(it: RecorderProcess) -> None:
    (Path(it.given["control_dir"]) / "stop").write_text("true")


async def assert_made(it: RecorderProcess, *, segments: int) -> None:
    """Check that the MP4 is all of the recording, and told of."""
    manifest = assert_ended(it)
    assert len(manifest.segments) == segments
    _, mp4 = manifest.files
    data = (it.store / "out.mp4").read_bytes()
    assert (mp4.name, mp4.kind, mp4.uri) == ("out.mp4", FileKind.VIDEO, f"{it.given['store']['url']}out.mp4")
    assert (mp4.size_bytes, mp4.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    film = await asyncio.to_thread(look_at, it.store / "out.mp4")
    assert (film.pictures, film.complaint) == (int(segments * SECONDS * RATE), "")
    assert film.picture_seconds == pytest.approx(segments * SECONDS, abs=0.01)
    assert mp4.duration_seconds == pytest.approx(segments * SECONDS, abs=0.01)


@pytest.mark.parametrize(
    "asked", [{}, {"format": "hls", "outputs": [{"format": "mp4"}]}], ids=["alone", "beside the playlist"]
)
async def test_a_recording_that_ends_has_its_mp4(recording: Make, asked: dict[str, Any]) -> None:
    it = recording(**asked)
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "SourceClosed", True)
    assert [file.name for file in summary.files] == ["out.m3u8", "out.mp4"]
    await assert_made(it, segments=3)


async def test_every_form_is_made_of_one_recording(recording: Make) -> None:
    wanted = ["mp4", "m4a", "ogg", "mp3"]
    it = recording(format="hls", outputs=[{"format": each} for each in wanted])
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    assert [file.name for file in summary.files] == ["out.m3u8", *(f"out.{each}" for each in wanted)]
    assert [file.kind for file in summary.files] == ["playlist", "video", "audio", "audio", "audio"]
    for file in assert_ended(it).files[1:]:
        data = (it.store / file.name).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        film = await asyncio.to_thread(look_at, it.store / file.name)
        assert film.complaint == ""
        assert film.sound_seconds == pytest.approx(3 * SECONDS, abs=0.1)


async def test_thumbnails_come_with_their_index(recording: Make) -> None:
    it = recording(format="hls", outputs=[{"format": "thumbnails", "everySeconds": 2, "width": 64}])
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    told = [(file.name, file.kind) for file in assert_ended(it).files]
    assert told == [
        ("out.m3u8", "playlist"),
        ("out_thumbs_000.jpg", "image"),
        ("out_thumbs.vtt", "thumbnails"),
    ]
    index = (it.store / "out_thumbs.vtt").read_text()
    assert index.count("out_thumbs_000.jpg#xywh=") == 3
    assert (it.store / "out_thumbs_000.jpg").read_bytes().startswith(b"\xff\xd8")


async def test_who_wants_none_gets_none(recording: Make) -> None:
    it = recording(format="hls")
    await it.start()
    assert [file.name for file in (await it.ended()).files] == ["out.m3u8"]
    assert not (it.store / "out.mp4").exists()


async def test_what_lies_on_both_sides_of_a_crash_is_one_film(recording: Make) -> None:
    it = recording({"then": "crash"}, {})
    await it.start()
    await it.ended()
    assert [segment.index for segment in assert_ended(it).segments if segment.discontinuity] == [3]
    await assert_made(it, segments=6)


async def test_told_to_stop_it_makes_the_file_first(recording: Make) -> None:
    it = recording({"then": "wait"}, finalize_seconds=20)
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    tell_to_stop(it)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "StopRequested", True)
    await assert_made(it, segments=len(assert_ended(it).segments))


async def test_a_pod_that_is_to_go_leaves_it_to_the_next_one(recording: Make) -> None:
    it = recording({"then": "wait"}, {})
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    summary = await it.stop()
    assert (summary.outcome, summary.uploaded) == ("stopped", False)
    assert summary.message == "Stopped as asked. out.mp4 is not made yet."
    assert [file.name for file in assert_ended(it).files] == ["out.m3u8"]
    await it.start(attempt=2)
    assert (await it.ended()).uploaded
    await assert_made(it, segments=len(assert_ended(it).segments))


async def test_a_recorder_that_only_closes_makes_it(recording: Make) -> None:
    it = recording({"then": "wait"})
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.kill()
    await it.start(attempt=2, finish_only=True)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "Closing", True)
    await assert_made(it, segments=len(assert_ended(it).segments))


async def test_more_that_is_recorded_makes_it_anew(recording: Make) -> None:
    it = recording({}, {})
    await it.start()
    await it.ended()
    first = (it.store / "out.mp4").read_bytes()
    # An earlier attempt had ended for a reason that leaves something to record.
    manifest = it.store / "manifest.json"
    manifest.write_text(manifest.read_text().replace("SourceClosed", "StopRequested"))
    await it.start(attempt=2)
    await it.until(lambda: it.events("resumed"))
    await it.ended()
    assert (it.store / "out.mp4").read_bytes() != first
    await assert_made(it, segments=6)


async def test_what_is_made_already_is_not_made_again(recording: Make) -> None:
    it = recording()
    await it.start()
    await it.ended()
    await it.start(attempt=2, finish_only=True)
    assert (await it.ended()).uploaded
    assert len(it.events("packaging")) == 1
    await assert_made(it, segments=3)


async def test_an_attempt_that_another_follows_makes_nothing(recording: Make) -> None:
    it = recording({"then": "crash"}, {"segments": 0, "then": "crash"})
    it.settings["restart_limit"] = "0"
    await it.start()
    summary = await it.ended()
    assert (summary.reason, summary.retryable, summary.uploaded) == ("CaptureFailed", True, False)
    assert [file.name for file in summary.files] == ["out.m3u8"]
    it.script([{"segments": 0, "then": "crash"}])
    await it.start(attempt=2, last_attempt=True)
    summary = await it.ended()
    assert (summary.reason, summary.uploaded) == ("CaptureFailed", True)
    await assert_made(it, segments=3)


async def test_segments_that_are_no_video_fail_the_file_and_not_the_recording(recording: Make) -> None:
    it = recording({"media": None})
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("failed", "PackagingFailed", False)
    assert not summary.retryable
    assert summary.message.startswith("The script said SourceClosed. But out.mp4 could not be made: ")
    manifest = assert_ended(it)
    assert manifest.end is not None
    assert (manifest.end.state, manifest.end.reason) == ("FAILED", "PackagingFailed")
    assert [file.name for file in manifest.files] == ["out.m3u8"]


async def test_a_film_that_is_shorter_than_the_recording_is_not_passed_off_as_it(recording: Make) -> None:
    it = recording({"seconds": SECONDS * 2})
    await it.start()
    summary = await it.ended()
    assert summary.reason == "PackagingFailed"
    assert summary.message.endswith("The pictures from 0.000 s on end at 6.000 s instead of 12.000 s.")


async def test_a_segment_that_was_changed_in_the_store_is_found_out(recording: Make) -> None:
    it = recording({"then": "wait"}, finalize_seconds=20)
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    victim = it.store / "out_000001.ts"
    victim.write_bytes(victim.read_bytes()[::-1])
    tell_to_stop(it)
    summary = await it.ended()
    assert summary.reason == "PackagingFailed"
    assert "out_000001.ts" in summary.message
    assert "is no longer what was recorded" in summary.message


async def test_a_store_that_takes_no_file_is_tried_until_it_does(recording: Make) -> None:
    it = recording({"then": "wait"}, finalize_seconds=20)
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    in_the_way = it.store / "out.mp4"
    in_the_way.mkdir()
    (in_the_way / "thing").touch()
    tell_to_stop(it)
    await it.until(lambda: len(it.events("package-failed")) >= 2)
    (in_the_way / "thing").unlink()
    in_the_way.rmdir()
    assert (await it.ended()).uploaded
    await assert_made(it, segments=len(assert_ended(it).segments))


async def test_a_store_that_never_takes_it_costs_the_file_alone(recording: Make) -> None:
    it = recording({"then": "wait"}, finalize_seconds=20)
    it.settings["upload_patience_seconds"] = "6"
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    (it.store / "out.mp4").mkdir()
    (it.store / "out.mp4" / "thing").touch()
    tell_to_stop(it)
    summary = await it.ended()
    assert (summary.outcome, summary.uploaded) == ("failed", False)
    assert summary.reason in {"StoreUnreachable", "StoreRefused"}
    assert "But out.mp4 could not be made" in summary.message
    assert assert_whole(it).complete


async def test_a_second_sigterm_ends_it_within_seconds(recording: Make, tmp_path: Path) -> None:
    it = recording({"then": "wait"}, finalize_seconds=60)
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    (it.store / "out.mp4").mkdir()
    (it.store / "out.mp4" / "thing").touch()
    tell_to_stop(it)
    await it.until(lambda: it.events("package-failed"))
    began = asyncio.get_running_loop().time()
    it.send(signal.SIGTERM)
    await it.until(lambda: it.events("signal"))
    it.send(signal.SIGTERM)
    summary = await it.ended()
    assert asyncio.get_running_loop().time() - began < 15
    assert "could not be made" in summary.message
