"""Have a player play a recording to its end: hls.js in a headless Chromium, as half of the web does it.

In: a recording's folder. Out: `Played`, what the page saw. The player is hls.js by MSE, not the browser's own HLS.
hls.js is fetched once with npm, into the cache; its integrity is pinned here. The browser is that of the recorder's
image, run by the Docker engine on this machine's network: no cluster is needed.

    with player() as browser:
        played = browser.play(folder, "file_output.m3u8")
    assert played.problems(recording.playlist.seconds) == []
"""

import asyncio
import base64
import functools
import hashlib
import http.server
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp_use.client import CDPClient

from egress_cluster import engine
from egress_cluster.engine import Engine
from support.kubectl import cluster_settings

VERSION = "1.7.4"
INTEGRITY = "sha512-3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg=="
"""Of the package as the registry serves it: npm's own words for it."""
IMAGE = "egress-recorder-web:dev"
PAGE = Path(__file__).with_name("playback_page.html")
NPM_SECONDS = 120
BROWSER_SECONDS = 30
RATE = 8.0
END_TOLERANCE_SECONDS = 0.5
"""By which the place where it ended may differ from the playlist's length: players put gaps between streams right."""
BLACK_SHARE = 0.1
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio", "--window-size=800,600",
    "--autoplay-policy=no-user-gesture-required", "--disable-background-networking", "--disable-component-update",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows", "--user-data-dir=/tmp/profile", "--remote-debugging-port=0",
)  # fmt: skip


class PlaybackError(RuntimeError):
    """Nothing could be played: the library or the browser is missing, and the sentence says what to do."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of a playback."""

    ended: bool
    seconds: float
    """Where it stood at its end."""
    duration: float
    stretches: list[int]
    """Numbers of the stretches between discontinuities, in the order in which they were shown."""
    fatal: list[str]
    mended: list[str]
    """Errors that the player got over by itself."""
    back: int
    """How many times the place went back."""
    pictures: int
    black: int
    """Of the pictures that were looked at."""
    address: str
    """Of what the video element plays: `blob:` is MSE."""
    width: int
    height: int

    def problems(self, seconds: float, *, discontinuities: int = 0) -> list[str]:
        """Say what was not as a viewer wants it, for a recording that is so long."""
        found = [f"fatal: {each}" for each in self.fatal]
        if not self.ended:
            found.append(f"it did not end; it stands at {self.seconds:.2f} of {self.duration:.2f} s")
        if not self.address.startswith("blob:"):
            found.append(f"it is not hls.js that plays, but the browser itself: {self.address}")
        for what, value in (("ended at", self.seconds), ("is said to last", self.duration)):
            if abs(value - seconds) > END_TOLERANCE_SECONDS:
                found.append(f"it {what} {value:.2f} s, the playlist lasts {seconds:.2f} s")
        if self.stretches != list(range(discontinuities + 1)):
            found.append(f"it showed the stretches {self.stretches} of {discontinuities + 1}")
        if self.back:
            found.append(f"time went back {self.back} times")
        if not self.pictures or self.black > self.pictures * BLACK_SHARE:
            found.append(f"{self.black} of {self.pictures} pictures are black")
        return found


class Browser:
    """A Chromium that plays recordings."""

    def __init__(self, address: str) -> None:
        self._address = address

    def play(self, folder: Path, playlist: str, *, rate: float = RATE, seconds: float = 60) -> Played:
        """Play a recording to its end, or until it fails or the time is up."""
        with serving(folder) as origin:
            return Played(**asyncio.run(self._play(origin, playlist, rate=rate, seconds=seconds)))

    async def _play(self, origin: str, playlist: str, *, rate: float, seconds: float) -> dict[str, Any]:
        client = CDPClient(self._address, max_ws_frame_size=1 << 24)
        await client.start()
        try:
            async with asyncio.timeout(seconds + BROWSER_SECONDS):
                target = await client.send.Target.createTarget({"url": "about:blank"})
                attached = await client.send.Target.attachToTarget(
                    {"targetId": target["targetId"], "flatten": True}
                )
                session = attached["sessionId"]
                loaded = asyncio.Event()
                client.register.Page.loadEventFired(lambda *_: loaded.set())
                await client.send.Page.enable(session_id=session)
                await client.send.Page.navigate({"url": f"{origin}/player.html"}, session)
                await loaded.wait()
                answer = await client.send.Runtime.evaluate(
                    {
                        "expression": f"play('/recording/{playlist}', {rate}, {seconds})",
                        "awaitPromise": True,
                        "returnByValue": True,
                    },
                    session,
                )
                await client.send.Target.closeTarget({"targetId": target["targetId"]})
        finally:
            await client.stop()
        if "exceptionDetails" in answer:
            raise PlaybackError(f"the page failed: {answer['exceptionDetails']}")
        told: dict[str, Any] = answer["result"]["value"]
        return told


