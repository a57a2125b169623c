"""Publish test people into a LiveKit room: a picture and a sound that can be measured in the recording.

In: the server's URL, an API key and secret (environment), a room, one `--user` per person and a plan
(`--at`, or lines on stdin). Out: tracks in the room, and one JSON line on stdout per thing done, with the
instant it was done, so that a test can hold the recording against the plan.
Must not: run for ever (`--duration`), need anything but `livekit` and `numpy`, import them for its constants.
One file, long as it is: it travels to its Pod in a ConfigMap, and tests import its constants from it.

What each person's picture shows, in fractions of the picture (so it survives any scaling and letterbox):

- `STRIP`: 40 equal blocks across the top: 1 0, then 32 bits of unix milliseconds modulo 2**32 (most
  significant first), then a 4-bit checksum (exclusive or of the eight nibbles), then 0 1. White is 1. The
  instant is the picture's own. `read_strip(luma)` decodes it from a two-dimensional array of luma.
- `HUE`: a rectangle of the person's own colour, nothing else in it.
- `CLOCK`: HH:MM:SS.mmm in UTC, for people.
- `FLASH`: the lower right quarter, white for `FLASH_SECONDS` from every whole UTC second, else dark.
- `MOTION`: the lower left quarter, a bar that never stops.

The sound is a quiet tone at `tone` Hz without end, and a loud beep at `beep` Hz for `BEEP_SECONDS` from every
whole UTC second: flash and beep begin at the same instant.

    LIVEKIT_URL=ws://… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… python3 publisher.py --room egress_test \
      --user identity=user1,hue=0,tone=440 --user identity=user2,hue=220,tone=880,size=640x360,fps=15 \
      --at 10:user2:camera-off --at 15:user2:camera-on --at 20:user1:resize=320x180 --at 30:user2:leave

Actions: join, leave, camera-off, camera-on (mute, as a call's own button does), unpublish, publish (the video
track goes away), republish=CODEC:WxH (it comes back as another), mic-off, mic-on, resize=WxH, freeze, thaw (no
pictures come, and the track lives), drop=SECONDS (this whole process, with everybody in it, is stopped for so long:
as a laptop that is shut, it says nothing to anybody, and then finds its connection gone; `back` says when it is
over). A `join=SECONDS` in `--user` delays the first join; stdin takes `user2 camera-off` lines.
`--print-token IDENTITY` prints a token that may listen only, and ends.

A person with `drift=PPM` has a clock that runs fast by so many millionths from the moment they join: pictures,
flashes, beeps and every sample follow it. Their `join` line tells `drift` and `clock_from`: at unix time t their
clock, and so their strip, shows t + (t - clock_from) * drift / 1e6.
"""

import argparse
import asyncio
import base64
import colorsys
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

# left, top, right, bottom, in fractions of the picture
STRIP = (0.0, 0.0, 1.0, 16 / 360)
HUE = (0.02, 0.08, 0.98, 0.24)
CLOCK = (0.10, 0.27, 0.90, 0.47)
MOTION = (0.0, 0.5, 0.5, 1.0)
FLASH = (0.5, 0.5, 1.0, 1.0)

STRIP_BLOCKS = 40
STRIP_HEAD = (1, 0)
STRIP_TAIL = (0, 1)
STRIP_BITS = 32

BLACK, GREY, WHITE = 16, 60, 235  # luma, the studio range that codecs expect
FLASH_SECONDS = 0.1
BEEP_SECONDS = 0.1
TONE_AMPLITUDE = 0.08
BEEP_AMPLITUDE = 0.6
SAMPLE_RATE = 48000
AUDIO_FRAME_SECONDS = 0.01
STREAM = (
    "camera"  # camera and microphone in one stream, as browsers publish them: receivers keep them in step
)
DEFAULT_TONE = 440
BEEP_PER_TONE = 3  # a person's beep, unless said otherwise: three times the tone

GLYPHS = {
    "0": "111 101 101 101 111", "1": "010 110 010 010 111", "2": "111 001 111 100 111",
    "3": "111 001 111 001 111", "4": "101 101 111 001 001", "5": "111 100 111 001 111",
    "6": "111 100 111 101 111", "7": "111 001 010 010 010", "8": "111 101 111 101 111",
    "9": "111 101 111 001 111", ":": "000 010 000 010 000", ".": "000 000 000 000 010",
}  # fmt: skip


