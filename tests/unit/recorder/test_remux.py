"""Segments become one MP4: nothing is decoded, nothing is lost, and what can't be done is said."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from egress_recorder.mp4_file import Sink, moved
from egress_recorder.remux_errors import RemuxError
from support.media_file import MediaFile, look_at
from support.segments import RATE, SECONDS, make_segments

COUNT = 4


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return [path.read_bytes() for path in make_segments(tmp_path_factory.mktemp("parts"), count=COUNT)]


def announced(*segments: tuple[bytes, bool]) -> bytes:
    """Return what stands on the program's stdin."""
    lines = [
        json.dumps({"bytes": len(data), "seconds": SECONDS, "jump": jump}).encode() + b"\n" + data
        for data, jump in segments
    ]
    return b"".join(lines)


def run(*arguments: str, given: bytes) -> tuple[int, bytes, str]:
    command = [sys.executable, "-m", "egress_recorder.remux", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr.decode().strip()


def made(path: Path, given: bytes) -> tuple[dict[str, int], MediaFile]:
    """Make a file of the kind that its name says by both passes, and look at it."""
    wanted = path.suffix.removeprefix(".")
    code, said, words = run("measure", wanted, given=given)
    assert (code, words) == (0, "")
    line, _, around = said.partition(b"\n")
    told = json.loads(line)
    code, media, words = run("write", wanted, str(told["first"]), str(told["end"]), given=given)
    assert (code, words) == (0, "")
    assert len(media) == told["end"] - told["first"]
    assert len(around) == told["head"] + told["tail"]
    path.write_bytes(around[: told["head"]] + media + around[told["head"] :])
    return told, look_at(path)


def test_segments_that_follow_one_another_are_one_film(parts: list[bytes], tmp_path: Path) -> None:
    told, film = made(tmp_path / "film.mp4", announced(*((part, False) for part in parts)))
    assert (film.pictures, film.complaint) == (int(COUNT * SECONDS * RATE), "")
    assert film.picture_seconds == pytest.approx(COUNT * SECONDS, abs=0.001)
    assert film.sound_seconds == pytest.approx(COUNT * SECONDS, abs=0.05)
    assert film.boxes == ["ftyp", "moov", "free", "mdat"]
    assert (told["pictures"], told["sounds"], told["tail"]) == (film.pictures, film.sounds, 0)


def test_what_lies_behind_a_jump_follows_what_lies_before_it(parts: list[bytes], tmp_path: Path) -> None:
    # A later part first, an earlier one behind: the times of both say something else.
    given = announced((parts[2], False), (parts[3], False), (parts[0], True), (parts[2], True))
    told, film = made(tmp_path / "film.mp4", given)
    assert (film.pictures, film.complaint) == (int(4 * SECONDS * RATE), "")
    assert film.picture_seconds == pytest.approx(4 * SECONDS, abs=0.001)
    assert told["left_out"] <= 4  # sound that was a moment longer than its picture


def test_as_much_sound_comes_out_as_went_in(parts: list[bytes], tmp_path: Path) -> None:
    told, film = made(tmp_path / "film.mp4", announced((parts[0], False), (parts[1], False)))
    assert told["left_out"] <= 1  # an encoder's first packet of sound lies before its first picture
    assert film.sounds == told["sounds"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "There is no picture in the segments."),
        (announced((b"\x47\x1f\xff\x10" + b"\xff" * 184, False)), ""),
        (announced((b"no stream at all " * 100, False)), ""),
    ],
    ids=["nothing", "empty packets", "another file"],
)
def test_what_no_file_can_be_made_of_is_said(given: bytes, sentence: str) -> None:
    code, said, words = run("measure", "mp4", given=given)
    assert (code, said) == (1, b"")
    assert sentence in words
    assert words
    assert "Traceback" not in words


def test_who_is_fed_no_longer_does_not_take_that_for_the_end(parts: list[bytes]) -> None:
    code, said, words = run("measure", "mp4", given=announced((parts[0], False), (parts[1], False))[:-500])
    assert (code, said, words) == (1, b"", "The segments end in the middle of one.")


def test_times_that_go_back_without_a_jump_are_refused(parts: list[bytes]) -> None:
    code, _, words = run(
        "measure", "mp4", given=announced((parts[1], False), (parts[0], False), (parts[2], True))
    )
    assert (code, words) == (1, "At 2.000 s the pictures' times go back.")


def test_a_picture_that_changes_its_size_is_refused(parts: list[bytes], tmp_path: Path) -> None:
    (other,) = make_segments(tmp_path, count=1, size="320x180")
    code, _, words = run("measure", "mp4", given=announced((parts[0], False), (other.read_bytes(), True)))
    assert code == 1
    assert words.startswith("The video changes from ('h264', 160, 90")


def test_who_asks_for_neither_pass_is_told() -> None:
    usage = "measure mp4|m4a, write mp4|m4a FIRST END, encode ogg|mp3 KBPS, or thumbnails EVERY WIDTH SHEETS"
    for arguments in (["make"], ["measure", "ogg"], ["encode", "mp4", "64"], []):
        assert run(*arguments, given=b"") == (2, b"", usage)


