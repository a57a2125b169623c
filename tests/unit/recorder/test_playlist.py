"""RFC 8216 and Apple's rules for EVENT playlists, held for any recording."""

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_recorder.playlist import ENDLIST, Playlist

START = datetime(2026, 11, 23, 7, 0, 0, 250_000, tzinfo=UTC)

segments = st.lists(
    st.tuples(st.floats(0.04, 4.49), st.booleans()),
    max_size=30,
)


def versions(given_segments: list[tuple[float, bool]]) -> list[bytes]:
    playlist = Playlist(target_seconds=4)
    found = [playlist.render(ended=False)]
    at = START
    for number, (seconds, discontinuity) in enumerate(given_segments):
        playlist.append(f"out_{number:06d}.ts", seconds=seconds, started_at=at, discontinuity=discontinuity)
        at += timedelta(seconds=seconds)
        found.append(playlist.render(ended=False))
    return [*found, playlist.render(ended=True)]


def test_a_playlist_reads_as_players_expect() -> None:
    playlist = Playlist(target_seconds=4)
    playlist.append("out_000000.ts", seconds=4.0, started_at=START, discontinuity=False)
    playlist.append(
        "out_000001.ts", seconds=1.466667, started_at=START + timedelta(seconds=9), discontinuity=True
    )
    assert playlist.render(ended=True).decode() == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:3\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T07:00:00.250Z\n"
        "#EXTINF:4.000000,\n"
        "out_000000.ts\n"
        "#EXT-X-DISCONTINUITY\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T07:00:09.250Z\n"
        "#EXTINF:1.466667,\n"
        "out_000001.ts\n"
        "#EXT-X-ENDLIST\n"
    )


@given(segments)
def test_every_version_begins_with_the_bytes_of_the_one_before(
    given_segments: list[tuple[float, bool]],
) -> None:
    found = versions(given_segments)
    for before, after in itertools.pairwise(found):
        assert after.startswith(before)


@given(segments)
def test_the_end_is_said_once_and_last(given_segments: list[tuple[float, bool]]) -> None:
    *open_versions, ended = versions(given_segments)
    assert ended.endswith(ENDLIST)
    assert ended.count(ENDLIST) == 1
    assert not any(ENDLIST in version for version in open_versions)


@given(segments)
def test_the_head_never_changes_and_durations_fit_it(given_segments: list[tuple[float, bool]]) -> None:
    for version in versions(given_segments):
        text = version.decode()
        assert text.count("#EXT-X-TARGETDURATION:4\n") == 1
        assert text.count("#EXT-X-MEDIA-SEQUENCE:0\n") == 1
        assert all(round(float(s)) <= 4 for s in re.findall(r"#EXTINF:([\d.]+),", text))


@given(segments)
def test_every_segment_has_its_wall_clock_and_it_never_goes_back(
    given_segments: list[tuple[float, bool]],
) -> None:
    text = versions(given_segments)[-1].decode()
    times = [datetime.fromisoformat(t) for t in re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)", text)]
    assert len(times) == len(given_segments)
    assert times == sorted(times)
    for (seconds, _), at, following in zip(given_segments, times, times[1:], strict=False):
        assert abs((following - at).total_seconds() - seconds) < 0.002


@pytest.mark.parametrize(("seconds", "overlong"), [(4.0, False), (4.49, False), (4.5, True), (6.0, True)])
def test_a_segment_beyond_the_target_duration_is_noticed(seconds: float, *, overlong: bool) -> None:
    assert Playlist(target_seconds=4).overlong(seconds) is overlong