def strip_bits(milliseconds: int) -> list[int]:
    """Give the strip's 40 bits for an instant in unix milliseconds."""
    value = milliseconds % (1 << STRIP_BITS)
    check = 0
    for shift in range(0, STRIP_BITS, 4):
        check ^= (value >> shift) & 0xF
    body = [(value >> bit) & 1 for bit in reversed(range(STRIP_BITS))]
    return [*STRIP_HEAD, *body, *((check >> bit) & 1 for bit in reversed(range(4))), *STRIP_TAIL]


def read_strip(luma: Any) -> int | None:
    """Read the instant (unix milliseconds modulo 2**32) out of a picture's luma plane; None if damaged."""
    height, width = luma.shape
    row = int((STRIP[1] + STRIP[3]) / 2 * height)
    near = range(-1, 2) if height >= 180 else range(1)  # noqa: PLR2004 - small pictures have thin strips
    bits = []
    for block in range(STRIP_BLOCKS):
        column = int((block + 0.5) * width / STRIP_BLOCKS)
        values = [int(luma[row + dy, column + dx]) for dy in near for dx in near]
        bits.append(int(sum(values) / len(values) > (BLACK + WHITE) / 2))
    value = 0
    for bit in bits[len(STRIP_HEAD) : len(STRIP_HEAD) + STRIP_BITS]:
        value = value << 1 | bit
    return value if bits == strip_bits(value) else None


def region(luma: Any, rectangle: tuple[float, float, float, float]) -> Any:
    """Cut one of the rectangles above out of a two-dimensional array, shrunk a little against bleeding."""
    height, width = luma.shape[:2]
    left, top, right, bottom = rectangle
    inset_x, inset_y = (right - left) * 0.08, (bottom - top) * 0.08
    return luma[
        int((top + inset_y) * height) : int((bottom - inset_y) * height),
        int((left + inset_x) * width) : int((right - inset_x) * width),
    ]


def hue_yuv(hue: float) -> tuple[int, int, int]:
    """Give the BT.601 studio-range colour of `HUE` for a hue in degrees."""
    r, g, b = colorsys.hsv_to_rgb(hue / 360, 0.9, 0.8)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return round(y), round(u), round(v)


def room_token(
    *, key: str, secret: str, room: str, identity: str, publish: bool, seconds: int = 21600
) -> str:
    """Sign a LiveKit access token; one that may not publish is hidden, as a recorder is."""
    now = int(time.time())
    video = {
        "roomJoin": True,
        "room": room,
        "canPublish": publish,
        "canSubscribe": not publish,
        "hidden": not publish,
    }
    claims = {"iss": key, "sub": identity, "nbf": now - 10, "exp": now + seconds, "video": video}

    def part(value: object) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


@dataclass(kw_only=True)
class Person:
    """One person of the plan, as `--user` describes them."""

    identity: str
    width: int = 640
    height: int = 360
    fps: int = 15
    hue: float = 0.0
    tone: int = DEFAULT_TONE
    beep: int = 0
    codec: str = "vp8"
    simulcast: bool = False
    join: float = 0.0
    drift: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Person":
        """Read `identity=user1,size=640x360,fps=15,hue=0,tone=440,beep=1320,codec=vp8,simulcast=1,join=5,drift=200`."""
        given = dict(pair.split("=", 1) for pair in text.split(","))
        if "size" in given:
            given["width"], given["height"] = given.pop("size").split("x")
        kinds: dict[str, Callable[[str], Any]] = {
            "identity": str, "width": int, "height": int, "fps": int, "hue": float, "tone": int, "beep": int,
            "codec": str, "simulcast": lambda value: value in {"1", "true"}, "join": float, "drift": float,
        }  # fmt: skip
        unknown = sorted(given.keys() - kinds.keys())
        if unknown or "identity" not in given:
            raise SystemExit(
                f"--user {text!r}: needs identity=…; does not know {unknown}; knows {sorted(kinds)} and size"
            )
        person = cls(**{name: kinds[name](value) for name, value in given.items()})
        person.beep = person.beep or person.tone * BEEP_PER_TONE
        return person


