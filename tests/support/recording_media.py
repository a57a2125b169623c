"""Ask ffprobe and ffmpeg what a segment really holds: packets, streams, frames, samples.

In: a file. Out: typed figures and arrays. Wrappers and a few lines of MPEG-TS only: whether a figure is right is
for recording_checks.py to say. Decoding hands out frames at a reduced size, as that is what the time goes into.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

FFPROBE_SECONDS = 30
DECODE_SECONDS = 120
AUDIO_RATE = 48000
AAC_FRAME = 1024
"""Samples that an AAC frame decodes to: they carry the packet's own time."""

TS_PACKET = 188
SYNC_BYTE = 0x47
PAT_PID = 0
NAL_IDR, NAL_SPS, NAL_PPS = 5, 7, 8


class MediaError(RuntimeError):
    """ffprobe or ffmpeg could not read a file at all."""


@dataclass(frozen=True, kw_only=True)
class Packets:
    """One stream's packets in the order of decoding; times in seconds."""

    pts: Floats
    dts: Floats
    duration: Floats
    key: npt.NDArray[np.bool_]

    @property
    def start(self) -> float:
        """When the first is shown."""
        return float(self.pts.min())

    @property
    def end(self) -> float:
        """When the last has been shown."""
        return float((self.pts + self.duration).max())


@dataclass(frozen=True, kw_only=True)
class Streams:
    """What a player is told before it decodes."""

    video_codec: str
    profile: str
    width: int
    height: int
    pixel_format: str
    frame_rate: float
    audio_codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment, read but not decoded."""

    path: Path
    streams: Streams
    video: Packets
    audio: Packets
    video_count: int
    audio_count: int


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Decoded pictures of a segment, in the order they are shown: YUV 4:2:0 planes, [frame, row, column]."""

    luma: Bytes
    u: Bytes
    v: Bytes


def probe(path: Path) -> Segment:
    """Read a segment's streams and packets.

    Raises:
        MediaError: where there is no video and audio to be found in it.
    """
    entries = (
        "stream=index,codec_type,codec_name,profile,width,height,pix_fmt,r_frame_rate,sample_rate,channels"
        ":packet=stream_index,pts_time,dts_time,duration_time,flags"
    )
    answer = _run(
        ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)],
        seconds=FFPROBE_SECONDS,
    )
    told = json.loads(answer.stdout or "{}")
    by_type: dict[str, list[dict[str, Any]]] = {"video": [], "audio": []}
    for stream in told.get("streams", []):
        by_type.setdefault(stream["codec_type"], []).append(stream)
    if not by_type["video"] or not by_type["audio"]:
        raise MediaError(
            f"{path.name}: {len(by_type['video'])} video and {len(by_type['audio'])} audio streams; {_said(answer)}"
        )
    video, audio = by_type["video"][0], by_type["audio"][0]
    top, bottom = (int(part) for part in video["r_frame_rate"].split("/"))
    rate = top / bottom if bottom else 0.0
    return Segment(
        path=path,
        streams=Streams(
            video_codec=video["codec_name"],
            profile=video.get("profile", ""),
            width=int(video.get("width", 0)),
            height=int(video.get("height", 0)),
            pixel_format=video.get("pix_fmt", ""),
            frame_rate=rate,
            audio_codec=audio["codec_name"],
            sample_rate=int(audio.get("sample_rate", 0)),
            channels=int(audio.get("channels", 0)),
        ),
        video=_packets(told["packets"], video["index"], default=1 / rate if rate else 0.0, where=path),
        audio=_packets(told["packets"], audio["index"], default=AAC_FRAME / AUDIO_RATE, where=path),
        video_count=len(by_type["video"]),
        audio_count=len(by_type["audio"]),
    )


