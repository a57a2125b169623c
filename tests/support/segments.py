"""Transport streams to record with: pieces of one encode, as a capture closes them."""

import subprocess
from pathlib import Path

SECONDS = 2.0
RATE = 15


def make_segments(
    folder: Path, *, count: int, size: str = "160x90", rate: int = 48000, channels: int = 1
) -> list[Path]:
    """Write `count` segments of `SECONDS` each, whose times go on from one to the next; with 0 channels without sound."""
    length = count * SECONDS
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={rate}:duration={length}"]
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={length}", *(sound if channels else []),
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-threads", "1", "-g", str(int(RATE * SECONDS)),
         "-c:a", "aac", *(["-ac", str(channels)] if channels else []),
         "-f", "segment", "-segment_time", str(SECONDS), "-segment_format", "mpegts", str(folder / "part_%03d.ts")],
        check=True, timeout=30,
    )  # fmt: skip
    return sorted(folder.glob("part_*.ts"))