class Painter:
    """Draws one person's frames of one size as I420, quickly: all that does not change is drawn once."""

    def __init__(self, width: int, height: int, hue: float) -> None:
        import numpy as np  # noqa: PLC0415 - the constants above must be importable without it

        self._np, self.width, self.height = np, width, height
        self._data = np.empty(width * height * 3 // 2, dtype=np.uint8)
        self._luma = self._data[: width * height].reshape(height, width)
        self._luma[:] = GREY
        chroma = self._data[width * height :].reshape(2, height // 2, width // 2)
        chroma[:] = 128
        y, u, v = hue_yuv(hue)
        self._box(HUE)[:] = y
        top, bottom, left, right = self._pixels(HUE)
        chroma[0, top // 2 : bottom // 2, left // 2 : right // 2] = u
        chroma[1, top // 2 : bottom // 2, left // 2 : right // 2] = v
        self._box(CLOCK)[:] = BLACK
        self._scale = max(1, min(self._box(CLOCK).shape[1] // (12 * 4), self._box(CLOCK).shape[0] // 6))
        self._glyphs = {character: self._glyph(rows) for character, rows in GLYPHS.items()}
        self._edges = [round(block * width / STRIP_BLOCKS) for block in range(STRIP_BLOCKS + 1)]

    def _pixels(self, rectangle: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        left, top, right, bottom = rectangle
        return (
            round(top * self.height / 2) * 2, round(bottom * self.height / 2) * 2,
            round(left * self.width / 2) * 2, round(right * self.width / 2) * 2,
        )  # fmt: skip

    def _box(self, rectangle: tuple[float, float, float, float]) -> Any:
        top, bottom, left, right = self._pixels(rectangle)
        return self._luma[top:bottom, left:right]

    def _glyph(self, rows: str) -> Any:
        bits = self._np.array([[int(bit) for bit in row] + [0] for row in rows.split()], dtype=self._np.uint8)
        return bits.repeat(self._scale, axis=0).repeat(self._scale, axis=1) * (WHITE - BLACK) + BLACK

    def paint(self, at: float) -> Any:
        """Draw the frame of the instant `at` (unix seconds); the array is reused by the next call."""
        strip = self._box(STRIP)
        for block, bit in enumerate(strip_bits(round(at * 1000))):
            strip[:, self._edges[block] : self._edges[block + 1]] = WHITE if bit else BLACK
        self._box(FLASH)[:] = WHITE if at % 1.0 < FLASH_SECONDS - 0.001 else GREY
        motion = self._box(MOTION)
        motion[:] = GREY
        span = motion.shape[1]
        start = int(at * span / 2) % span  # across in two seconds
        motion[:, start : start + max(4, span // 10)] = WHITE - 40
        milliseconds = round(at * 1000)
        text = time.strftime("%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}"
        clock = self._box(CLOCK)
        step = self._glyphs["0"].shape[1]
        left, top = (
            (clock.shape[1] - step * len(text)) // 2,
            (clock.shape[0] - self._glyphs["0"].shape[0]) // 2,
        )
        for place, character in enumerate(text):
            glyph = self._glyphs[character]
            clock[top : top + glyph.shape[0], left + place * step : left + (place + 1) * step] = glyph
        return self._data


@dataclass(kw_only=True)
class Clock:
    """A person's own clock, in unix seconds: right when it starts, and from then on as fast as it is."""

    drift: float = 0.0
    """How much too fast, in millionths."""
    start: float = 0.0

    def now(self) -> float:
        """Give what it shows."""
        return self.at(time.time())

    def at(self, instant: float) -> float:
        """Give what it shows at an instant of unix time."""
        return instant + (instant - self.start) * self.drift / 1e6


def second_of_sound(person: Person) -> Any:
    """Give one second of the person's sound: whole frequencies, so it repeats without a seam."""
    import numpy as np  # noqa: PLC0415 - see Painter

    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    sound = TONE_AMPLITUDE * np.sin(2 * np.pi * person.tone * t)
    sound += (t < BEEP_SECONDS) * BEEP_AMPLITUDE * np.sin(2 * np.pi * person.beep * t)
    return (sound * 32767).astype(np.int16)


def say(event: str, identity: str = "", **more: object) -> None:
    """Print what was just done, with the instant."""
    print(json.dumps({"event": event, "identity": identity, "at": round(time.time(), 3), **more}), flush=True)  # noqa: T201


@dataclass(kw_only=True)
class Guest:
    """A person in (or out of) the room."""

    person: Person
    url: str
    room_name: str
    key: str
    secret: str
    _room: Any = None
    _camera: Any = None
    _microphone: Any = None
    _publication: Any = None
    _painter: Painter | None = None
    _clock: Clock = field(default_factory=Clock)
    _showing: bool = True
    _frozen: bool = False
    _filming: "asyncio.Task[None] | None" = None
    _speaking: "asyncio.Task[None] | None" = None

    async def act(self, action: str) -> None:
        """Do one action of the plan; an action that makes no sense now is said and left out."""
        name, _, value = action.partition("=")
        joined = self._room is not None
        match name:
            case "join" if not joined:
                await self._join()
            case "leave" if joined:
                await self._leave()
            case "camera-off" | "camera-on" if joined and self._camera:
                self._showing = name == "camera-on"
                (self._camera.unmute if self._showing else self._camera.mute)()
            case "mic-off" | "mic-on" if joined:
                (self._microphone.unmute if name == "mic-on" else self._microphone.mute)()
            case "freeze" | "thaw" if joined:
                self._frozen = name == "freeze"
            case "unpublish" | "republish" | "publish" if joined and bool(self._publication) == (
                name != "publish"
            ):
                await self._change_publication(name, value)
            case "resize" if joined:
                self.person.width, self.person.height = (int(side) for side in value.split("x"))
                self._painter = Painter(self.person.width, self.person.height, self.person.hue)
            case "drop" if joined:
                say(action, self.person.identity)
                stop_for(float(value))
                say("back", self.person.identity)
                return
            case _:
                say("ignored", self.person.identity, action=action)
                return
        more = {"drift": self.person.drift, "clock_from": self._clock.start} if name == "join" else {}
        say(action, self.person.identity, **more)

    async def _join(self) -> None:
        from livekit import rtc  # noqa: PLC0415 - the constants must be importable without it

        self._room = rtc.Room()
        token = room_token(
            key=self.key, secret=self.secret, room=self.room_name, identity=self.person.identity, publish=True
        )
        await self._room.connect(self.url, token, rtc.RoomOptions(auto_subscribe=False))
        # no queue in the SDK: it would hold the sound back by its length, and the beep would miss the flash
        source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=0)
        self._microphone = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, stream=STREAM)
        await self._room.local_participant.publish_track(self._microphone, options)
        self._clock = Clock(drift=self.person.drift, start=time.time())
        self._speaking = asyncio.create_task(self._speak(source))
        await self._publish_camera()

    async def _publish_camera(self) -> None:
        from livekit import rtc  # noqa: PLC0415 - see above

        person = self.person
        self._painter, self._showing = Painter(person.width, person.height, person.hue), True
        source = rtc.VideoSource(person.width, person.height)
        self._camera = rtc.LocalVideoTrack.create_video_track("camera", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_CAMERA,
            video_codec=rtc.VideoCodec.Value(person.codec.upper()),
            simulcast=person.simulcast,
            stream=STREAM,
            video_encoding=rtc.VideoEncoding(max_bitrate=900_000, max_framerate=person.fps),
        )
        self._publication = await self._room.local_participant.publish_track(self._camera, options)
        self._filming = asyncio.create_task(self._show(source))

    async def _change_publication(self, action: str, value: str) -> None:
        if action != "publish":
            await self._room.local_participant.unpublish_track(self._publication.sid)
            self._publication = self._camera = None
            if self._filming is not None:
                self._filming.cancel()
        if action == "republish":
            self.person.codec, _, size = value.partition(":")
            self.person.width, self.person.height = (int(side) for side in size.split("x"))
        if action != "unpublish":
            await self._publish_camera()

    async def _show(self, source: Any) -> None:
        from livekit import rtc  # noqa: PLC0415 - see above

        fps = self.person.fps
        async for index in ticks(fps, clock=self._clock):
            painter = self._painter
            if self._showing and not self._frozen and painter is not None:
                frame = painter.paint(index / fps)
                size = (painter.width, painter.height)
                source.capture_frame(rtc.VideoFrame(*size, rtc.VideoBufferType.I420, frame.tobytes()))

    async def _speak(self, source: Any) -> None:
        from livekit import rtc  # noqa: PLC0415 - see above

        sound = second_of_sound(self.person)
        rate = round(1 / AUDIO_FRAME_SECONDS)
        size = SAMPLE_RATE // rate
        async for index in ticks(rate, clock=self._clock, late_ok=True):
            start = index % rate * size
            await source.capture_frame(
                rtc.AudioFrame(sound[start : start + size].tobytes(), SAMPLE_RATE, 1, size)
            )

    async def _leave(self) -> None:
        for task in (self._filming, self._speaking):
            if task is not None:
                task.cancel()
        room, self._room, self._publication, self._camera = self._room, None, None, None
        await room.disconnect()


async def ticks(rate: int, *, clock: Clock, late_ok: bool = False) -> Any:
    """Count instants of `rate` a second on the UTC grid, as the clock shows it: tick n is due at n / rate.

    Sound must not skip (`late_ok`): what is late is sent at once; a picture that is late is left out.
    """
    index = int(clock.now() * rate) + 1
    while True:
        await asyncio.sleep(max(0.0, index / rate - clock.now()))
        yield index
        behind = int(clock.now() * rate) - index
        index += 1 if late_ok and behind < rate else max(1, behind + 1)


def stop_for(seconds: float) -> None:
    """Stop this process, network and all, for so long."""
    subprocess.Popen(
        ["/bin/sh", "-c", f"sleep {seconds:g}; kill -CONT {os.getpid()}"], start_new_session=True
    )
    os.kill(os.getpid(), signal.SIGSTOP)


def be_a_child() -> None:
    """Go on in a child where this is the first process of its Pod: the kernel does not stop that one.

    The first process then waits, hands SIGTERM on and ends as the child does.
    """
    child = os.fork() if os.getpid() == 1 else 0
    if child:
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
        while True:
            ended, status = os.wait()  # also what `stop_for` left behind
            if ended == child:
                os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def planned(texts: Iterable[str]) -> list[tuple[float, str, str]]:
    """Read `--at 10:user1:camera-off` entries, in order of time."""
    plan = []
    for text in texts:
        seconds, identity, action = text.split(":", 2)
        plan.append((float(seconds), identity, action))
    return sorted(plan)


async def run(arguments: argparse.Namespace) -> None:
    """Carry out the plan, then leave."""
    environment = {name: os.environ[f"LIVEKIT_{name}"] for name in ("URL", "API_KEY", "API_SECRET")}
    guests = {
        person.identity: Guest(
            person=person, url=environment["URL"], room_name=arguments.room,
            key=environment["API_KEY"], secret=environment["API_SECRET"],
        )
        for person in map(Person.parse, arguments.user)
    }  # fmt: skip
    joins = [(guest.person.join, identity, "join") for identity, guest in guests.items()]
    plan = sorted([*joins, *planned(arguments.at)], key=lambda entry: entry[0])
    asyncio.get_running_loop().add_reader(sys.stdin, on_line, guests) if arguments.stdin else None
    start = time.monotonic()
    for seconds, identity, action in [*plan, (arguments.duration, "", "end")]:
        await asyncio.sleep(max(0.0, min(seconds, arguments.duration) - (time.monotonic() - start)))
        if action == "end" or seconds > arguments.duration:
            break
        await guests[identity].act(action)
    for guest in guests.values():
        with contextlib.suppress(Exception):
            await asyncio.wait_for(guest.act("leave"), 5)
    say("end")


def on_line(guests: dict[str, Guest]) -> None:
    """Take one `user1 camera-off` line from stdin."""
    words = sys.stdin.readline().split()
    if not words:
        asyncio.get_running_loop().remove_reader(sys.stdin)
    elif len(words) == 2 and words[0] in guests:  # noqa: PLR2004 - identity and action
        task = asyncio.ensure_future(guests[words[0]].act(words[1]))
        task.add_done_callback(lambda done: done.exception())
    else:
        say("ignored", action=" ".join(words))


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(description="Publish test people into a LiveKit room.")
    parser.add_argument("--room", required=True)
    parser.add_argument("--user", action="append", default=[], metavar="identity=…,size=640x360,…")
    parser.add_argument("--at", action="append", default=[], metavar="SECONDS:IDENTITY:ACTION")
    parser.add_argument(
        "--duration", type=float, default=600.0, help="seconds, then everybody leaves (default 600)"
    )
    parser.add_argument(
        "--stdin", action="store_true", help="take `IDENTITY ACTION` lines from stdin as well"
    )
    parser.add_argument(
        "--print-token", metavar="IDENTITY", help="print a token that may listen only, and end"
    )
    arguments = parser.parse_args()
    if arguments.print_token:
        key, secret = os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
        token = room_token(
            key=key, secret=secret, room=arguments.room, identity=arguments.print_token, publish=False
        )
        print(token)  # noqa: T201 - that is the answer
        return
    be_a_child()
    asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
