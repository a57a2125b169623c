"""Transport streams to record with: pieces of one encode, as a capture closes them."""

import subprocess
from pathlib import Path

SECONDS = 2.0
RATE = 15


def make_segments(folder: Path, *, count: int, size: str = "160x90") -> list[Path]:
    """Write `count` segments of `SECONDS` each, whose times go on from one to the next."""
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={RATE}:duration={count * SECONDS}",
         "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={count * SECONDS}",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-threads", "1", "-g", str(int(RATE * SECONDS)),
         "-c:a", "aac", "-f", "segment", "-segment_time", str(SECONDS), "-segment_format", "mpegts",
         str(folder / "part_%03d.ts")],
        check=True, timeout=30,
    )  # fmt: skip
    return sorted(folder.glob("part_*.ts"))
