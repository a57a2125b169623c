"""The page source: a web page in a browser of its own, seen on a display and heard through a sound server.

In: the page and when it may be recorded. Out: a screen feed and a sound feed on the stage; events for each step. What
breaks and can be mended by loading the page again is mended here; what takes a new browser ends the capture, and the
supervisor starts another one in the same playlist. Must not: let the browser out but through the proxy.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
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
from egress_recorder.capture.page_watch import PageFacts, PageWatch
from egress_recorder.capture.proxy import PinningProxy
from egress_recorder.capture.sandbox import sandbox_works
from egress_recorder.capture.screen import Screen
from egress_recorder.capture.sound import PIECE_MS, SINK, Sound
from egress_recorder.capture.sources import Stage
from egress_recorder.capture.timing import MILLISECOND, SECOND, refresh_rate
from egress_recorder.limits import RestartLimit

log = logging.getLogger(__name__)

REFRESHES_TO_THE_DISPLAY = 2
RELOADS = 3
RELOAD_WINDOW_SECONDS = 600.0
HEARTBEAT_SECONDS = 5.0
HEARTBEATS_MISSED = 3
LEAVE_SECONDS = 5.0
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount of the Pod's own
PAGE = "page"
"""The one who is recorded, where people would be."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _memory_folder() -> str | None:
    """Give a folder in memory with an end: what a page stores on a disk could have the Pod evicted."""
    return SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None