def decode(path: Path, *, width: int, height: int) -> tuple[Frames, str]:
    """Decode a segment by itself: its frames scaled to width x height, and what ffmpeg complained of."""
    done = _run(
        ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-threads", "1", "-i", str(path),
         "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"scale={width}:{height}:flags=fast_bilinear",
         "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1",
         "-map", "0:a:0", "-f", "null", "-"],
        seconds=DECODE_SECONDS,
    )  # fmt: skip
    complaint = done.stderr.decode(errors="replace").strip()
    if done.returncode and not complaint:
        complaint = f"ffmpeg ended with {done.returncode}"
    whole, half = width * height, width * height // 4
    size = whole + 2 * half
    count = len(done.stdout) // size
    planes = np.frombuffer(done.stdout, dtype=np.uint8, count=count * size).reshape(count, size)
    frames = Frames(
        luma=planes[:, :whole].reshape(count, height, width),
        u=planes[:, whole : whole + half].reshape(count, height // 2, width // 2),
        v=planes[:, whole + half :].reshape(count, height // 2, width // 2),
    )
    return frames, complaint


def decode_audio(paths: Sequence[Path]) -> npt.NDArray[np.float32]:
    """Decode the sound of segments that belong together, as a player would: [sample, channel], 1.0 is full scale."""
    streamed = b"".join(path.read_bytes() for path in paths)
    done = _run(
        ["ffmpeg", "-nostdin", "-v", "error", "-f", "mpegts", "-i", "pipe:0", "-map", "0:a:0", "-ac", "2",
         "-ar", str(AUDIO_RATE), "-f", "s16le", "pipe:1"],
        seconds=DECODE_SECONDS,
        stdin=streamed,
    )  # fmt: skip
    samples = np.frombuffer(done.stdout, dtype="<i2").reshape(-1, 2)
    scaled: npt.NDArray[np.float32] = samples.astype(np.float32) / np.float32(32768)
    return scaled


def save_frame(path: Path, *, seconds: float, picture: Path) -> None:
    """Save one frame of a segment, `seconds` after its start, as a PNG."""
    done = _run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(path), "-ss", f"{seconds:.3f}", "-frames:v", "1",
         str(picture)],
        seconds=DECODE_SECONDS,
    )  # fmt: skip
    if not picture.exists():
        raise MediaError(f"no frame at {seconds:.3f} s of {path.name}: {_said(done)}")


def opening_problem(path: Path) -> str | None:
    """Say what is missing at a segment's start: PAT and PMT before any media, then an IDR with SPS and PPS."""
    data = path.read_bytes()
    if len(data) < TS_PACKET or len(data) % TS_PACKET:
        return f"its {len(data)} bytes are not whole MPEG-TS packets of {TS_PACKET}"
    pmt_pid, video_pid = -1, -1
    picture = bytearray()
    for start in range(0, len(data), TS_PACKET):
        packet = data[start : start + TS_PACKET]
        if packet[0] != SYNC_BYTE:
            return f"no MPEG-TS sync byte at {start}"
        opens, pid = bool(packet[1] & 0x40), (packet[1] & 0x1F) << 8 | packet[2]
        payload = packet[4 + (packet[4] + 1 if packet[3] & 0x20 else 0) :] if packet[3] & 0x10 else b""
        if opens and pid == PAT_PID:
            section = payload[1 + payload[0] :]
            pmt_pid = (section[10] & 0x1F) << 8 | section[11]
        elif opens and pid == pmt_pid:
            video_pid = _video_pid(payload[1 + payload[0] :])
        elif opens and payload[:3] == b"\x00\x00\x01" and video_pid < 0:
            return "media come before PAT and PMT"
        elif pid == video_pid:
            if opens and picture:
                break
            picture += payload
    kinds = _nal_kinds(bytes(picture))
    if NAL_IDR not in kinds:
        return f"it does not begin with an IDR frame (NAL units {kinds})"
    return None if {NAL_SPS, NAL_PPS} <= set(kinds) else "its first frame comes without SPS and PPS"


def _video_pid(section: bytes) -> int:
    length = (section[1] & 0x0F) << 8 | section[2]
    place = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while place < 3 + length - 4:
        if section[place] == 0x1B:  # H.264
            return (section[place + 1] & 0x1F) << 8 | section[place + 2]
        place += 5 + ((section[place + 3] & 0x0F) << 8 | section[place + 4])
    return -1


def _nal_kinds(data: bytes) -> list[int]:
    kinds, place = [], data.find(b"\x00\x00\x01", 3)
    while 0 <= place < len(data) - 3:
        kinds.append(data[place + 3] & 0x1F)
        place = data.find(b"\x00\x00\x01", place + 3)
    return kinds


def _packets(told: list[dict[str, Any]], index: int, *, default: float, where: Path) -> Packets:
    mine = [packet for packet in told if packet["stream_index"] == index]
    untimed = sum("pts_time" not in packet for packet in mine)
    if not mine or untimed:
        raise MediaError(
            f"{where.name}: stream {index} has {len(mine)} packets, {untimed} of them without a time"
        )
    pts = np.array([float(packet["pts_time"]) for packet in mine])
    return Packets(
        pts=pts,
        dts=np.array([float(packet.get("dts_time", packet["pts_time"])) for packet in mine]),
        duration=np.array([float(packet.get("duration_time", default)) for packet in mine]),
        key=np.array(["K" in packet["flags"] for packet in mine]),
    )


def _run(command: list[str], *, seconds: float, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=stdin, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as slow:
        raise MediaError(f"{' '.join(command)}: not done within {seconds:g} s") from slow
    except FileNotFoundError as missing:
        raise MediaError(f"no {command[0]} here: install the package `ffmpeg`") from missing


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace").strip()[-500:]
