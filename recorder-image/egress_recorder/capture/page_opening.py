"""Opens the page and waits until it may be recorded: the start rule.

In: a browser that shows nothing yet, the rule. Out: nothing, when the page is ready; each step as an event; an error
that says which step failed and why. Must not: start the browser, look at a picture.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

from egress_api.page import END_MARK, START_MARK, StartWhen
from egress_recorder.capture.browser import Browser
from egress_recorder.capture.config import PageConfig
from egress_recorder.capture.errors import CaptureError, PageEnded, PageNotReady, PageUnreachable
from egress_recorder.capture.events import Event, PageSeen, PageStep, PageStepped
from egress_recorder.capture.page_watch import ABORTED, PageWatch
from egress_recorder.capture.page_words import (
    Why,
    opening_error,
    shown_host,
    status_error,
    worth_another_try,
)

log = logging.getLogger(__name__)

TRIES = 3
TRY_PAUSE_SECONDS = 1.0
STATUS_SECONDS = 1.0
"""The answer's status may be told a moment after the page has been opened."""
SELECTOR_SECONDS = 0.1
RELOAD_SECONDS = 10.0
"""For a page that is opened again while it is recorded to load and show itself."""
BLANK_SECONDS = 2.0
"""A page of frames or of a video alone never has a first contentful paint: so long after its load it is ready, too."""
_ERROR_STATUS = 400
_EMPTY_STATUSES = (204, 205)


