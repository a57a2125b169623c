"""What it takes to make the files of a whole recording: the child that makes them, alone, out of segments made here.

In: nothing. Out: CPU seconds and memory for each format, over an hour of 1280x720 at 30 frames a second. The store's time is
not in it. Nothing of the cluster is needed; the machine's own ffmpeg draws a minute, which is fed as often as need be.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import document
from bench.errors import BenchError

MINUTES = 60
SEGMENT_SECONDS = 4
FORMATS = ("mp4", "m4a", "ogg", "mp3")
INDEXED = {"mp4", "m4a"}
KBPS = 128
MAKE_SECONDS = 900
HEAD = ("file", "CPU for an hour", "of a recording of 0.22 cores", "real time", "memory, highest")
RECORDING_CORES = 0.22
"""One recording of two people, as measured above."""
WORDS = (
    f"{MINUTES} minutes of 1280x720 at 30 frames a second, 2 Mbit/s and AAC, in segments of {SEGMENT_SECONDS} s, fed to the child that\n"
    "makes the file; for mp4 and m4a both passes. The aim: a second container costs at most 5 % of the recording."
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one file took."""

    cpu_seconds: float
    seconds: float
    memory_bytes: int


def measure(*, say: Callable[[str], None], minutes: int = MINUTES) -> dict[str, Made]:
    """Make a file of each format."""
    with tempfile.TemporaryDirectory(prefix="bench-files-") as folder:
        parts = _segments(Path(folder))
        found = {}
        for wanted in FORMATS:
            say(f"{wanted} of {minutes} minutes …")
            found[wanted] = _make(wanted, parts, minutes=minutes)
        return found


def _segments(folder: Path) -> list[bytes]:
    """Draw a minute."""
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error",
         "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=60",
         "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=60",
         "-c:v", "libx264", "-preset", "superfast", "-b:v", "2M", "-bf", "0", "-g", "60", "-c:a", "aac", "-b:a", "128k",
         "-f", "segment", "-segment_time", str(SEGMENT_SECONDS), "-segment_format", "mpegts", str(folder / "s_%03d.ts")],
        check=True, timeout=120,
    )  # fmt: skip
    return [path.read_bytes() for path in sorted(folder.glob("s_*.ts"))]


def _make(wanted: str, parts: Sequence[bytes], *, minutes: int) -> Made:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    if wanted in INDEXED:
        said, peak = _run(["measure", wanted], parts, minutes=minutes)
        told = json.loads(said.partition(b"\n")[0])
        _, second = _run(["write", wanted, str(told["first"]), str(told["end"])], parts, minutes=minutes)
        peak = max(peak, second)
    else:
        _, peak = _run(["encode", wanted, str(KBPS)], parts, minutes=minutes)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Made(cpu_seconds=spent * 60 / minutes, seconds=seconds, memory_bytes=peak)


def _run(work: list[str], parts: Sequence[bytes], *, minutes: int) -> tuple[bytes, int]:
    """Run one pass; return the beginning of what it says, and its highest memory."""
    command = [sys.executable, "-m", "egress_recorder.remux", *work]
    with (
        tempfile.TemporaryFile() as out,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out) as child,
    ):
        if child.stdin is None:
            raise BenchError("the child was started without a stdin")
        for line, data in _fed(parts, minutes=minutes):
            child.stdin.write(line + data)
        peak = _peak(child.pid)
        child.stdin.close()
        if child.wait(timeout=MAKE_SECONDS) != 0:
            raise BenchError(f"{' '.join(command)} ended with code {child.returncode}")
        out.seek(0)
        return out.read(1 << 20), peak


def _fed(parts: Sequence[bytes], *, minutes: int) -> Iterator[tuple[bytes, bytes]]:
    for minute in range(minutes):
        for number, data in enumerate(parts):
            jump = minute > 0 and number == 0
            about = {"bytes": len(data), "seconds": SEGMENT_SECONDS, "jump": jump}
            yield json.dumps(about).encode() + b"\n", data


def _peak(pid: int) -> int:
    """Return the highest memory of a process, just before it has all that it gets."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def rows(made: dict[str, Made]) -> list[tuple[str, ...]]:
    """Return what a table says."""
    return [
        (
            wanted,
            f"{found.cpu_seconds:.1f} s",
            f"{found.cpu_seconds / (RECORDING_CORES * 3600):.1%}",
            f"{MINUTES * 60 / found.seconds:.0f} times",
            f"{found.memory_bytes / 1e6:.0f} MB",
        )
        for wanted, found in made.items()
    ]


def section(made: dict[str, Made], *, by: str) -> list[str]:
    """Write the section of docs/benchmarks.md; `by` says by what, when and where."""
    return ["## Files of the whole recording", "", by, WORDS, "", *document.table(HEAD, rows(made))]
