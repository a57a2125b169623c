from pathlib import Path

import pytest

from egress_recorder.capture.mpegts import PACKET, video_seconds

FRAME = 1 / 30


def packet(*, stream: int, pts: int | None, adaptation: int = 0) -> bytes:
    """Build a transport packet that begins a PES packet."""
    head = bytes([0x47, 0x40, 0x41, 0x30 if adaptation else 0x10])
    if adaptation:
        head += bytes([adaptation]) + b"\xff" * adaptation
    pes = b"\0\0\1" + bytes([stream, 0, 0, 0x80, 0x80 if pts is not None else 0, 5])
    if pts is not None:
        pes += bytes(
            [
                0x21 | pts >> 30 << 1,
                pts >> 22 & 255,
                1 | (pts >> 15 & 127) << 1,
                pts >> 7 & 255,
                1 | (pts & 127) << 1,
            ]
        )
    return (head + pes).ljust(PACKET, b"\xff")


def frames(times: list[int]) -> bytes:
    return b"".join(
        packet(stream=0xE0, pts=time, adaptation=7 if index == 0 else 0) for index, time in enumerate(times)
    )


def test_the_picture_lasts_from_the_first_frame_to_the_end_of_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(frames([324_000_000 + 3000 * index for index in range(90)]))
    assert video_seconds(path, frame_seconds=FRAME) == pytest.approx(3.0)


def test_a_packet_cut_in_the_middle_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(frames([0, 3000, 6000])[:-20])
    assert video_seconds(path, frame_seconds=FRAME) == pytest.approx(2 / 30)


def test_sound_and_what_has_no_time_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(frames([0, 3000]) + packet(stream=0xC0, pts=900_000) + packet(stream=0xE0, pts=None))
    assert video_seconds(path, frame_seconds=FRAME) == pytest.approx(2 / 30)


def test_the_33_bit_clock_may_wrap(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(frames([(1 << 33) - 3000, 0, 3000]))
    assert video_seconds(path, frame_seconds=FRAME) == pytest.approx(0.1)


@pytest.mark.parametrize("data", [b"", b"\x47", b"no transport stream at all" * 20])
def test_no_picture_is_no_time(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(data)
    assert video_seconds(path, frame_seconds=FRAME) == 0.0
