"""Chromium: one window that fills the display, nothing in it but the page, and no way out but our proxy.

In: a display, a sound server, a proxy's port. Out: a DevTools session with the window's page. What can be set by
policy stands in recorder-image/chromium-policies.json, where a page or a flag can't change it.
Must not: know what is opened, or when it is recorded.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdp_use.client import CDPClient
from websockets.exceptions import WebSocketException

from egress_recorder.capture.children import Child, start_child
from egress_recorder.capture.errors import PipelineError

log = logging.getLogger(__name__)

BLANK = "about:blank"
PROGRAM = "/usr/lib/chromium/chromium"
"""The program itself: Debian's script around it sets flags by the machine's state."""
POLICIES = "/etc/chromium/policies/managed/egress.json"
START_SECONDS = 20.0
CALL_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_LARGEST_MESSAGE = 64 << 20

_FLAGS = (
    # One window over all of the display, without anything of a browser's own.
    "--kiosk", "--window-position=0,0", "--no-first-run", "--no-default-browser-check", "--test-type",
    "--hide-crash-restore-bubble", "--noerrdialogs", "--deny-permission-prompts", "--hide-scrollbars",
    "--force-color-profile=srgb", "--force-device-scale-factor=1", "--lang=en-US", "--password-store=basic",
    # Software draws: the node's GPU, if it has one, is not the Pod's.
    "--disable-gpu-compositing", "--disable-gpu-rasterization", "--ozone-platform=x11",
    # Somebody always watches, and nobody clicks.
    "--autoplay-policy=no-user-gesture-required", "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", "--disable-hang-monitor",
    # Nothing but the page goes out.
    "--disable-background-networking", "--disable-component-update", "--disable-domain-reliability",
    "--disable-sync", "--disable-default-apps", "--disable-extensions", "--no-pings", "--disable-quic",
    "--disable-features=MediaRouter,Translate,DialMediaRouteProvider",
    # The profile is small and thrown away.
    "--disable-breakpad", "--disable-crash-reporter", "--disk-cache-size=33554432",
)  # fmt: skip
_WITH_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_WITHOUT_WEBGL = ("--disable-gpu", "--disable-3d-apis")


@dataclass(frozen=True, kw_only=True)
class BrowserConfig:
    """What a browser is started with."""

    display: str
    sound: str
    sink: str
    proxy_port: int
    width: int
    height: int
    web_gl: bool
    sandbox: bool
    folder: Path

    def arguments(self) -> list[str]:
        """Give the command line."""
        return [
            *_FLAGS,
            *(_WITH_WEBGL if self.web_gl else _WITHOUT_WEBGL),
            *(() if self.sandbox else ("--no-sandbox",)),
            # Chromium leaves a black line at the right and at the bottom of a window of the display's own size; the
            # page's own size is set by DevTools.
            f"--window-size={self.width + 1},{self.height + 1}",
            # Every name is the proxy's to resolve, every connection its to make, the machine's own included.
            f"--proxy-server=socks5://127.0.0.1:{self.proxy_port}",
            "--proxy-bypass-list=<-loopback>",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            "--webrtc-ip-handling-policy=disable_non_proxied_udp",
            # Loopback alone listens. A page gets there only if the rules allow loopback itself, which no host entry does.
            "--remote-debugging-port=0",
            f"--user-data-dir={self.folder / 'profile'}",
            BLANK,
        ]

    def environment(self) -> dict[str, str]:
        """Give the environment: nothing of ours is in it."""
        return {
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "DISPLAY": self.display,
            "PULSE_SERVER": self.sound,
            "PULSE_SINK": self.sink,
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "DBUS_SYSTEM_BUS_ADDRESS": "disabled:",
        }


class Browser:
    """A running Chromium and the session with its page."""

    def __init__(self, child: Child, *, client: CDPClient, target: str, session: str) -> None:
        self.child = child
        self.client = client
        self.target = target
        self.session = session

    @classmethod
    async def start(cls, config: BrowserConfig) -> "Browser":
        """Start one, and talk to its page. Raises PipelineError."""
        child = await start_child(PROGRAM, config.arguments(), environment=config.environment())
        try:
            async with asyncio.timeout(START_SECONDS):
                address = await _devtools_address(child, config.folder / "profile" / "DevToolsActivePort")
                client = CDPClient(address, max_ws_frame_size=_LARGEST_MESSAGE)
                await client.start()
                target = await _page_of(client)
                attached = await client.send.Target.attachToTarget({"targetId": target, "flatten": True})
                session = attached["sessionId"]
                await client.send.Emulation.setDeviceMetricsOverride(
                    {
                        "width": config.width,
                        "height": config.height,
                        "deviceScaleFactor": 1,
                        "mobile": False,
                    },
                    session,
                )
        except TimeoutError:
            child.kill()
            raise PipelineError(f"The browser did not start within {START_SECONDS:g} s.") from None
        except (OSError, RuntimeError, WebSocketException) as error:
            child.kill()
            raise PipelineError(f"The browser did not start: {error}; {child.last_words()}") from error
        except BaseException:
            child.kill()
            raise
        return cls(child, client=client, target=target, session=session)

    async def call(self, command: Any, parameters: Any = None, *, seconds: float = CALL_SECONDS) -> Any:
        """Send a command of DevTools to the page and give its answer.

        Raises:
            TimeoutError: no answer; the page hangs.
            RuntimeError: the browser says no.
            ConnectionError: the browser is gone.
        """
        call = (
            command(parameters, self.session) if parameters is not None else command(session_id=self.session)
        )
        return await _answer(call, seconds=seconds)

    async def call_browser(self, command: Any, parameters: Any) -> Any:
        """Send a command to the browser itself; raises as `call` does."""
        return await _answer(command(parameters), seconds=CALL_SECONDS)

    def when_deaf(self, tell: Callable[[], None]) -> None:
        """Call `tell` when DevTools says nothing any more, whether the browser runs or not."""
        reader = self.client._message_handler_task  # noqa: SLF001 - the library tells of it in no other way
        if reader is not None:
            reader.add_done_callback(lambda _: tell())

    async def evaluate(self, expression: str, *, seconds: float = CALL_SECONDS) -> Any:
        """Give an expression's value in the page; None also where it fails."""
        answer = await self.call(
            self.client.send.Runtime.evaluate,
            {"expression": expression, "returnByValue": True},
            seconds=seconds,
        )
        return answer["result"].get("value")

    async def end(self) -> None:
        """End it: its profile is thrown away, so there is nothing to close in order."""
        self.child.kill()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.client.stop(), CALL_SECONDS)
        await self.child.ended


async def _answer(call: Awaitable[Any], *, seconds: float) -> Any:
    try:
        return await asyncio.wait_for(call, seconds)
    except WebSocketException as error:
        raise ConnectionError(f"the browser is gone: {error}") from error


async def _devtools_address(child: Child, file: Path) -> str:
    """Read where DevTools listens, which Chromium writes into its profile once it does."""
    while True:
        if child.ended.done():
            raise PipelineError(f"The browser ended while it started: {child.last_words()}")
        with contextlib.suppress(OSError, ValueError):
            port, path = file.read_text().split()  # noqa: ASYNC240 - forty bytes in a memory file system
            return f"ws://127.0.0.1:{port}{path}"
        await asyncio.sleep(_LOOK_SECONDS)


async def _page_of(client: CDPClient) -> str:
    while True:
        found = await client.send.Target.getTargets()
        # kiosk or not, what would drop down from an address bar is a page, too
        pages = [
            target["targetId"]
            for target in found["targetInfos"]
            if target["type"] == "page" and target["url"] == BLANK
        ]
        if pages:
            return str(pages[0])
        await asyncio.sleep(_LOOK_SECONDS)