@contextmanager
def player() -> Iterator[Browser]:
    """Have a browser inside the block."""
    settings = cluster_settings()
    found = engine.find(settings)
    if found is None:
        raise PlaybackError("no Docker engine answers, and the browser runs in a container: run `make up`")
    library()
    name = f"egress-player-{uuid.uuid4().hex[:8]}"
    found.docker(
        "run", "--detach", "--rm", "--network=host", f"--name={name}", "--shm-size=256m",
        "--entrypoint=/usr/lib/chromium/chromium", IMAGE, *FLAGS,
        settings=settings,
    )  # fmt: skip
    try:
        yield Browser(_devtools(found, name))
    finally:
        found.docker("kill", name, settings=settings)


def _devtools(found: Engine, name: str) -> str:
    """Wait for the address that Chromium prints."""
    settings = cluster_settings()
    deadline = time.monotonic() + BROWSER_SECONDS
    said = ""
    while time.monotonic() < deadline:
        done = subprocess.run(
            [str(found.client), "logs", name],
            capture_output=True, text=True, check=False, timeout=30, env=found.environment(settings),
        )  # fmt: skip
        said = done.stdout + done.stderr
        if address := re.search(r"DevTools listening on (ws://\S+)", said):
            return address[1]
        time.sleep(0.1)
    raise PlaybackError(f"Chromium did not start within {BROWSER_SECONDS} s:\n{said[-2000:]}")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the page, the player and a recording on this machine alone; give the origin."""
    files = {"/player.html": PAGE, "/hls.js": library()}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            name = path.partition("?")[0]
            if name in files:
                return str(files[name])
            return super().translate_path(name.removeprefix("/recording"))

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def library() -> Path:
    """Have hls.js in the cache, and give its path; the package is taken only if it is the pinned one."""
    cached = cluster_settings().cache / "hls.js" / VERSION / "hls.min.js"
    if cached.exists():
        return cached
    if shutil.which("npm") is None:
        raise PlaybackError(
            "hls.js is fetched with npm, and there is none: install npm (apt-get install npm)"
        )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", f"hls.js@{VERSION}", "--ignore-scripts", f"--pack-destination={folder}"],
            capture_output=True, text=True, check=False, timeout=NPM_SECONDS,
        )  # fmt: skip
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(packages) != 1:
            raise PlaybackError(f"npm could not fetch hls.js {VERSION}: {done.stderr[-1000:]}")
        digest = base64.b64encode(hashlib.sha512(packages[0].read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise PlaybackError(f"hls.js {VERSION} is not the pinned one: sha512-{digest}")
        with tarfile.open(packages[0]) as package:
            member = package.extractfile("package/dist/hls.min.js")
            if member is None:
                raise PlaybackError(f"hls.js {VERSION} has no dist/hls.min.js")
            data = member.read()
    cached.parent.mkdir(parents=True, exist_ok=True)
    # under its own name only when it is whole: two runs may be at it
    part = cached.with_name(f"{uuid.uuid4().hex}.part")
    part.write_bytes(data)
    return part.replace(cached)


if __name__ == "__main__":
    print(library())  # noqa: T201 - the answer: `make tools` fetches it before a test needs it
