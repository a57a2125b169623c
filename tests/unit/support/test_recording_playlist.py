"""The playlist's rules: each fault as data, and the sentence that it must give."""

import pytest

from support import recording_playlist

GOOD = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:22.250Z
#EXTINF:2.000000,
segment_00000.ts
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:24.250Z
#EXTINF:2.000000,
segment_00001.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:12:00.000Z
#EXTINF:0.733333,
segment_00002.ts
#EXT-X-ENDLIST
"""

FAULTS = [
    ("#EXT-X-ENDLIST\n", "", "EXT-X-ENDLIST 0 times"),
    ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n", "EXT-X-ENDLIST 2 times"),
    ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n# more\n", "EXT-X-ENDLIST is not the playlist's last line"),
    ("#EXTM3U\n", "", "does not begin with #EXTM3U"),
    ("#EXT-X-VERSION:3\n", "", "EXT-X-VERSION 0 times"),
    ("#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:1\n", "is longer than TARGETDURATION 1 s"),
    ("#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:2.0\n", "EXT-X-TARGETDURATION is '2.0'"),
    ("#EXT-X-MEDIA-SEQUENCE:0\n", "#EXT-X-MEDIA-SEQUENCE:4\n", "EXT-X-MEDIA-SEQUENCE is '4'"),
    ("PLAYLIST-TYPE:EVENT", "PLAYLIST-TYPE:VOD", "EXT-X-PLAYLIST-TYPE is 'VOD'"),
    ("#EXT-X-INDEPENDENT-SEGMENTS\n", "", "EXT-X-INDEPENDENT-SEGMENTS 0 times"),
    ("#EXT-X-VERSION:3\n", "#EXT-X-VERSION:3\n#EXT-X-ALLOW-CACHE:NO\n", "does not need: EXT-X-ALLOW-CACHE"),
    ("11:24.250Z", "11:24.450Z", "PROGRAM-DATE-TIME is 2.200 s after segment_00000.ts"),
    ("11:24.250Z", "11:22.250Z", "not later than that of segment_00000.ts"),
    ("11:24.250Z", "11:24.250", "segment_00001.ts: has no PROGRAM-DATE-TIME with a time zone"),
    ("12:00.000Z", "11:25.000Z", "segment_00002.ts: begins 1.250 s before segment_00001.ts has ended"),
    ("0.733333", "0.73", "EXTINF '0.73' is not seconds with three or more decimals"),
    ("0.733333", "2.533333", "segment_00002.ts: EXTINF 2.533 s is longer than TARGETDURATION 2 s"),
    ("segment_00001.ts", "segment_00000.ts", "segment_00000.ts is listed more than once"),
]


def test_a_good_playlist_has_no_problems() -> None:
    assert recording_playlist.problems(recording_playlist.read(GOOD), ended=True) == []


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS)
def test_each_fault_is_named(old: str, new: str, sentence: str) -> None:
    assert old in GOOD

    found = recording_playlist.problems(recording_playlist.read(GOOD.replace(old, new)), ended=True)

    assert sentence in "\n".join(found)


def test_a_running_recording_has_no_end_yet() -> None:
    running = recording_playlist.read(GOOD.replace("#EXT-X-ENDLIST\n", ""))

    assert recording_playlist.problems(running, ended=False) == []
    assert recording_playlist.problems(recording_playlist.read(GOOD), ended=False) == [
        "the playlist has EXT-X-ENDLIST although it is still recording"
    ]


def test_an_empty_playlist_is_not_a_recording() -> None:
    header = GOOD.split("#EXT-X-PROGRAM", 1)[0] + "#EXT-X-ENDLIST\n"

    assert recording_playlist.problems(recording_playlist.read(header), ended=True) == [
        "the playlist lists no segment"
    ]


def test_entries_carry_what_stands_before_them() -> None:
    playlist = recording_playlist.read(GOOD)

    assert [entry.discontinuity for entry in playlist.entries] == [False, False, True]
    assert playlist.seconds == pytest.approx(4.733333)
    assert playlist.ended
