"""How much picture a cut transport stream holds: for a segment whose end nobody announced.

In: a file, perhaps ending in the middle of a packet. Out: the seconds from its first to the end of its last video
frame. Reads only what ISO 13818-1 needs for that: packet header, PES header, PTS.
"""

from collections.abc import Iterator
from pathlib import Path

PACKET = 188
SYNC = 0x47
TICKS = 90_000
WRAP = 1 << 33
_VIDEO = range(0xE0, 0xF0)  # PES stream ids


def video_seconds(path: Path, *, frame_seconds: float) -> float:
    """Give the length of the picture in a file; 0.0 if there is none."""
    times = list(_video_times(path.read_bytes()))
    if not times:
        return 0.0
    span = max((time - times[0]) % WRAP for time in times)
    return span / TICKS + frame_seconds


def _video_times(data: bytes) -> Iterator[int]:
    for start in range(0, len(data) - PACKET + 1, PACKET):
        packet = data[start : start + PACKET]
        begins_unit, control = packet[1] & 0x40, packet[3] >> 4 & 3
        if packet[0] != SYNC or not begins_unit or not control & 1:
            continue
        pes = packet[5 + packet[4] :] if control & 2 else packet[4:]  # after an adaptation field
        has_time = len(pes) >= 14 and pes[:3] == b"\0\0\1" and pes[3] in _VIDEO and pes[7] & 0x80  # noqa: PLR2004
        if has_time:
            yield (pes[9] >> 1 & 7) << 30 | pes[10] << 22 | pes[11] >> 1 << 15 | pes[12] << 7 | pes[13] >> 1
