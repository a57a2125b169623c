"""Runs in a Pod of the recorder's web image: records a page in one of the ways that were not taken, and counts.

In: WAY (tab: a tab captures the other by MediaRecorder; devtools: Page.startScreenRecording), a page, seconds. Out: one
JSON line: cores of the whole container, bytes a second. Like the recorder's own way, but for the capture: same browser,
same size, same rate. Not part of the program: this is evidence for docs/decisions.md.
"""

import asyncio
import base64
import contextlib
import functools
import http.server
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from cdp_use.client import CDPClient

CHROMIUM = "/usr/lib/chromium/chromium"
SIZE = (1280, 720)
RATE = 30
WARM_UP = 8.0
CONTROLLER = """<!doctype html><title>controller</title><script>
let bytes = 0, failed = '';
async function go() {
  const stream = await navigator.mediaDevices.getDisplayMedia(
    {video: {width: %d, height: %d, frameRate: %d}, audio: true});
  const type = 'video/mp4;codecs=avc1.42E01F,opus';
  const recorder = new MediaRecorder(stream, {mimeType: type, videoBitsPerSecond: 1000000});
  recorder.ondataavailable = (event) => { bytes += event.data.size };
  recorder.onerror = (event) => { failed = String(event.error) };
  recorder.start(1000);
  return recorder.mimeType;
}
</script>""" % (*SIZE, RATE)  # noqa: UP031 - braces are JavaScript's


def cpu_seconds() -> float:
    """Read the container's own cgroup."""
    with contextlib.suppress(OSError):
        return int(Path("/sys/fs/cgroup/cpuacct/cpuacct.usage").read_text()) / 1e9
    words = Path("/sys/fs/cgroup/cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1]) / 1e6


async def started(folder: Path, title: str) -> tuple[asyncio.subprocess.Process, CDPClient]:
    """Start a browser without a display."""
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={SIZE[0]},{SIZE[1]}",
        "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", f"--auto-select-tab-capture-source-by-title={title}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(500):
        with contextlib.suppress(OSError, ValueError):
            port, path = (folder / "DevToolsActivePort").read_text().split()
            client = CDPClient(f"ws://127.0.0.1:{port}{path}", max_ws_frame_size=1 << 28)
            await client.start()
            return process, client
        await asyncio.sleep(0.02)
    raise SystemExit("the browser did not start")


async def tab(client: CDPClient, url: str) -> str:
    """Open a page and give its session."""
    target = (await client.send.Target.createTarget({"url": url}))["targetId"]
    attached = await client.send.Target.attachToTarget({"targetId": target, "flatten": True})
    return attached["sessionId"]


async def evaluate(client: CDPClient, session: str, expression: str) -> object:
    """Run JavaScript as if somebody had clicked."""
    answer = await client.send.Runtime.evaluate(
        {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}, session
    )
    if "exceptionDetails" in answer:
        raise SystemExit(json.dumps(answer["exceptionDetails"])[:500])
    return answer["result"].get("value")


async def by_tab(client: CDPClient, page: str, seconds: float) -> tuple[float, float]:
    """Have one tab capture the other; give cores and bytes a second."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.html").write_text(CONTROLLER)
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
        handler.log_message = lambda *_: None  # type: ignore[attr-defined]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        controller = await tab(client, f"http://127.0.0.1:{server.server_port}/index.html")
        shown = await tab(client, page)
        await asyncio.sleep(2)
        await client.send.Page.bringToFront(session_id=controller)
        await evaluate(client, controller, "go()")
        await client.send.Page.bringToFront(session_id=shown)
        await asyncio.sleep(WARM_UP)
        before, at, had = cpu_seconds(), time.monotonic(), await evaluate(client, controller, "bytes")
        await asyncio.sleep(seconds)
        spent, lasted = cpu_seconds() - before, time.monotonic() - at
        made = await evaluate(client, controller, "bytes")
        server.shutdown()
    return spent / lasted, (made - had) / lasted  # type: ignore[operator]


async def by_devtools(client: CDPClient, page: str, seconds: float) -> tuple[float, float]:
    """Have DevTools record; give cores and bytes a second."""
    shown = await tab(client, page)
    await asyncio.sleep(2)
    wish = {"audio": True, "maxWidth": SIZE[0], "maxHeight": SIZE[1], "frameRate": RATE}
    stream = (await client.send_raw("Page.startScreenRecording", wish, shown))["stream"]
    made = 0

    async def pull() -> None:
        nonlocal made
        while True:
            try:
                got = await client.send.IO.read({"handle": stream, "size": 1 << 20}, shown)
            except RuntimeError:  # nothing there yet
                await asyncio.sleep(0.25)
                continue
            data = got["data"]
            made += len(base64.b64decode(data)) if got.get("base64Encoded") else len(data)
            if not data:
                await asyncio.sleep(0.25)

    pulling = asyncio.ensure_future(pull())
    await asyncio.sleep(WARM_UP)
    before, at, had = cpu_seconds(), time.monotonic(), made
    await asyncio.sleep(seconds)
    spent, lasted = cpu_seconds() - before, time.monotonic() - at
    pulling.cancel()
    return spent / lasted, (made - had) / lasted


async def main(way: str, page: str, seconds: float) -> None:
    """Measure one way with one page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process, client = await started(Path(folder), title=Path(page).stem)
        try:
            measure = {"tab": by_tab, "devtools": by_devtools}[way]
            cores, pace = await measure(client, page, seconds)
        finally:
            process.kill()
            await process.wait()
    print(json.dumps({"cores": round(cores, 3), "bytesPerSecond": round(pace)}))


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
