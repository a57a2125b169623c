"""The checker: a good recording has no problems, and each fault is found and named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import recording
from support.recording import Recording, load


def edit(folder: Path, old: str, new: str, *, count: int = -1) -> None:
    path = folder / "file_output.m3u8"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def found(folder: Path, *, ended: bool = True) -> str:
    return "\n".join(load(folder).problems(ended=ended))


def test_a_good_recording_has_no_problems(good: Path) -> None:
    assert load(good).problems() == []


def test_streams_and_length_are_read_from_the_media(good: Path) -> None:
    there = load(good)

    assert (there.streams.width, there.streams.height, there.streams.profile) == (640, 360, "Main")
    assert (there.streams.audio_codec, there.streams.sample_rate, there.streams.channels) == ("aac", 48000, 2)
    assert there.frames_per_second == pytest.approx(30, rel=0.01)
    assert there.seconds == pytest.approx(6, abs=0.05)
    assert there.keyframe_seconds == pytest.approx(2, abs=0.04)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "#EXTINF:2.000000,\nsegment_00001.ts",
            "#EXTINF:2.400,\nsegment_00001.ts",
            "segment_00001.ts: EXTINF is 2.400 s, its pictures last 2.000 s",
        ),
        (
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:24.250Z",
            "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:24.250Z",
            "segment_00001.ts: manifest and playlist do not agree on whether the timeline jumps before it",
        ),
        ("#EXT-X-ENDLIST\n", "", "EXT-X-ENDLIST 0 times"),
    ],
)
def test_a_playlist_that_does_not_fit_the_media_is_named(
    breakable: Path, old: str, new: str, sentence: str
) -> None:
    edit(breakable, old, new)

    assert sentence in found(breakable)


def test_a_missing_segment_is_named(breakable: Path) -> None:
    (breakable / "segment_00001.ts").unlink()

    assert "segment_00001.ts: the playlist lists it, but there is no such file" in found(breakable)


def test_a_segment_that_nobody_lists_is_named(breakable: Path) -> None:
    shutil.copy(breakable / "segment_00001.ts", breakable / "segment_00009.ts")

    assert "segment_00009.ts: lies beside the playlist, which does not list it" in found(breakable)


def test_a_changed_segment_differs_from_the_manifest(breakable: Path) -> None:
    path = breakable / "segment_00001.ts"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    assert "segment_00001.ts: the manifest's SHA-256 is another file's" in found(breakable)


def test_a_damaged_segment_is_named(breakable: Path) -> None:
    path = breakable / "segment_00001.ts"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 20] = bytes(188 * 20)
    path.write_bytes(data)

    assert "segment_00001.ts: ffmpeg complains" in found(breakable)


def test_a_segment_that_is_no_media_is_named(breakable: Path) -> None:
    (breakable / "segment_00001.ts").write_bytes(b"nothing" * 188)

    assert "segment_00001.ts: cannot be read" in found(breakable)


def test_a_segment_that_begins_without_an_idr_is_named(recipes: Callable[..., Path]) -> None:
    problems = found(recipes(keyframe_every=100.0))

    assert "segment_00001.ts: it does not begin with an IDR frame" in problems


def test_a_hole_between_segments_is_named(breakable: Path) -> None:
    (breakable / "segment_00001.ts").unlink()
    text = (breakable / "file_output.m3u8").read_text()
    before, _, after = text.partition("#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:24.250Z")
    (breakable / "file_output.m3u8").write_text(before + after.split("segment_00001.ts\n", 1)[1])

    problems = found(breakable)

    assert "segment_00002.ts: a hole of 2000 ms in the picture after segment_00000.ts" in problems
    assert "PROGRAM-DATE-TIME is 4.000 s after segment_00000.ts" in problems


def test_mono_sound_shows_in_the_streams(recipes: Callable[..., Path]) -> None:
    assert load(recipes(channels=1)).streams.channels == 1


def test_a_running_recording_has_no_end_yet(breakable: Path) -> None:
    edit(breakable, "#EXT-X-ENDLIST\n", "")
    manifest = breakable / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))

    assert load(breakable).problems(ended=False) == []
    assert "EXT-X-ENDLIST 0 times" in found(breakable)
    assert "complete: False, it should be True" in found(breakable)


def test_a_missing_manifest_is_said(breakable: Path) -> None:
    (breakable / "manifest.json").unlink()

    assert "there is no manifest" in found(breakable)


def test_a_folder_without_a_playlist_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "stray.ts").write_bytes(b"")

    with pytest.raises(recording.RecordingError, match=r"0 media playlists .* stray\.ts"):
        load(tmp_path)


def test_media_seconds_go_on_after_a_discontinuity(breakable: Path) -> None:
    (breakable / "segment_00001.ts").unlink()
    text = (breakable / "file_output.m3u8").read_text()
    middle = text.index("#EXT-X-PROGRAM-DATE-TIME:2026-11-23T05:11:24.250Z")
    rest = text[middle:].split("segment_00001.ts\n", 1)[1]
    (breakable / "file_output.m3u8").write_text(text[:middle] + "#EXT-X-DISCONTINUITY\n" + rest)

    there: Recording = load(breakable)

    assert [round(part.start, 2) for part in there.parts] == [0.0, 2.0]
    assert len(there.sound) == 2
    assert not any("hole" in problem for problem in there.problems())


def test_pictures_that_were_left_out_are_said_unless_allowed(recipes: Callable[..., Path]) -> None:
    there = load(recipes(left_out=(65, 68)))

    assert there.problems() == ["segment_00001.ts: the picture has 1 holes, the longest of 100 ms"]
    assert there.problems(hole_seconds=0.2) == []
