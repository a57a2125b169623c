import subprocess
from pathlib import Path

import pytest

from egress_recorder.capture.mpegts import PACKET, salvage

RATE = 30
FRAME = 1 / RATE
SOUND_FRAME = 1024 / 48000
TOGETHER_SECONDS = 0.1
"""By which sound and picture may differ in length, as recording_checks has it."""
SECONDS = 3
OFFSETS = 20


def unit(
    *,
    stream: int,
    pts: int | None,
    adaptation: int = 0,
    declared: int = 0,
    starts: bool = True,
    content: bytes = b"",
) -> bytes:
    """Build a transport packet that begins a PES packet, or goes on with it."""
    pid = 0x41 if stream >= 0xE0 else 0x42
    head = bytes([0x47, 0x40 if starts else 0, pid, 0x30 if adaptation else 0x10])
    if adaptation:
        head += bytes([adaptation]) + b"\xff" * adaptation
    pes = b""
    if starts:
        pes = b"\0\0\1" + bytes(
            [stream, declared >> 8, declared & 255, 0x80, 0x80 if pts is not None else 0, 5]
        )
    if starts and pts is not None:
        pes += bytes(
            [
                0x21 | pts >> 30 << 1,
                pts >> 22 & 255,
                1 | (pts >> 15 & 127) << 1,
                pts >> 7 & 255,
                1 | (pts & 127) << 1,
            ]
        )
    return (head + pes + content).ljust(PACKET, b"\0")


def picture(pts: int | None, **more: int) -> bytes:
    return unit(stream=0xE0, pts=pts, **more)


def sound(pts: int, *, frames: int = 1) -> bytes:
    """Build a whole PES packet of so many ADTS frames of seven bytes, 48 kHz."""
    adts = bytes([0xFF, 0xF1, 0x4C, 0x80, 0x00, 0xFF, 0xFC])
    return unit(stream=0xC0, pts=pts, declared=8 + 7 * frames, content=adts * frames)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seg_000000.ts"


@pytest.fixture(scope="module", params=["a PES packet a frame", "many frames in a PES packet"])
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make a real one, with a picture in which everything moves."""
    made = tmp_path_factory.mktemp("mpegts") / "whole.ts"
    single = ["-pes_payload_size", "0"] if request.param == "a PES packet a frame" else []
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={RATE}:duration={SECONDS}",
         "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "60", "-threads", "1", "-c:a", "aac",
         "-muxdelay", "0", *single, "-f", "mpegts", str(made)],
        check=True, timeout=30,
    )  # fmt: skip
    return made.read_bytes()


def packets_of(path: Path) -> dict[str, list[float]]:
    """Ask ffprobe when each packet is shown."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts_time", "-of", "csv=p=0", str(path)],
        check=True, timeout=30, capture_output=True, text=True,
    ).stdout  # fmt: skip
    times: dict[str, list[float]] = {"video": [], "audio": []}
    for line in said.split():
        kind, pts = line.split(",")[:2]
        times[kind].append(float(pts))
    return times


@pytest.mark.parametrize("part", range(OFFSETS))
def test_a_stream_cut_anywhere_decodes_to_its_end(stream: bytes, path: Path, part: int) -> None:
    at = len(stream) * (part + 1) // OFFSETS - part * 37 % PACKET  # every place in a packet
    path.write_bytes(stream[:at])
    seconds = salvage(path, frame_seconds=FRAME)
    if not seconds:
        assert at < len(stream) / 3
        assert path.read_bytes() == b""
        return
    decoded = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"],
        check=False, timeout=30, capture_output=True, text=True,
    )  # fmt: skip
    assert (decoded.returncode, decoded.stderr) == (0, "")
    times = packets_of(path)
    picture_ends, sound_ends = max(times["video"]) + FRAME, max(times["audio"]) + SOUND_FRAME
    assert seconds == pytest.approx(picture_ends - min(times["video"]), abs=0.001)
    assert seconds == pytest.approx(len(times["video"]) * FRAME, abs=0.001)
    assert abs(picture_ends - sound_ends) <= TOGETHER_SECONDS


def test_nothing_is_lost_but_what_cannot_be_proved_whole(stream: bytes, path: Path) -> None:
    path.write_bytes(stream)
    assert salvage(path, frame_seconds=FRAME) >= SECONDS - 2 * FRAME - TOGETHER_SECONDS


def test_salvaging_again_takes_a_picture_and_its_sound_at_most(stream: bytes, path: Path) -> None:
    path.write_bytes(stream[: len(stream) // 2])
    once = salvage(path, frame_seconds=FRAME)
    # the last picture was proved whole by the next one, of which nothing is left
    assert once - FRAME - TOGETHER_SECONDS <= salvage(path, frame_seconds=FRAME) <= once


def test_zeros_that_a_full_or_lost_disk_left_are_cut_off(stream: bytes, path: Path) -> None:
    half = len(stream) // 2
    path.write_bytes(stream[:half] + bytes(10 * PACKET))
    filled = salvage(path, frame_seconds=FRAME)
    with_zeros = path.read_bytes()
    path.write_bytes(stream[:half])
    assert salvage(path, frame_seconds=FRAME) == filled
    assert path.read_bytes() == with_zeros


def test_the_last_picture_of_unknown_length_does_not_count(path: Path) -> None:
    path.write_bytes(b"".join(picture(3000 * index) + sound(3000 * index, frames=2) for index in range(3)))
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(2 / 30)
    assert path.stat().st_size == 4 * PACKET


def test_a_last_picture_whose_length_proves_it_whole_counts(path: Path) -> None:
    whole = picture(3000, declared=PACKET - 4 - 6)
    path.write_bytes(picture(0) + sound(0, frames=3) + whole)
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(2 / 30)
    path.write_bytes(picture(0) + sound(0, frames=3) + picture(3000, declared=PACKET))
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(1 / 30)


def test_pictures_after_the_sounds_end_are_cut_off_and_sound_after_the_pictures(path: Path) -> None:
    path.write_bytes(sound(0) + b"".join(picture(3000 * index) for index in range(9)))
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(1 / 30)
    path.write_bytes(picture(0) + picture(3000) + b"".join(sound(1920 * index) for index in range(9)))
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(1 / 30)
    assert path.stat().st_size == 3 * PACKET


def test_the_33_bit_clock_may_wrap(path: Path) -> None:
    times = [(1 << 33) - 3000, 0, 3000, 6000]
    path.write_bytes(b"".join(picture(time, adaptation=7) + sound(time, frames=2) for time in times))
    assert salvage(path, frame_seconds=FRAME) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x47", b"no transport stream at all" * 20, picture(0) + picture(3000), sound(0) + sound(1920)],
)
def test_a_file_without_picture_and_sound_is_emptied(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert salvage(path, frame_seconds=FRAME) == 0.0
    assert path.read_bytes() == b""


def test_a_file_that_is_not_there_holds_nothing(path: Path) -> None:
    assert salvage(path, frame_seconds=FRAME) == 0.0
    assert not path.exists()


@pytest.mark.parametrize("cut", range(0, 3 * PACKET, 7))
def test_bytes_in_the_middle_of_a_header_are_no_error(path: Path, cut: int) -> None:
    path.write_bytes((sound(0, frames=9) + picture(0) + picture(3000))[:cut])
    assert salvage(path, frame_seconds=FRAME) == 0.0
