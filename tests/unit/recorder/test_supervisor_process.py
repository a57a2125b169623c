"""The recorder as the kubelet runs it: a process, signals, HTTP, a store on disk, a capture that misbehaves."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, listens_to_sigterm, segments_left

Make = Callable[..., RecorderProcess]

NOTHING_ON_ITS_WAY: dict[str, Any] = {"segments": 3, "then": "hang"}
"""For one that is killed: on plain files, what is stored and not listed yet could not be adopted."""


async def test_a_recording_is_uploaded_while_it_runs_and_closed_by_sigterm(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    assert "#EXT-X-ENDLIST" not in it.playlist()
    assert it.ready()
    report = it.report()
    assert report is not None
    assert (report.phase, report.participants, report.files[0].name) == ("recording", 1, "out.m3u8")
    summary = await it.stop()
    manifest = assert_ended(it)
    assert (summary.reason, summary.uploaded, summary.retryable) == ("StopRequested", True, False)
    assert summary.files == manifest.files
    assert summary.recorded_seconds == 4.0 * len(manifest.segments)
    assert manifest.reason == "StopRequested"
    assert not any(segment.discontinuity for segment in manifest.segments)
    assert segments_left(it) == []


async def test_sigterm_before_the_join_leaves_no_playlist(recorder: Make) -> None:
    it = recorder([{"join": None}])
    await it.start()
    await it.until(it.manifest)
    assert it.get("/readyz")[0] == 503
    assert it.get("/healthz")[0] == 200
    summary = await it.stop()
    assert (summary.outcome, summary.reason, summary.files, summary.joined_at) == (
        "stopped",
        "StopRequested",
        [],
        None,
    )
    assert [path.name for path in it.store.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("run", "outcome", "reason", "retryable"),
    [
        ({"refuse": "JoinRefused"}, "failed", "JoinRefused", False),
        ({"refuse": "SourceUnreachable"}, "failed", "SourceUnreachable", True),
        ({"segments": 0, "then": "ended:JoinRefused"}, "failed", "JoinRefused", False),
        ({"segments": 0, "then": "exit:64"}, "failed", "JoinRefused", False),
        ({"segments": 0, "then": "ended:SourceClosed"}, "stopped", "SourceClosed", False),
        ({"segments": 0, "then": "ended:IdentityTaken"}, "failed", "IdentityTaken", False),
    ],
)
async def test_why_a_capture_ended_is_what_is_reported(
    recorder: Make, run: dict[str, Any], outcome: str, reason: str, *, retryable: bool
) -> None:
    it = recorder([run])
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == (outcome, reason, retryable)
    assert summary.message
    assert not it.playlist()


async def test_a_recorder_that_its_predecessor_throws_out_joins_again_twice(recorder: Make) -> None:
    thrown_out = {"segments": 1, "then": "ended:IdentityTaken"}
    it = recorder([thrown_out, thrown_out, thrown_out])
    await it.start(attempt=2)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "IdentityTaken", False)
    assert [gap.reason for gap in summary.gaps] == ["CaptureRestarted"] * 2
    assert it.listed() == 3


async def test_a_source_that_was_lost_is_joined_again(recorder: Make) -> None:
    it = recorder([{"then": "ended:SourceUnreachable"}, {"refuse": "SourceUnreachable"}, {}])
    await it.start()
    await it.until(lambda: it.listed() >= 6)
    await it.stop()
    assert [s.index for s in assert_ended(it).segments if s.discontinuity] == [3]


async def test_a_source_that_stays_away_ends_the_task_with_its_files(recorder: Make) -> None:
    it = recorder([{"then": "ended:SourceUnreachable"}, {"refuse": "SourceUnreachable"}])
    it.settings["rejoin_patience_seconds"] = "0.5"
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "SourceUnreachable", True)
    assert len(assert_ended(it).segments) == 3


async def test_a_capture_that_crashes_is_replaced_and_the_playlist_goes_on(recorder: Make) -> None:
    it = recorder([{"segments": 3, "then": "crash"}, {"segments": 2, "then": "exit:70"}, {}])
    await it.start()
    await it.until(lambda: it.listed() >= 7)
    report = it.report()
    assert report is not None
    await it.stop()
    manifest = assert_ended(it)
    jumps = [segment.index for segment in manifest.segments if segment.discontinuity]
    assert jumps == [3, 5]
    assert it.playlist().count("#EXT-X-DISCONTINUITY") == 2


async def test_a_capture_that_keeps_crashing_ends_the_task_with_its_files(recorder: Make) -> None:
    it = recorder([{"segments": 1, "then": "crash"}])
    it.settings["restart_limit"] = "2"
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "CaptureFailed", True)
    assert "3 times" in summary.message
    assert len(assert_ended(it).segments) == 3


async def test_a_capture_that_hangs_is_killed_and_replaced(recorder: Make) -> None:
    it = recorder([{"segments": 1, "then": "hang"}, {}], segment_seconds=1)
    it.settings["stall_margin_seconds"] = "0.1"
    await it.start()
    await it.until(lambda: it.listed() >= 4)
    await it.stop()
    assert [s.index for s in assert_ended(it).segments if s.discontinuity] == [1]


async def test_a_capture_that_ignores_the_stop_is_killed_and_its_segments_kept(recorder: Make) -> None:
    it = recorder([{"on_stop": "hang"}])
    it.settings["stop_capture_seconds"] = "1.1"
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    summary = await it.stop()
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    assert_ended(it)


async def test_a_second_sigterm_does_not_wait_for_the_capture(recorder: Make) -> None:
    it = recorder([{"on_stop": "hang"}])
    it.settings["stop_capture_seconds"] = "600"
    await it.start(finalize_seconds=3600)
    await it.until(lambda: it.listed() >= 2)
    it.send(signal.SIGTERM)
    await it.until(lambda: it.events("capture-stopping"))
    it.send(signal.SIGTERM)
    await it.ended(within=8)
    assert_ended(it)


async def test_what_a_dead_capture_started_dies_with_it(recorder: Make) -> None:
    it = recorder([{"stray": True, "segments": 1, "then": "crash"}, {}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.stop()
    assert_ended(it)


async def test_capture_goes_on_while_the_store_is_away_and_nothing_is_lost(recorder: Make) -> None:
    it = recorder([{}])
    it.settings["upload_backoff_seconds"] = "0.3"
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    away = it.store.with_name("away")
    it.store.rename(away)
    it.store.write_text("no folder")
    await it.until(lambda: (report := it.report()) and report.pending_bytes > 8 * 7700)
    it.store.unlink()
    away.rename(it.store)
    await it.until(lambda: it.listed() >= 12)
    summary = await it.stop()
    assert summary.uploaded
    assert not any(segment.discontinuity for segment in assert_ended(it).segments)


async def test_a_store_that_stays_away_fails_the_task_within_the_grace_period(recorder: Make) -> None:
    it = recorder([{}])
    await it.start(finalize_seconds=4)
    await it.until(lambda: it.listed() >= 2)
    it.store.rename(it.store.with_name("away"))
    it.store.write_text("no folder")
    await it.until(lambda: (report := it.report()) and report.pending_bytes > 0)
    it.send(signal.SIGTERM)
    summary = await it.ended(within=6)
    assert (summary.outcome, summary.reason, summary.uploaded) == ("failed", "StoreUnreachable", False)
    assert "did not reach the store" in summary.message


async def test_a_killed_recorder_is_continued_by_the_next_attempt(recorder: Make) -> None:
    it = recorder([NOTHING_ON_ITS_WAY])
    await it.start()
    await it.until(lambda: it.listed() == 3)
    await it.kill()
    before = it.playlist()
    first = it.manifest()
    assert first is not None
    it.script([{}])
    await it.start(attempt=2)
    await it.until(lambda: it.listed() >= len(first.segments) + 2)
    assert it.playlist().startswith(before)
    await it.stop()
    manifest = it.manifest()
    assert manifest is not None
    assert manifest.segments[: len(first.segments)] == first.segments
    assert manifest.first_frame_at == first.first_frame_at
    assert manifest.created_at == first.created_at
    resumed = manifest.segments[len(first.segments)]
    assert (resumed.attempt, resumed.discontinuity) == (2, True)
    assert it.playlist().count("#EXT-X-ENDLIST") == 1


async def test_an_ended_playlist_is_opened_again_by_the_next_attempt(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    await it.stop()
    before = it.playlist()
    await it.start(attempt=2)
    await it.until(lambda: "ENDLIST" not in it.playlist())
    assert it.playlist().startswith(before.removesuffix("#EXT-X-ENDLIST\n"))
    await it.stop()
    assert_ended(it)


async def test_a_stop_before_the_next_attempt_has_begun_closes_what_the_first_recorded(
    recorder: Make,
) -> None:
    it = recorder([NOTHING_ON_ITS_WAY])
    await it.start()
    await it.until(lambda: it.listed() == 3)
    await it.kill()
    it.script([{}])
    assert "#EXT-X-ENDLIST" not in it.playlist()
    await it.start(attempt=2)
    await it.until(lambda: listens_to_sigterm(it))
    summary = await it.stop()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "StopRequested", True)
    assert summary.files == assert_ended(it).files


async def test_another_tasks_recording_is_left_alone(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    await it.stop()
    before = {path.name: path.read_bytes() for path in it.store.iterdir()}
    await it.start(task_uid="another")
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "OutputExists", False)
    assert {path.name: path.read_bytes() for path in it.store.iterdir()} == before


async def test_an_attempt_that_was_overtaken_writes_nothing_more(recorder: Make) -> None:
    it = recorder([{"every": 0.2}])
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    path = it.store / "manifest.json"
    later = json.loads(path.read_text()) | {"attempt": 2}
    path.write_text(json.dumps(later))
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "OutputExists", False)
    assert "Attempt 2 has taken this recording over" in summary.message
    assert json.loads(path.read_text()) == later


async def test_a_store_that_refuses_ends_the_task_before_anything_is_captured(recorder: Make) -> None:
    it = recorder([{}])
    it.store.parent.write_text("no folder can be made here")
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "StoreRefused", False)
    assert str(it.store.as_uri()) in summary.message
    assert not it.spool.exists()


async def test_the_longest_duration_counts_over_all_attempts(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    await it.stop()
    await it.start(attempt=2, max_duration_seconds=8)
    summary = await it.ended()
    assert (summary.outcome, summary.reason) == ("stopped", "MaxDurationReached")
    assert_ended(it)


async def test_a_recording_ends_when_nobody_sends_anything(recorder: Make) -> None:
    it = recorder([{"join": 1.2, "people": [["anna", "joined"]]}], idle_timeout_seconds=1)
    await it.start()
    await it.until(lambda: it.listed() >= 2)
    summary = await it.ended()
    assert (summary.outcome, summary.reason) == ("stopped", "IdleTimeout")
    assert_ended(it)


async def test_a_configuration_that_is_not_one_is_said_in_the_termination_message(recorder: Make) -> None:
    it = recorder([{}])
    await it.start(source=None)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.retryable) == ("failed", "RecorderFailed", False)
    assert "without a source" in summary.message


async def test_a_termination_message_that_cannot_be_written_does_not_harm_the_files(recorder: Make) -> None:
    it = recorder([{}])
    it.settings["termination_log"] = "/dev/full"
    await it.start()
    await it.until(lambda: it.listed() >= 1)
    it.send(signal.SIGTERM)
    assert it.process is not None
    assert await it.process.wait() == 0
    assert_ended(it)


async def test_a_sigterm_while_the_program_loads_is_not_lost(recorder: Make) -> None:
    it = recorder([{}])
    await it.start()
    await it.until(lambda: listens_to_sigterm(it))
    summary = await it.stop()
    assert (summary.outcome, summary.reason) == ("stopped", "StopRequested")
    assert not it.playlist()