class PageSource:
    """Records a web page."""

    def __init__(self, config: CaptureConfig, *, emit: Callable[[Event], None]) -> None:
        if config.page is None:
            raise ConfigError("The source is a page, and no page is named.")
        self._config, self._page, self._emit = config, config.page, emit
        self._folder = Path(tempfile.mkdtemp(prefix="page-", dir=_memory_folder()))
        self._rules = PageRules.model_validate(self._page.rules)
        self._proxy = PinningProxy(self._rules, on_refused=lambda said: log.warning("refused: %s", said))
        self._display: Display | None = None
        self._sound: Sound | None = None
        self._browser: Browser | None = None
        self._screen: Screen | None = None
        self._opening: Opening | None = None
        self._watch: PageWatch | None = None
        self._guards: list[asyncio.Task[None]] = []
        self._crashes = RestartLimit(limit=RELOADS, window=RELOAD_WINDOW_SECONDS)
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
        await self._start_all(sandbox=sandbox)
        await self._unless_lost(self._open_page())

    async def _open_page(self) -> None:
        assert self._browser is not None  # noqa: S101 - _start_all() made it; for the type checker
        browser, watch = self._browser, PageWatch(self._browser)
        self._watch = watch
        self._opening = Opening(
            browser, watch, self._page, why=self._why, mend=self._mend_crash, emit=self._emit
        )
        try:
            await watch.start()
            await self._opening.run()
            await watch.ignore_requests()
        except PageEnded:
            raise
        except CaptureError as error:
            await self._keep_evidence(error)
            raise
        except (TimeoutError, RuntimeError, ConnectionError) as error:
            raise PipelineError(
                f"The browser does not answer: {error!r}; {browser.child.last_words()}"
            ) from error

    async def _unless_lost(self, work: Coroutine[None, None, None]) -> None:
        """Do the work unless something dies first: then its error counts, not what came of it."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self.closed}, return_when=asyncio.FIRST_COMPLETED)
            if self.closed.done():
                self.closed.result()
            await task
        finally:
            task.cancel()

    def choose(self, users: tuple[str, ...]) -> None:
        """Do nothing: a page has no users."""

    def play(self, stage: Stage) -> None:
        """Push what the display shows and what the page plays, from now on."""
        if self._screen is None or self._sound is None:
            return
        stage.on_broken = lambda name: self._lost(PipelineError(f"The page's {name} could not be recorded."))
        self._screen.play(stage.add_video(order=(0, 0), screen=True), base_time=stage.base_time)
        self._sound.play(stage.add_audio(even=True, begins_after=self._sound_begins_after()))
        for change in (Change.JOINED, Change.VIDEO_ON, Change.AUDIO_ON):
            self._emit(Participant(identity=PAGE, change=change))
        self._guards = [asyncio.ensure_future(self._follow()), asyncio.ensure_future(self._feel_pulse())]
        for guard in self._guards:
            guard.add_done_callback(self._guard_ended)

    def _sound_begins_after(self) -> int:
        """Give how much later than it is gathered a piece of sound belongs to the picture.

        The sink hands a piece out when it begins to play. What a page draws at the same moment is on the display two
        refreshes later (measured: 66 ms at 30 Hz).
        """
        refresh = refresh_rate(self._config.frame_rate)
        return PIECE_MS * MILLISECOND + REFRESHES_TO_THE_DISPLAY * SECOND // refresh

    async def leave(self) -> None:
        """End the browser and all that belongs to it."""
        for guard in self._guards:
            guard.cancel()
        self.closed.cancel()
        if self._screen is not None:
            await asyncio.to_thread(self._screen.end)
        ends = [part.end() for part in (self._browser, self._sound, self._display) if part is not None]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                asyncio.gather(*ends, self._proxy.close(), return_exceptions=True), LEAVE_SECONDS
            )
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _start_all(self, *, sandbox: bool) -> None:
        config = self._config
        size = {"width": config.width, "height": config.height}
        self._display = display = await Display.start(
            **size, frame_rate=config.frame_rate, folder=self._folder
        )
        self._watch_child(display.child, "display")
        self._sound = sound = await Sound.start(
            sample_rate=config.sample_rate, channels=config.channels, folder=self._folder
        )
        self._watch_child(sound.server, "sound server")
        await sound.listen(on_lost=self._lost_in_thread)
        port = await self._proxy.start()
        self._browser = browser = await Browser.start(
            BrowserConfig(
                display=display.name, sound=sound.address, sink=SINK, proxy_port=port, **size,
                web_gl=self._page.web_gl, sandbox=sandbox, folder=self._folder,
            )
        )  # fmt: skip
        self._watch_child(browser.child, "browser")
        # a page can do this to us, by a message that is too large: it counts as one that hangs
        browser.when_deaf(lambda: self._lost(PageHung("The browser can't be talked to any more.")))
        self._screen = Screen(
            display.name, **size, frame_rate=config.frame_rate, on_lost=self._lost_in_thread
        )

    def _watch_child(self, child: Child, what: str) -> None:
        child.ended.add_done_callback(
            lambda _: self._lost(PipelineError(f"The {what} ended: {child.last_words()}"))
        )

    async def _follow(self) -> None:
        """Act on what the page does while it is recorded."""
        assert self._watch is not None  # noqa: S101 - join() made it; for the type checker
        while not self.closed.done():
            try:
                await self._judge(self._watch.facts)
            except PageEnded as end:
                return self._lost(end)
            except CaptureError as error:
                await self._keep_evidence(error)
                return self._lost(error)
            await self._watch.next_change(seconds=HEARTBEAT_SECONDS)
        return None

    async def _judge(self, facts: PageFacts) -> None:
        """Mend what can be mended; raise what can't, and the page's own end."""
        assert self._opening is not None  # noqa: S101 - as above
        if facts.ended_at is not None:
            raise PageEnded(f"The page logged {END_MARK}.", at=facts.ended_at)
        if facts.crashed:
            await self._mend_crash()
        self._opening.look_for_error_page()
        self._opening.tell_loaded()

    async def _mend_crash(self) -> None:
        """Load the page again that has broken its tab; raise when it has done so too often."""
        assert self._watch is not None  # noqa: S101 - as above
        assert self._browser is not None  # noqa: S101
        if not self._crashes.allow(now=time.monotonic()):
            raise PageCrashed(
                f"The page broke its browser tab {RELOADS + 1} times within "
                f"{RELOAD_WINDOW_SECONDS / 60:.0f} minutes."
            )
        self._watch.facts.crashed = False
        log.warning("the page broke its tab and is loaded again")
        self._emit(PageSeen(reloaded=True))
        try:
            await self._browser.call(self._browser.client.send.Page.reload)
        except (TimeoutError, RuntimeError, ConnectionError) as error:
            raise PipelineError(f"The page broke its tab and can't be loaded again: {error!r}") from error

    async def _feel_pulse(self) -> None:
        """Give the page up that answers nothing, for loading it again would need its answer; and the display."""
        missed = 0
        while self._browser is not None and self._screen is not None:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if (seconds := self._screen.overdue_seconds()) > HEARTBEAT_SECONDS:
                return self._lost(PipelineError(f"The display has not answered for {seconds:.0f} s."))
            try:
                with contextlib.suppress(RuntimeError):  # between two documents: that is an answer, too
                    await self._browser.evaluate("1", seconds=HEARTBEAT_SECONDS)
            except TimeoutError:
                missed += 1
            except ConnectionError as error:
                return self._lost(PageHung(f"The browser can't be talked to any more: {error}."))
            else:
                missed = 0
            if missed >= HEARTBEATS_MISSED:
                waited = HEARTBEATS_MISSED * 2 * HEARTBEAT_SECONDS
                hung = PageHung(f"The page has not answered for {waited:.0f} s: something in it never ends.")
                await self._keep_evidence(hung, picture=False)
                return self._lost(hung)
        return None

    def _guard_ended(self, guard: "asyncio.Task[None]") -> None:
        if not guard.cancelled() and (error := guard.exception()) is not None:
            log.error("a guard of the page failed", exc_info=error)
            self._lost(PipelineError(f"The page is no longer watched: {type(error).__name__}: {error}."))

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

    async def _keep_evidence(self, error: CaptureError, *, picture: bool = True) -> None:
        if self._browser is not None and self._watch is not None:
            await keep_evidence(
                self._browser, self._watch.facts, error,
                spool=Path(self._config.spool), emit=self._emit, picture=picture,
            )  # fmt: skip
