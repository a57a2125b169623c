"""Makes a transport stream that was cut anywhere whole again: for a segment whose end nobody announced.

In: a file, perhaps ending in the middle of a packet. Out: the same file, cut to whole pictures and whole frames of
sound that end at about the same instant, and how long its picture lasts. Reads only what ISO 13818-1 needs for that:
packet header, PES header, PTS; and of the sound, ADTS headers.
Must not: write more than it found (the disk may be full), raise for what is no transport stream.
"""

from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

PACKET = 188
SYNC = 0x47
TICKS = 90_000
WRAP = 1 << 33
_VIDEO = range(0xE0, 0xF0)  # PES stream ids
_SOUND = range(0xC0, 0xE0)
_PES_HEADER = 14  # up to and with its PTS
_LENGTH_COUNTS_FROM = 6
_ADTS_HEADER, _ADTS_SYNC = 7, 0xFF
_AAC_SAMPLES = 1024
_SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(kw_only=True)
class _Unit:
    """A PES packet: a picture, or some frames of sound."""

    stream: int
    time: int
    """Its PTS; in `_units`' answer counted from the first one's."""
    declared: int
    """Bytes that its header announces; 0: it does not say."""
    packets: list[int] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    whole: bool = True

    @property
    def sound_ticks(self) -> int:
        """How long its frames of sound last."""
        at, ticks = 9 + self.content[8], 0
        while len(head := self.content[at : at + _ADTS_HEADER]) == _ADTS_HEADER and head[0] == _ADTS_SYNC:
            rate = _SAMPLE_RATES[min(head[2] >> 2 & 15, len(_SAMPLE_RATES) - 1)]
            ticks += _AAC_SAMPLES * ((head[6] & 3) + 1) * TICKS // rate
            at += max(_ADTS_HEADER, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5)
        return ticks


def salvage(path: Path, *, frame_seconds: float) -> float:
    """Cut a file in place to what decodes, and give the seconds of picture in it.

    The last unit of each stream counts only if the length in its header proves it whole; then the stream that goes
    on for longer is cut to the other's end. A file without both picture and sound is emptied, and holds 0.0.
    Pictures are taken to lie in the order they are shown in: our encoder makes no B-frames.

    Args:
        path: the file; one that is not there holds nothing.
        frame_seconds: how long the last picture lasts.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0.0
    packets = _packets(data)
    units = _units(packets)
    pictures, sounds = _together(units, frame_ticks=round(frame_seconds * TICKS))
    kept = {id(unit) for unit in (*pictures, *sounds)}
    left_out = {number for unit in units if id(unit) not in kept for number in unit.packets}
    _keep(path, packets, [number for number in range(len(packets) if kept else 0) if number not in left_out])
    return (pictures[-1].time - pictures[0].time) / TICKS + frame_seconds if pictures else 0.0


def _packets(data: bytes) -> list[bytes]:
    """Give the whole packets, up to where the file makes no sense."""
    pieces = (data[start : start + PACKET] for start in range(0, len(data) - PACKET + 1, PACKET))
    return list(takewhile(lambda packet: packet[0] == SYNC, pieces))


def _units(packets: list[bytes]) -> list[_Unit]:
    """Read the units, in the order they begin in."""
    units: list[_Unit] = []
    newest: dict[int, _Unit] = {}
    for number, packet in enumerate(packets):
        pid, control = (packet[1] & 0x1F) << 8 | packet[2], packet[3] >> 4 & 3
        if not control & 1:
            continue
        payload = packet[5 + packet[4] :] if control & 2 else packet[4:]  # after an adaptation field
        begun = _begin(payload) if packet[1] & 0x40 else None
        if begun is not None:
            newest[pid] = begun
            units.append(begun)
        if pid in newest:
            newest[pid].packets.append(number)
            newest[pid].content += payload
    for unit in newest.values():
        unit.whole = bool(unit.declared) and len(unit.content) >= unit.declared
    for unit in reversed(units):
        unit.time = (unit.time - units[0].time + WRAP // 2) % WRAP - WRAP // 2
    return units


def _begin(payload: bytes) -> _Unit | None:
    """Read the header of a picture or of sound that has a time."""
    is_media = len(payload) >= _PES_HEADER and payload[:3] == b"\0\0\1" and payload[3] in {*_SOUND, *_VIDEO}
    if not is_media or not payload[7] & 0x80:
        return None
    time = (payload[9] >> 1 & 7) << 30 | payload[10] << 22 | payload[11] >> 1 << 15
    time |= payload[12] << 7 | payload[13] >> 1
    length = payload[4] << 8 | payload[5]
    return _Unit(stream=payload[3], time=time, declared=length + _LENGTH_COUNTS_FROM if length else 0)


def _together(units: list[_Unit], *, frame_ticks: int) -> tuple[list[_Unit], list[_Unit]]:
    """Give the whole pictures and the whole sound up to where the shorter of the two ends."""
    pictures = [unit for unit in units if unit.whole and unit.stream in _VIDEO]
    sounds = [unit for unit in units if unit.whole and unit.stream in _SOUND]
    if sounds:
        ends = sounds[-1].time + sounds[-1].sound_ticks
        pictures = list(takewhile(lambda unit: unit.time < ends, pictures))
    if pictures:
        ends = pictures[-1].time + frame_ticks
        sounds = list(takewhile(lambda unit: unit.time < ends, sounds))
    return (pictures, sounds) if pictures and sounds else ([], [])


def _keep(path: Path, packets: list[bytes], wanted: list[int]) -> None:
    """Leave these packets in the file, and no others: what lies in its place already is not written again."""
    with path.open("r+b") as file:
        for place, number in enumerate(wanted):
            if place != number:
                file.seek(place * PACKET)
                file.write(packets[number])
        file.truncate(len(wanted) * PACKET)
