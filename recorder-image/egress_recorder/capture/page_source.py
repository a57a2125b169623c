"""The page source: a web page in a browser of its own, seen on a display and heard through a sound server.

In: the page and when it may be recorded. Out: a screen feed and a sound feed on the stage; events for each step. What
breaks and can be mended by loading the page again is mended here; what takes a new browser ends the capture, and the
supervisor starts another one in the same playlist. Must not: let the browser out but through the proxy.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from egress_api.addresses import ForbiddenTarget, check_url
from egress_api.page import END_MARK, PageRules
from egress_recorder.capture.browser import Browser, BrowserConfig
from egress_recorder.capture.children import Child
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.dialing import Refusal
from egress_recorder.capture.display import Display
from egress_recorder.capture.errors import (
    CaptureError,
    ConfigError,
    PageCrashed,
    PageEnded,
    PageForbidden,
    PageHung,
    PipelineError,
    SandboxUnavailable,
)
from egress_recorder.capture.events import Change, Event, PageSeen, Participant
from egress_recorder.capture.page_evidence import keep_evidence
from egress_recorder.capture.page_opening import Opening
from egress_recorder.capture.page_watch import PageWatch
from egress_recorder.capture.proxy import PinningProxy
from egress_recorder.capture.sandbox import sandbox_works
from egress_recorder.capture.screen import Screen
from egress_recorder.capture.sound import SINK, Sound
from egress_recorder.capture.sources import Stage
from egress_recorder.limits import RestartLimit

log = logging.getLogger(__name__)

RELOADS = 3
RELOAD_WINDOW_SECONDS = 600.0
HEARTBEAT_SECONDS = 5.0
HEARTBEATS_MISSED = 3
LEAVE_SECONDS = 5.0
PAGE = "page"
"""The one who is recorded, where people would be."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class PageSource:
    """Records a web page."""

    def __init__(self, config: CaptureConfig, *, emit: Callable[[Event], None]) -> None:
        if config.page is None:
            raise ConfigError("The source is a page, and no page is named.")
        self._config, self._page, self._emit = config, config.page, emit
        self._folder = Path(tempfile.mkdtemp(prefix="page-"))
        self._rules = PageRules.model_validate(self._page.rules)
        self._proxy = PinningProxy(self._rules, on_refused=lambda said: log.warning("refused: %s", said))
        self._display: Display | None = None
        self._sound: Sound | None = None
        self._browser: Browser | None = None
        self._screen: Screen | None = None
        self._opening: Opening | None = None
        self._watch: PageWatch | None = None
        self._guards: list[asyncio.Task[None]] = []
        self._reloads = 0
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    async def join(self) -> None:
        """Start all that a page needs, open it, and wait until it may be recorded."""
        try:
            check_url(self._page.url, self._rules)
        except ForbiddenTarget as error:
            raise PageForbidden(f"The page may not be opened: {error}.") from error
        sandbox = await sandbox_works()
        self._emit(PageSeen(sandbox=sandbox))
        if self._page.require_sandbox and not sandbox:
            raise SandboxUnavailable(
                "The browser's own sandbox can't hold on this node, and it is demanded "
                "(recorder.web.requireSandbox): see docs/pages.md for how to allow it."
            )
        browser = await self._start_all(sandbox=sandbox)
        self._watch = PageWatch(browser)
        self._opening = Opening(browser, self._watch, self._page, why=self._why, emit=self._emit)
        try:
            await self._watch.start()
            await self._opening.run()
            await self._watch.ignore_requests()
        except CaptureError as error:
            await self._keep_evidence(error)
            raise
        except (TimeoutError, RuntimeError, ConnectionError) as error:
            raise PipelineError(
                f"The browser does not answer: {error!r}; {browser.child.last_words()}"
            ) from error

    def play(self, stage: Stage) -> None:
        """Push what the display shows and what the page plays, from now on."""
        if self._screen is None or self._sound is None:
            return
        stage.on_broken = lambda name: self._lost(PipelineError(f"The page's {name} could not be recorded."))
        self._screen.play(stage.add_video(order=(0, 0), screen=True), base_time=stage.base_time)
        self._sound.play(stage.add_audio(even=True))
        for change in (Change.JOINED, Change.VIDEO_ON, Change.AUDIO_ON):
            self._emit(Participant(identity=PAGE, change=change))
        self._guards = [asyncio.ensure_future(self._follow()), asyncio.ensure_future(self._feel_pulse())]

    async def leave(self) -> None:
        """End the browser and all that belongs to it."""
        for guard in self._guards:
            guard.cancel()
        if self._screen is not None:
            self._screen.end()
        self.closed.cancel()
        ends = [
            part.end() if isinstance(part, Browser | Sound) else part.child.end()
            for part in (self._browser, self._sound, self._display)
            if part is not None
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                asyncio.gather(*ends, self._proxy.close(), return_exceptions=True), LEAVE_SECONDS
            )
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _start_all(self, *, sandbox: bool) -> Browser:
        config = self._config
        size = {"width": config.width, "height": config.height}
        display, sound, port = await asyncio.gather(
            Display.start(**size, frame_rate=config.frame_rate, folder=self._folder),
            Sound.start(sample_rate=config.sample_rate, channels=config.channels, folder=self._folder),
            self._proxy.start(),
        )
        self._display, self._sound = display, sound
        await sound.listen(on_lost=self._lost_in_thread)
        browser = await Browser.start(
            BrowserConfig(
                display=display.name, sound=sound.address, sink=SINK, proxy_port=port, **size,
                web_gl=self._page.web_gl, sandbox=sandbox, folder=self._folder,
            )
        )  # fmt: skip
        self._browser = browser
        self._screen = Screen(
            display.name, **size, frame_rate=config.frame_rate, on_lost=self._lost_in_thread
        )
        for child, what in (
            (display.child, "display"), (sound.server, "sound server"), (browser.child, "browser"),
        ):  # fmt: skip
            self._watch_child(child, what)
        return browser

    def _watch_child(self, child: Child, what: str) -> None:
        child.ended.add_done_callback(
            lambda _: self._lost(PipelineError(f"The {what} ended: {child.last_words()}"))
        )

    async def _follow(self) -> None:
        """Act on what the page does while it is recorded."""
        limit = RestartLimit(limit=RELOADS, window=RELOAD_WINDOW_SECONDS)
        assert self._watch is not None  # noqa: S101 - join() made them; for the type checker
        assert self._opening is not None  # noqa: S101
        while not self.closed.done():
            facts = self._watch.facts
            self._opening.tell_loaded()
            if facts.ended_at is not None:
                self._lost(PageEnded(f"The page logged {END_MARK}.", at=facts.ended_at))
            elif facts.crashed:
                facts.crashed = False
                if limit.allow(now=time.monotonic()):
                    await self._reload()
                else:
                    error = PageCrashed(
                        f"The page broke its browser tab {RELOADS + 1} times within "
                        f"{RELOAD_WINDOW_SECONDS / 60:.0f} minutes."
                    )
                    await self._keep_evidence(error)
                    self._lost(error)
            else:
                await self._watch.next_change(seconds=HEARTBEAT_SECONDS)

    async def _reload(self) -> None:
        if self._browser is None:
            return
        self._reloads += 1
        log.warning("the page broke its tab and is loaded again, for the %d. time", self._reloads)
        self._emit(PageSeen(reloads=self._reloads))
        try:
            await self._browser.call(self._browser.client.send.Page.reload)
        except (TimeoutError, RuntimeError, ConnectionError) as error:
            self._lost(PipelineError(f"The page broke its tab and can't be loaded again: {error!r}"))

    async def _feel_pulse(self) -> None:
        """Give the page up that answers nothing: loading it again would need its answer."""
        missed = 0
        while self._browser is not None:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._browser.evaluate("1", seconds=HEARTBEAT_SECONDS)
            except TimeoutError:
                missed += 1
            except (RuntimeError, ConnectionError):  # between two documents, or gone: others see to it
                continue
            else:
                missed = 0
            if missed >= HEARTBEATS_MISSED:
                seconds = HEARTBEATS_MISSED * 2 * HEARTBEAT_SECONDS
                self._lost(
                    PageHung(f"The page has not answered for {seconds:.0f} s: something in it never ends.")
                )
                return

    def _lost(self, error: CaptureError) -> None:
        if not self.closed.done():
            self.closed.set_exception(error)

    def _lost_in_thread(self, message: str) -> None:
        self._loop.call_soon_threadsafe(self._lost, PipelineError(message))

    def _why(self, url: str) -> Refusal | None:
        parts = urlsplit(url)
        with contextlib.suppress(ValueError):
            return self._proxy.why(parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0))
        return None

    async def _keep_evidence(self, error: CaptureError) -> None:
        if self._browser is not None and self._watch is not None:
            await keep_evidence(
                self._browser, self._watch.facts, error, spool=Path(self._config.spool), emit=self._emit
            )