def test_media_of_another_length_are_no_success(parts: list[bytes]) -> None:
    code, _, words = run("write", "mp4", "48", "1000000000", given=announced((parts[0], False)))
    assert code == 1
    assert words.startswith("The media end at byte ")


def encoded(path: Path, given: bytes, *, kbps: int = 64) -> MediaFile:
    code, media, words = run("encode", path.suffix.removeprefix("."), str(kbps), given=given)
    assert (code, words) == (0, "")
    path.write_bytes(media)
    return look_at(path)


def test_the_sound_alone_is_copied_into_an_m4a(parts: list[bytes], tmp_path: Path) -> None:
    given = announced((parts[0], False), (parts[1], False), (parts[3], True))
    told, film = made(tmp_path / "sound.m4a", given)
    assert (film.pictures, film.sounds, film.complaint) == (0, told["sounds"], "")
    assert film.sound_seconds == pytest.approx(3 * SECONDS, abs=0.05)
    assert film.boxes == ["ftyp", "moov", "free", "mdat"]


@pytest.mark.parametrize(("name", "codec"), [("sound.ogg", "opus"), ("sound.mp3", "mp3")])
def test_the_sound_alone_is_encoded_anew(parts: list[bytes], tmp_path: Path, name: str, codec: str) -> None:
    film = encoded(tmp_path / name, announced(*((part, False) for part in parts)))
    assert (film.pictures, film.codecs, film.complaint) == (0, [codec], "")
    assert film.sound_seconds == pytest.approx(COUNT * SECONDS, abs=0.1)
    kbps = (tmp_path / name).stat().st_size * 8 / 1000 / film.sound_seconds
    assert kbps == pytest.approx(64, rel=0.35)


@pytest.mark.parametrize("name", ["sound.ogg", "sound.mp3"])
def test_what_lies_behind_a_jump_is_heard_where_it_is_seen(
    parts: list[bytes], tmp_path: Path, name: str
) -> None:
    film = encoded(tmp_path / name, announced((parts[2], False), (parts[0], True), (parts[3], True)))
    assert film.complaint == ""
    assert film.sound_seconds == pytest.approx(3 * SECONDS, abs=0.15)


@pytest.mark.parametrize(
    ("rate", "channels", "kbps"), [(16000, 1, 16), (24000, 2, 512), (44100, 1, 128), (44100, 2, 512)]
)
@pytest.mark.parametrize("name", ["sound.ogg", "sound.mp3", "sound.m4a"])
def test_every_sound_that_can_be_asked_for_comes_out(
    tmp_path: Path, name: str, rate: int, channels: int, kbps: int
) -> None:
    parts = [path.read_bytes() for path in make_segments(tmp_path, count=2, rate=rate, channels=channels)]
    given = announced(*((part, False) for part in parts))
    film = (
        made(tmp_path / name, given)[1] if name == "sound.m4a" else encoded(tmp_path / name, given, kbps=kbps)
    )
    assert film.complaint == ""
    assert film.sound_seconds == pytest.approx(2 * SECONDS, abs=0.2)
    assert film.channels == channels


@pytest.mark.parametrize(
    "arguments", [("measure", "m4a"), ("encode", "ogg", "64"), ("encode", "mp3", "64")], ids=" ".join
)
def test_of_no_sound_there_is_no_file(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (silent,) = make_segments(tmp_path, count=1, channels=0)
    code, _, words = run(*arguments, given=announced((silent.read_bytes(), False)))
    assert (code, words) == (1, "There is no sound in the segments.")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def index_of(kind: bytes, form: str, *numbers: int) -> bytes:
    table = box(kind, struct.pack(f">II{len(numbers)}{form}", 0, len(numbers), *numbers))
    return box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stsd", b"stco") + table)))))


def test_an_index_is_moved_with_its_media() -> None:
    assert moved(index_of(b"stco", "I", 48, 900), by=100) == index_of(b"stco", "I", 148, 1000)
    assert moved(index_of(b"co64", "Q", 48, 1 << 40), by=100) == index_of(b"co64", "Q", 148, (1 << 40) + 100)


def test_an_index_whose_numbers_have_no_room_stays_behind_the_media() -> None:
    assert moved(index_of(b"stco", "I", 0xFFFF_FFF0), by=100) is None


def test_a_box_without_a_length_is_no_index() -> None:
    with pytest.raises(RemuxError, match="has no length"):
        moved(struct.pack(">I4s", 4, b"moov"), by=1)


def test_the_media_go_out_once_and_in_order() -> None:
    out = io.BytesIO()
    sink = Sink(out, first=4, end=10)
    sink.write(b"headme")
    sink.seek(0)
    sink.write(b"HE")
    sink.seek(0, 2)
    sink.write(b"dia!tail")
    assert out.getvalue() == b"media!"
    sink = Sink(out, first=4, end=10)
    sink.seek(6)
    with pytest.raises(RemuxError, match="not written in order"):
        sink.write(b"later")