class Opening:
    """One page on its way to being recorded."""

    def __init__(
        self,
        browser: Browser,
        watch: PageWatch,
        page: PageConfig,
        *,
        why: Callable[[str], Why | None],
        mend: Callable[[], Awaitable[None]],
        emit: Callable[[Event], None],
    ) -> None:
        """Prepare.

        Args:
            browser: with an empty page.
            watch: that listens to it.
            page: what to open, and the rule.
            why: what the proxy says of a URL's host, if it refused it.
            mend: loads a page that has crashed again, or raises.
            emit: takes the steps.
        """
        self._browser, self._watch, self._page = browser, watch, page
        self._why, self._mend, self._emit = why, mend, emit
        self._loaded_told = False

    async def run(self) -> None:
        """Open the page and wait for the rule. Raises CaptureError."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._page.start_timeout_seconds
        try:
            await self._open(deadline)
            await self._until_ready(clock() + RELOAD_SECONDS if self._page.goes_on else deadline)
        except CaptureError as error:
            self._tell_failure(error)
            raise

    def tell_loaded(self) -> None:
        """Tell that the page has loaded, once it has; with some rules it does so after it is ready."""
        if self._watch.facts.loaded and not self._loaded_told:
            self._loaded_told = True
            self._step(PageStep.LOADED, reason="Loaded", message="The page has loaded.")

    def look_for_error_page(self) -> None:
        """Raise what keeps the browser from showing what the page has led to."""
        facts = self._watch.facts
        if facts.unreachable is not None:
            url, why = facts.unreachable, self._why(facts.unreachable)
            said = facts.failed or ("ERR_SOCKS_CONNECTION_FAILED" if why else "ERR_FAILED")
            raise opening_error(said, url=url, why=why)

    async def _open(self, deadline: float) -> None:
        clock, tries = asyncio.get_running_loop().time, 0
        while (error := await self._try_to_open(deadline)) is not None:
            tries += 1
            log.info("not opened yet: %s", error.message)
            if not worth_another_try(error) or tries >= TRIES or clock() + TRY_PAUSE_SECONDS >= deadline:
                raise error
            await asyncio.sleep(TRY_PAUSE_SECONDS)

    async def _try_to_open(self, deadline: float) -> CaptureError | None:
        left = deadline - asyncio.get_running_loop().time()
        facts, url = self._watch.facts, self._page.url
        facts.begin(url)
        try:
            answer = await self._browser.call(
                self._browser.client.send.Page.navigate, {"url": url}, seconds=max(left, 0.1)
            )
        except TimeoutError:
            waited = self._page.start_timeout_seconds
            return PageUnreachable(f"{shown_host(url)} did not answer within {waited:g} s.")
        said = answer.get("errorText")
        superseded = said == ABORTED and not answer.get("isDownload")
        if said and not superseded and facts.http_status is None:
            return opening_error(said, url=facts.url, why=self._why(facts.url))
        status = await self._status()
        if status is not None:
            self._emit(PageSeen(http_status=status))
            if status >= _ERROR_STATUS:
                return status_error(status, url=facts.url, was_there=self._page.goes_on)
        if said and (not superseded or status in _EMPTY_STATUSES):
            return opening_error(said, url=facts.url, why=self._why(facts.url))
        return None

    async def _status(self) -> int | None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + STATUS_SECONDS
        while self._watch.facts.http_status is None and clock() < deadline:
            await self._watch.next_change(seconds=deadline - clock())
        return self._watch.facts.http_status

    async def _until_ready(self, deadline: float) -> None:
        clock = asyncio.get_running_loop().time
        pause = SELECTOR_SECONDS if self._page.start_when == StartWhen.SELECTOR else BLANK_SECONDS
        while True:
            facts = self._watch.facts
            if facts.ended_at is not None:
                raise PageEnded(f"The page logged {END_MARK} before it was recorded.", at=facts.ended_at)
            if facts.crashed:
                await self._mend()
            self.look_for_error_page()
            self.tell_loaded()
            if await self._met():
                return None
            left = deadline - clock()
            if left <= 0:
                return self._time_is_up()
            await self._watch.next_change(seconds=min(left, pause))

    async def _met(self) -> bool:
        """Look whether the rule is met, and tell."""
        facts = self._watch.facts
        match self._page.start_when:
            case StartWhen.CONSOLE:
                met, reason, message = facts.start_mark, "StartMarkLogged", f"The page logged {START_MARK}."
            case StartWhen.SELECTOR:
                met = await self._selected()
                reason, message = "SelectorFound", f"An element matches {self._page.selector}."
            case _:
                met = facts.loaded and (facts.painted or self._blank_seconds() >= BLANK_SECONDS)
                reason, message = "LoadedAndPainted", "The page has loaded and shows something."
                if not facts.painted:
                    reason = "Loaded"
                    message = "The page has loaded; it has no text or picture outside of frames and videos."
        if met:
            self._step(PageStep.READY, reason=reason, message=message)
        return met

    def _blank_seconds(self) -> float:
        loaded_at = self._watch.facts.loaded_at
        return time.monotonic() - loaded_at if loaded_at is not None else 0.0

    async def _selected(self) -> bool:
        quoted = json.dumps(self._page.selector)
        look = (
            f"(() => {{ try {{ return document.querySelector({quoted}) ? 1 : 0 }} catch {{ return -1 }} }})()"
        )
        try:
            found = await self._browser.evaluate(look, seconds=1.0)
        except (TimeoutError, RuntimeError):  # busy, or between two documents: asked again
            return False
        if found == -1:
            raise PageNotReady(f"start.selector is not a CSS selector: {self._page.selector}")
        return bool(found == 1)

    def _time_is_up(self) -> None:
        facts, waited = self._watch.facts, f"{self._waited():g} s"
        match self._page.start_when:
            case StartWhen.CONSOLE:
                missing = f"did not log {START_MARK}"
            case StartWhen.SELECTOR:
                missing = f"had no element that matches {self._page.selector}"
            case _:
                missing = "has loaded and showed nothing" if facts.loaded else "did not finish loading"
        if not self._page.start_anyway:
            raise PageNotReady(f"The page {missing} within {waited} (start.timeoutSeconds).")
        self._step(
            PageStep.READY,
            reason="TimedOut",
            message=f"The page {missing} within {waited}; it is recorded as it is (start.onTimeout).",
        )

    def _waited(self) -> float:
        return RELOAD_SECONDS if self._page.goes_on else self._page.start_timeout_seconds

    def _tell_failure(self, error: CaptureError) -> None:
        step = PageStep.READY if self._loaded_told else PageStep.LOADED
        self._step(step, done=False, reason=error.reason, message=error.message)
        if step is PageStep.LOADED:
            self._step(PageStep.READY, done=False, reason=error.reason, message="The page has not loaded.")

    def _step(self, step: PageStep, *, reason: str, message: str, done: bool = True) -> None:
        self._emit(PageStepped(step=step, done=done, reason=reason, message=message))
