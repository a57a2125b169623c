"""The sound of a page: a sound server with one sink that nobody hears, and what is played into it.

In: a rate and a number of channels. Out: pieces of 20 ms pushed into an audio feed, evenly stamped. The sink keeps
its time by CLOCK_MONOTONIC, as the pipeline does, so samples count the time and never drift from the picture.
Must not: know what plays; block the loop.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from egress_recorder.capture.branches import AudioFeed
from egress_recorder.capture.children import Child, start_child
from egress_recorder.capture.errors import PipelineError
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.timing import EarliestArrival

log = logging.getLogger(__name__)

START_SECONDS = 10.0
PIECE_MS = 20
SINK = "page"
_SOCKET_PAUSE = 0.02


class Sound:
    """A running sound server, and the thread that reads what it plays."""

    def __init__(self, server: Child, *, socket: Path, sample_rate: int, channels: int) -> None:
        self.server = server
        self.address = f"unix:{socket}"
        """As in $PULSE_SERVER."""
        self._sample_rate, self._channels = sample_rate, channels
        self._reader: Child | None = None
        self._feed: AudioFeed | None = None

    @classmethod
    async def start(cls, *, sample_rate: int, channels: int, folder: Path) -> "Sound":
        """Start the server. Raises PipelineError."""
        socket = folder / "sound.socket"
        # without rewinds the sink plays as it is told; else its latency, and with it the sound, jumps as players come
        sink = f"module-null-sink sink_name={SINK} rate={sample_rate} channels={channels} format=s16le norewinds=1"
        server = await start_child(
            "pulseaudio",
            [
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--disallow-exit",
                "--use-pid-file=no",
                "--realtime=no",
                "--high-priority=no",
                "--log-target=stderr",
                "-L",
                sink,
                "-L",
                f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
            ],
            environment={"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        )
        deadline = time.monotonic() + START_SECONDS
        try:
            while not socket.exists() and not server.ended.done() and time.monotonic() < deadline:  # noqa: ASYNC110 - a file appears: nobody tells
                await asyncio.sleep(_SOCKET_PAUSE)
        except BaseException:
            server.kill()
            raise
        if not socket.exists():
            server.kill()
            raise PipelineError(f"The sound server did not start: {server.last_words()}")
        return cls(server, socket=socket, sample_rate=sample_rate, channels=channels)

    async def listen(self, *, on_lost: Callable[[str], None]) -> None:
        """Begin to read what is played, and to learn the pace; it goes nowhere before `play`."""
        reading, writing = os.pipe()
        try:
            self._reader = await start_child(
                "parec",
                [
                    f"--server={self.address}",
                    f"--device={SINK}.monitor",
                    "--raw",
                    "--format=s16le",
                    f"--rate={self._sample_rate}",
                    f"--channels={self._channels}",
                    f"--latency-msec={PIECE_MS}",
                    f"--process-time-msec={PIECE_MS}",
                ],
                environment={"HOME": "/nonexistent"},
                stdout=writing,
            )
        except PipelineError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(reading, loop, on_lost), name="sound", daemon=True).start()

    def play(self, feed: AudioFeed) -> None:
        """Push what is read from now on."""
        self._feed = feed

    async def end(self) -> None:
        """End the reader and the server."""
        self._feed = None
        for child in (self._reader, self.server):
            if child is not None:
                await child.end()

    def _read(self, descriptor: int, loop: asyncio.AbstractEventLoop, on_lost: Callable[[str], None]) -> None:
        samples = self._sample_rate * PIECE_MS // 1000
        size = samples * self._channels * 2
        arrival = EarliestArrival(sample_rate=self._sample_rate)
        with open(descriptor, "rb", buffering=0) as stream:
            piece = b""
            while part := stream.read(size - len(piece)):
                piece += part
                if len(piece) < size:
                    continue
                now = arrival.note(samples=samples, now=time.monotonic_ns())
                if self._feed is not None:
                    self._push(self._feed, piece, samples=samples, now=now)
                piece = b""
        # a loop that is closed has no use for the news
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(on_lost, "The sound server ended.")

    @staticmethod
    def _push(feed: AudioFeed, piece: bytes, *, samples: int, now: int) -> None:
        admitted = feed.admit(samples=samples, now=now)
        if admitted is None:
            return
        buffer = Gst.Buffer.new_wrapped(piece)
        buffer.pts = admitted[0]
        if admitted[1]:
            buffer.set_flags(Gst.BufferFlags.DISCONT)
        feed.appsrc.emit("push-buffer", buffer)
