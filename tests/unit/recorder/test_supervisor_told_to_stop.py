"""Told to end by the control volume: nothing hurries it, so that a store that is away costs nothing."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from egress_api.results import RecorderPhase
from support.recorder import RecorderProcess
from support.recorder_checks import assert_ended, segments_left

Make = Callable[..., RecorderProcess]
GRACE_SECONDS = 2


def tell_to_stop(folder: Path) -> None:
    """Say so as the kubelet does: by swapping the file."""
    new = folder / "..new"
    new.write_text("true")
    new.rename(folder / "stop")


def take_the_store_away(recorder: RecorderProcess) -> Path:
    away = recorder.store.with_name("away")
    recorder.store.rename(away)
    recorder.store.write_text("no folder")
    return away


def give_it_back(recorder: RecorderProcess, away: Path) -> None:
    recorder.store.unlink()
    away.rename(recorder.store)


async def recording_without_a_store(it: RecorderProcess) -> Path:
    it.settings["upload_backoff_seconds"] = "0.3"
    await it.start()
    await it.until(lambda: it.listed() >= 3)
    away = take_the_store_away(it)
    await it.until(lambda: (said := it.report()) and said.upload_error)
    return away


def moment(line: dict[str, str]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


async def test_a_stop_in_an_outage_longer_than_the_grace_period_loses_nothing(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{}], control_dir=str(tmp_path), finalize_seconds=GRACE_SECONDS)
    (tmp_path / "stop").write_text("false")
    away = await recording_without_a_store(it)
    tell_to_stop(tmp_path)
    (told,) = await it.until(lambda: it.events("told-to-stop"))
    patient = moment(told) + timedelta(seconds=2 * GRACE_SECONDS)
    await it.until(lambda: moment(it.events("upload-failed")[-1]) > patient)
    report = await it.until(it.report)
    assert (report.phase, report.message) == (RecorderPhase.FINALIZING, "Stopped as asked.")
    assert report.pending_bytes > 0
    give_it_back(it, away)
    summary = await it.ended()
    assert (summary.outcome, summary.reason, summary.uploaded) == ("stopped", "StopRequested", True)
    assert summary.lost_seconds == 0.0
    assert assert_ended(it).files == summary.files
    assert segments_left(it) == []


async def test_a_deleted_pod_has_its_grace_period_though_it_was_told_to_stop_before(
    recorder: Make, tmp_path: Path
) -> None:
    it = recorder([{}], control_dir=str(tmp_path), finalize_seconds=GRACE_SECONDS)
    away = await recording_without_a_store(it)
    tell_to_stop(tmp_path)
    await it.until(lambda: it.events("capture-exited"))
    began = asyncio.get_running_loop().time()
    summary = await it.stop()
    assert asyncio.get_running_loop().time() - began < GRACE_SECONDS + 5
    assert (summary.outcome, summary.reason, summary.uploaded) == ("failed", "StoreUnreachable", False)
    give_it_back(it, away)
    assert "#EXT-X-ENDLIST" not in it.playlist()


async def test_told_in_the_pause_between_two_captures_it_ends_at_once(recorder: Make, tmp_path: Path) -> None:
    it = recorder(
        [{"segments": 3, "then": "crash"}, {"segments": 0, "then": "crash"}], control_dir=str(tmp_path)
    )
    it.settings["restart_pause_seconds"] = "600"
    await it.start()
    await it.until(lambda: len(it.events("capture-broke")) == 2)
    tell_to_stop(tmp_path)
    assert (await it.ended()).reason == "StopRequested"
    assert len(assert_ended(it).segments) == 3


async def test_told_before_it_begins_it_ends_with_nothing(recorder: Make, tmp_path: Path) -> None:
    it = recorder([{}], control_dir=str(tmp_path))
    tell_to_stop(tmp_path)
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.files) == ("stopped", [])
