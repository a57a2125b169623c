"""The clocks in a recording: what they show is held against what playlist, manifest and status state."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.publishers import user
from support.recording import load
from support.recording_clock import clock_problems, gap_problems

PEOPLE = [user("user1", hue=0, tone=440, size="320x180"), user("user2", hue=220, tone=880, size="320x180")]
GAP = {"startedAt": "2026-11-23T05:11:24.250Z", "seconds": 2.0, "reason": "CaptureRestarted"}


@pytest.fixture
def gapped(breakable: Path) -> Path:
    """A recording whose second of three segments is not there, and that says so."""
    (breakable / "segment_00001.ts").unlink()
    playlist = breakable / "file_output.m3u8"
    header, first, _, third = playlist.read_text().split("#EXT-X-PROGRAM-DATE-TIME:")
    playlist.write_text("#EXT-X-PROGRAM-DATE-TIME:".join([header, f"{first}#EXT-X-DISCONTINUITY\n", third]))
    change(breakable, gaps=[GAP], lostSeconds=2.0)
    manifest = json.loads((breakable / "manifest.json").read_text())
    segments = [manifest["segments"][0], manifest["segments"][2]]
    segments[1] |= {"index": 1, "discontinuity": True, "gapReason": "CaptureRestarted"}
    change(breakable, segments=segments)
    return breakable


def change(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "file_output.m3u8"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def status(**fields: Any) -> dict[str, Any]:
    return {"gaps": [GAP], "lostSeconds": 2.0, **fields}


def clocks(folder: Path) -> str:
    return "\n".join(clock_problems(load(folder), people=PEOPLE))


def gaps(folder: Path, **fields: Any) -> str:
    return "\n".join(gap_problems(load(folder), status(**fields), people=PEOPLE))


def test_a_good_recording_shows_each_instant_where_its_clock_says(good: Path) -> None:
    assert clocks(good) == ""
    assert gap_problems(load(good), {}, people=PEOPLE) == []


def test_a_gap_that_all_accounts_state_is_no_problem(gapped: Path) -> None:
    assert clocks(gapped) == ""
    assert gaps(gapped) == ""


def test_a_clock_that_is_wrong_behind_a_gap_is_named(gapped: Path) -> None:
    edit(gapped, "05:11:26.250Z", "05:11:27.250Z")

    found = clocks(gapped)
    assert "segment_00000.ts: user1's clock is +334 ms behind the playlist's" in found
    assert "segment_00002.ts: user1's clock is +1334 ms behind the playlist's" in found
    assert "over the gap before it user1's clock goes -0.967 s further than the playlist's" in gaps(gapped)


def test_a_gap_that_is_not_as_long_as_stated_is_named(gapped: Path) -> None:
    wrong = {**GAP, "seconds": 1.0}
    change(gapped, gaps=[wrong], lostSeconds=1.0)

    found = gaps(gapped, gaps=[wrong], lostSeconds=1.0)
    assert (
        "the manifest states the gap CaptureRestarted 05:11:24.250000 1.000 s,"
        " it is CaptureRestarted 05:11:24.250000 2.000 s" in found
    )


def test_a_gap_that_nobody_states_is_named(gapped: Path) -> None:
    change(gapped, gaps=[], lostSeconds=0.0)

    found = gaps(gapped, gaps=[], lostSeconds=0.0)
    assert "the manifest states 0 gaps (), there are 1" in found


def test_a_status_that_keeps_a_gap_to_itself_is_named(gapped: Path) -> None:
    found = gaps(gapped, gaps=[], lostSeconds=0.0)

    assert "the status states 0 gaps" in found
    assert "the status says that 0.000 s are lost, its gaps add up to 2.000 s" in found


def test_a_pause_is_a_gap_and_no_loss(gapped: Path) -> None:
    paused = {**GAP, "reason": "Paused"}
    manifest = json.loads((gapped / "manifest.json").read_text())
    manifest["segments"][1]["gapReason"] = "Paused"
    change(gapped, gaps=[paused], lostSeconds=0.0, segments=manifest["segments"])

    assert gaps(gapped, gaps=[paused], lostSeconds=0.0) == ""


def test_a_picture_that_stands_still_shows_other_instants(recipes: Callable[..., Path]) -> None:
    found = clocks(recipes(frozen_from=3.0))

    assert "segment_00002.ts: user1's clock is" in found
    assert "pictures show another instant than user1's clock had" in found
