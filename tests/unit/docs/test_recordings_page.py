"""docs/recordings.md says what the code does: its manifest is one, and its playlist is that manifest's."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from egress_api.manifest import Manifest
from egress_api.states import GapReason
from egress_recorder.playlist import Playlist

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "recordings.md").read_text(encoding="utf-8")


@pytest.fixture
def manifest() -> Manifest:
    [text] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    read = Manifest.model_validate_json(text)
    assert read.model_dump(mode="json", by_alias=True, exclude_none=True) == json.loads(text)
    return read


def test_the_playlist_is_the_manifests(manifest: Manifest) -> None:
    [shown] = re.findall(r"```\n(#EXTM3U\n.*?)```", PAGE, re.DOTALL)
    made = Playlist(target_seconds=manifest.segment_seconds)
    for segment in manifest.segments:
        made.append(
            segment.name,
            # The manifest keeps milliseconds, the playlist what was measured: 64 pictures of 30 a second.
            seconds=round(segment.duration_seconds * 30) / 30,
            started_at=segment.started_at,
            discontinuity=segment.discontinuity,
        )
    assert made.render(ended=True).decode() == shown


def test_its_sums_are_right(manifest: Manifest) -> None:
    [playlist] = manifest.files
    assert playlist.size_bytes == sum(segment.size_bytes for segment in manifest.segments)
    assert playlist.duration_seconds == pytest.approx(sum(s.duration_seconds for s in manifest.segments))
    assert manifest.lost_seconds == sum(gap.seconds for gap in manifest.gaps)


def test_a_gap_stands_at_each_discontinuity(manifest: Manifest) -> None:
    jumps = [
        (before.started_at + timedelta(seconds=before.duration_seconds), after.started_at, after.gap_reason)
        for before, after in zip(manifest.segments, manifest.segments[1:], strict=False)
        if after.discontinuity
    ]
    assert [
        (gap.started_at, gap.started_at + timedelta(seconds=gap.seconds), gap.reason) for gap in manifest.gaps
    ] == jumps


@pytest.mark.parametrize("reason", GapReason)
def test_every_reason_for_a_gap_is_explained(reason: GapReason) -> None:
    assert f"| `{reason}` |" in PAGE


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w.]+\.md)#([\w-]+)\)", PAGE))))
def test_its_links_have_a_heading(link: tuple[str, str]) -> None:
    page, anchor = link
    headings = re.findall(r"^#+ (.+)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
