"""Nothing recorded is lost: real processes, a capture that dies over real transport streams, pauses, bounds."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from egress_api.states import GapReason
from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, segments_left

Make = Callable[..., RecorderProcess]
SECONDS = 3
RATE = 30


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a transport stream that ends in the middle of a packet, as a killed capture leaves it."""
    whole = tmp_path_factory.mktemp("torn") / "whole.ts"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={RATE}:duration={SECONDS}",
         "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-threads", "1", "-c:a", "aac",
         "-muxdelay", "0", "-pes_payload_size", "0", "-f", "mpegts", str(whole)],
        check=True, timeout=30,
    )  # fmt: skip
    data = whole.read_bytes()
    left = whole.with_name("torn.ts")
    left.write_bytes(data[: len(data) * 2 // 3 + 77])
    return left


def decodes(path: Path) -> str:
    """Return what ffmpeg has to say against a file."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, check=False, timeout=30, capture_output=True, text=True).stderr


def reasons(recorder: RecorderProcess) -> list[tuple[int, GapReason]]:
    """Return where the timeline jumps and why, once the recording has ended."""
    return [(s.index, s.gap_reason) for s in assert_ended(recorder).segments if s.gap_reason]


async def assert_salvaged(recorder: RecorderProcess, *, index: int) -> None:
    """Check that a segment is the torn one, cut to what decodes, and stands for what it holds."""
    segment = assert_ended(recorder).segments[index]
    assert SECONDS * 0.5 < segment.duration_seconds < SECONDS * 0.7
    assert await asyncio.to_thread(decodes, recorder.store / segment.name) == ""
    assert segments_left(recorder) == []


@pytest.mark.parametrize("then", ["crash", "exit:70", "ended:PipelineError", "hang", "still"])
async def test_what_a_capture_had_open_when_it_went_is_kept(recorder: Make, torn: Path, then: str) -> None:
    it = recorder([{"segments": 2, "then": then, "left": str(torn)}, {"seconds": 0}])
    it.settings |= {"silent_seconds": "1.5", "still_seconds": "2"}
    await it.start()
    await it.until(lambda: it.listed() >= 5)
    await it.stop()
    await assert_salvaged(it, index=2)
    assert reasons(it) == [(3, GapReason.CAPTURE_RESTARTED)]


async def test_a_capture_that_was_stopped_by_a_signal_is_replaced_and_its_open_segment_kept(
    recorder: Make, torn: Path
) -> None:
    it = recorder([{"segments": 2, "left": str(torn)}, {}])
    it.settings["silent_seconds"] = "1.5"
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    started = it.events("capture-started")[0]
    assert it.process is not None
    os.killpg(started["pid"], signal.SIGSTOP)
    await it.until(lambda: len(it.events("capture-started")) == 2)
    await it.until(lambda: it.listed() >= 8)
    await it.stop()
    assert any("it said nothing" in line["why"] for line in it.events("capture-killed"))
    assert [reason for _, reason in reasons(it)] == [GapReason.CAPTURE_RESTARTED]


@pytest.mark.parametrize("on_stop", ["crash", "hang"])
async def test_what_was_open_at_the_stop_is_kept_though_the_capture_did_not_close_it(
    recorder: Make, torn: Path, on_stop: str
) -> None:
    it = recorder([{"segments": 2, "then": "wait", "every": 600, "on_stop": on_stop, "left": str(torn)}])
    it.script([{"segments": 0, "every": 600, "on_stop": on_stop, "left": str(torn)}])
    it.settings["stop_capture_seconds"] = "1.1"
    await it.start()
    await it.until(it.ready)
    summary = await it.stop()
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    await assert_salvaged(it, index=0)


async def test_a_capture_that_has_ended_and_does_not_exit_is_killed_and_its_word_counts(
    recorder: Make,
) -> None:
    it = recorder([{"segments": 2, "then": "ended:SourceClosed", "lingers": True}])
    it.settings["silent_seconds"] = "1"
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason) == ("stopped", "SourceClosed")
    assert len(assert_ended(it).segments) == 2


async def test_an_open_segment_without_a_picture_leaves_nothing(recorder: Make, tmp_path: Path) -> None:
    empty = tmp_path / "empty.ts"
    empty.write_bytes(b"\x47" * 100)
    it = recorder([{"segments": 1, "then": "crash", "left": str(empty)}, {}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.stop()
    assert reasons(it) == [(1, GapReason.CAPTURE_RESTARTED)]


async def test_a_capture_that_died_is_replaced_at_once(recorder: Make) -> None:
    it = recorder([{"segments": 1, "then": "crash"}, {}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.stop()
    gone = datetime.fromisoformat(it.events("capture-exited")[0]["timestamp"])
    started = datetime.fromisoformat(it.events("capture-started")[1]["timestamp"])
    assert (started - gone).total_seconds() < 1.0


async def test_the_report_says_how_many_seconds_are_missing_and_why(recorder: Make) -> None:
    it = recorder(
        [{"segments": 3, "then": "ended:SourceUnreachable", "seconds": 0}, {"join": 0.5, "seconds": 0}]
    )
    await it.start()
    await it.until(lambda: it.listed() >= 5)
    report = await it.until(it.report)
    (gap,) = report.gaps
    assert (gap.reason, gap.seconds) == (GapReason.SOURCE_LOST, report.lost_seconds)
    assert 0.5 <= gap.seconds < 5
    summary = await it.stop()
    assert (summary.gaps, summary.lost_seconds) == (report.gaps, report.lost_seconds)
    manifest = assert_ended(it)
    assert (manifest.gaps, manifest.lost_seconds) == (report.gaps, report.lost_seconds)


async def test_the_next_attempt_says_what_was_missed_between_and_before(recorder: Make) -> None:
    # It hangs, so that nothing is on its way when it is killed: on plain files that could not be adopted.
    hang = {"segments": 2, "then": "hang", "seconds": 0}
    it = recorder([{"segments": 2, "then": "crash", "seconds": 0}, hang])
    await it.start()
    await it.until(lambda: it.listed() == 4)
    await it.kill()
    it.script([{"seconds": 0}])
    await it.start(attempt=2)
    await it.until(lambda: len((it.report() or it).gaps if it.report() else ()) == 2)
    summary = await it.stop()
    assert [gap.reason for gap in summary.gaps] == [
        GapReason.CAPTURE_RESTARTED,
        GapReason.RECORDER_REPLACED,
    ]
    assert assert_ended(it).gaps == summary.gaps


def wish(folder: Path, *, paused: bool) -> None:
    """Say what is wished as the kubelet does: by swapping the file."""
    new = folder / "..new"
    new.write_text(str(paused).lower())
    new.rename(folder / "pause")


async def test_a_pause_is_left_out_and_is_no_loss(recorder: Make, tmp_path: Path) -> None:
    it = recorder([{"seconds": 0}], control_dir=str(tmp_path))
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    wish(tmp_path, paused=True)
    report = await it.until(lambda: (said := it.report()) and said.paused and said)
    assert report.message == "Paused, as asked."
    assert it.ready()
    paused_with = await it.until(lambda: not (it.report() or report).pending_bytes and it.listed())
    wish(tmp_path, paused=False)
    await it.until(lambda: it.listed() >= paused_with + 3)
    report = await it.until(it.report)
    assert (report.paused, report.message) == (False, "Recording.")
    summary = await it.stop()
    ((_, reason),) = reasons(it)
    assert reason is GapReason.PAUSED
    assert [gap.reason for gap in summary.gaps] == [GapReason.PAUSED]
    assert summary.lost_seconds == 0.0
    assert len(it.events("capture-started")) == 1


async def test_another_layout_may_be_asked_for_while_it_records_and_the_next_capture_knows(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{"seconds": 0}, {"seconds": 0}], control_dir=str(tmp_path))
    (tmp_path / "layout").write_text("flat")
    await it.start()
    await it.until(lambda: it.listed() >= 1)
    assert it.capture_config()["layout"] == "flat"
    (tmp_path / "new").write_text("spotlight")
    (tmp_path / "new").rename(tmp_path / "layout")
    await it.until(lambda: [e for e in it.events("capture-warning") if e["reason"] == "Arranged"])
    before = it.listed()
    await it.until(lambda: it.listed() >= before + 2)
    [told] = it.events("capture-told")
    assert told["layout"] == "spotlight"
    kept = it.manifest()
    assert kept is not None
    assert kept.asked is not None
    assert kept.asked.layout == "spotlight"
    assert len(it.events("capture-started")) == 1
    await it.stop()
    assert reasons(it) == []
    before = it.listed()
    await it.start(attempt=2)
    await it.until(lambda: it.listed() > before)
    assert it.capture_config(1)["layout"] == "spotlight"


async def test_others_may_be_chosen_while_it_records_and_the_next_capture_knows(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{"seconds": 0}, {"seconds": 0}], control_dir=str(tmp_path), users=["user1"])
    (tmp_path / "users").write_text("user1")
    await it.start()
    await it.until(lambda: it.listed() >= 1)
    assert it.capture_config()["users"] == ["user1"]
    (tmp_path / "new").write_text("user2,user3")
    (tmp_path / "new").rename(tmp_path / "users")
    await it.until(lambda: it.events("capture-told"))
    before = it.listed()
    await it.until(lambda: it.listed() >= before + 2)
    [told] = it.events("capture-told")
    assert told["users"] == ["user2", "user3"]
    kept = it.manifest()
    assert kept is not None
    assert kept.asked is not None
    assert kept.asked.users == ["user2", "user3"]
    assert len(it.events("capture-started")) == 1
    await it.stop()
    assert reasons(it) == []


async def test_a_recording_that_starts_paused_records_nothing_until_it_is_resumed(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{}], control_dir=str(tmp_path))
    wish(tmp_path, paused=True)
    await it.start()
    await it.until(it.ready)
    report = await it.until(it.report)
    assert (report.paused, report.first_frame_at, it.capture_config()["paused"]) == (True, None, True)
    wish(tmp_path, paused=False)
    await it.until(lambda: it.listed() >= 2)
    await it.stop()
    manifest = assert_ended(it)
    assert manifest.gaps == []
    assert manifest.first_frame_at == manifest.segments[0].started_at


async def test_a_stop_during_a_pause_ends_with_what_was_recorded_before(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{"seconds": 0}], control_dir=str(tmp_path))
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    wish(tmp_path, paused=True)
    await it.until(lambda: (said := it.report()) and said.paused)
    summary = await it.stop()
    assert (summary.reason, summary.gaps) == ("StopRequested", [])
    assert reasons(it) == []


async def test_a_capture_that_dies_during_a_pause_comes_back_paused_and_nothing_is_lost(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{"seconds": 0}], control_dir=str(tmp_path))
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    wish(tmp_path, paused=True)
    await it.until(lambda: (said := it.report()) and said.paused)
    os.killpg(it.events("capture-started")[0]["pid"], signal.SIGKILL)
    await it.until(lambda: len(it.events("joined")) == 2)
    assert it.capture_config(1)["paused"]
    before = await it.until(lambda: not it.report().pending_bytes and it.listed())
    wish(tmp_path, paused=False)
    await it.until(lambda: it.listed() >= before + 2)
    summary = await it.stop()
    assert [reason for _, reason in reasons(it)] == [GapReason.PAUSED]
    assert [gap.reason for gap in summary.gaps] == [GapReason.PAUSED]
    assert summary.lost_seconds == 0.0


async def test_a_recorder_that_dies_during_a_pause_is_replaced_and_the_pause_stays_no_loss(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{"seconds": 0}], control_dir=str(tmp_path))
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    wish(tmp_path, paused=True)
    await it.until(lambda: (kept := it.manifest()) and kept.gaps and not it.report().pending_bytes)
    await it.kill()
    it.script([{"seconds": 0}])
    await it.start(attempt=2)
    await it.until(lambda: (said := it.report()) and said.paused and it.ready())
    before = it.listed()
    wish(tmp_path, paused=False)
    await it.until(lambda: it.listed() >= before + 2)
    summary = await it.stop()
    assert [gap.reason for gap in summary.gaps] == [GapReason.PAUSED]
    assert summary.lost_seconds == 0.0


async def test_what_was_recorded_to_its_end_is_not_begun_again(recorder: Make) -> None:
    it = recorder([{"segments": 2, "then": "ended:SourceClosed"}])
    await it.start()
    first = await it.ended()
    playlist = it.playlist()
    await it.start(attempt=2)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "SourceClosed", True)
    assert (summary.files, it.playlist()) == (first.files, playlist)
    assert len(it.events("capture-started")) == 1
    assert_ended(it)


async def test_a_recording_ends_when_it_has_as_many_bytes_as_allowed(recorder: Make) -> None:
    it = recorder([{"size": 18_800}], max_bytes=100_000)
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "MaxBytesReached", True)
    assert summary.message == "The recording reached its limit of 100000 bytes."
    # What it recorded until it had stopped comes on top.
    assert 100_000 <= assert_ended(it).files[0].size_bytes < 300_000


async def test_a_full_spool_drops_the_oldest_and_the_recording_goes_on(recorder: Make) -> None:
    it = recorder([{"seconds": 0, "size": 18_800}])
    it.settings |= {"upload_backoff_seconds": "0.3", "spool_free_bytes": "0"}
    await it.start(spool_bytes=188_000)
    await it.until(lambda: it.listed() >= 2)
    away = it.store.with_name("away")
    it.store.rename(away)
    it.store.write_text("no folder")
    await it.until(lambda: len(it.events("segment-dropped")) >= 5)
    report = await it.until(it.report)
    assert report.upload_error
    assert "have been given up, oldest first" in report.message
    assert sum(path.stat().st_size for path in segments_left(it)) < 2 * 188_000
    it.store.unlink()
    away.rename(it.store)
    await it.until(lambda: not it.report().pending_bytes and not it.report().upload_error)
    listed = it.listed()
    await it.until(lambda: it.listed() >= listed + 2)
    summary = await it.stop()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "StopRequested", True)
    dropped = it.events("segment-dropped")
    assert summary.lost_seconds == pytest.approx(sum(line["seconds"] for line in dropped), abs=0.1)
    assert {reason for _, reason in reasons(it)} == {GapReason.SPOOL_FULL}
    assert len(it.events("capture-started")) == 1


async def test_a_full_disk_does_not_count_among_the_restarts(recorder: Make) -> None:
    it = recorder([{"segments": 1}, *[{"segments": 0, "then": "ended:DiskFull"}] * 3, {}])
    it.script(
        [{"segments": 1, "then": "ended:DiskFull"}, *[{"segments": 0, "then": "ended:DiskFull"}] * 3, {}]
    )
    it.settings["restart_limit"] = "0"
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.stop()
    assert reasons(it) == [(1, GapReason.SPOOL_FULL)]


async def test_a_disk_that_stays_full_ends_the_task_with_its_files(recorder: Make) -> None:
    it = recorder([{"segments": 1, "then": "ended:DiskFull"}, {"segments": 0, "then": "ended:DiskFull"}])
    it.settings["disk_patience_seconds"] = "0.5"
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "CaptureFailed", True)
    assert len(assert_ended(it).segments) == 1


async def test_a_recorder_that_is_only_to_finish_closes_what_another_left(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.kill()
    before = it.playlist()
    assert "#EXT-X-ENDLIST" not in before
    it.script([{}])
    await it.start(attempt=2, finish_only=True)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.message, summary.uploaded) == (
        "stopped",
        "Closing",
        "Closed what earlier recorders had recorded.",
        True,
    )
    # The manifest is written first: it may have known one more.
    assert it.playlist().startswith(before)
    assert summary.files == it.manifest().files
    assert it.playlist().count("#EXT-X-ENDLIST") == 1
    assert len(it.events("capture-started")) == 1


async def test_a_recorder_that_is_only_to_finish_nothing_leaves_no_playlist(recorder: Make) -> None:
    it = recorder([{}])
    await it.start(attempt=2, finish_only=True)
    summary = await it.ended()
    assert (summary.outcome, summary.files) == ("stopped", [])
    assert [path.name for path in it.store.iterdir()] == ["manifest.json"]
