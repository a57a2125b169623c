"""What a page does, as DevTools tells it: how far it has loaded, what it logs, when it breaks.

In: DevTools' events of one page. Out: facts to look at and `changed`, which is set with each new one.
Must not: act on the page, but for what cannot wait (a dialog holds everything up); decide what the facts mean.
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from egress_api.page import END_MARK, START_MARK
from egress_recorder.capture.browser import Browser
from egress_recorder.capture.page_words import without_queries

log = logging.getLogger(__name__)

LINES_KEPT = 50
LINE_LENGTH = 500
LONGEST_TEXT = 10_000
ABORTED = "net::ERR_ABORTED"


@dataclass
class PageFacts:
    """The page as it is now."""

    url: str = ""
    """Of the document: where redirects have led to."""
    loader: str | None = None
    """Of the document that is shown; events of others, that were never shown, don't count."""
    http_status: int | None = None
    failed: str | None = None
    """Why the newest document could not be had, in Chromium's words."""
    unreachable: str | None = None
    """The URL in whose place the browser shows an error page of its own."""
    loaded_at: float | None = None
    """When it had loaded, in seconds of CLOCK_MONOTONIC."""
    painted: bool = False
    start_mark: bool = False
    ended_at: int | None = None
    """When the page logged END_RECORDING, in nanoseconds of CLOCK_MONOTONIC."""
    crashed: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    """The last lines of its console."""

    @property
    def loaded(self) -> bool:
        """Whether the document that is shown has loaded."""
        return self.loaded_at is not None

    def begin(self, url: str) -> None:
        """Forget what belongs to the documents before: this one is opened now."""
        self.url, self.loader = url, None
        self.http_status = self.failed = self.unreachable = self.loaded_at = self.ended_at = None
        self.painted = self.start_mark = self.crashed = False


class PageWatch:
    """Keeps the facts of a browser's page."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.facts = PageFacts()
        self.changed = asyncio.Event()
        self._document: str | None = None
        self._before: tuple[str, int | None] = ("", None)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen. Raises what `Browser.call` raises."""
        browser, on = self._browser, self._browser.client.register
        send = browser.client.send
        on.Page.lifecycleEvent(self._of_page(self._on_lifecycle))
        on.Page.frameNavigated(self._of_page(self._on_navigated))
        on.Page.javascriptDialogOpening(self._of_page(self._on_dialog))
        on.Network.requestWillBeSent(self._of_page(self._on_request))
        on.Network.responseReceived(self._of_page(self._on_response))
        on.Network.loadingFailed(self._of_page(self._on_failure))
        on.Runtime.consoleAPICalled(self._of_page(self._on_console))
        on.Runtime.exceptionThrown(self._of_page(self._on_exception))
        on.Log.entryAdded(self._of_page(self._on_entry))
        on.Inspector.targetCrashed(self._of_page(self._on_crash))
        on.Target.targetCreated(self._on_target)
        for command in (send.Page.enable, send.Network.enable, send.Runtime.enable, send.Log.enable):
            await browser.call(command)
        await browser.call(send.Inspector.enable)
        await browser.call(send.Page.setLifecycleEventsEnabled, {"enabled": True})
        await browser.call_browser(send.Target.setDiscoverTargets, {"discover": True})
        await browser.call_browser(send.Browser.setDownloadBehavior, {"behavior": "deny"})

    async def ignore_requests(self) -> None:
        """Hear no more of single requests: a busy page makes many."""
        await self._browser.call(self._browser.client.send.Network.disable)

    async def next_change(self, *, seconds: float) -> None:
        """Wait until something is new, or for so long."""
        try:
            await asyncio.wait_for(self.changed.wait(), max(seconds, 0.0))
        except TimeoutError:
            return
        self.changed.clear()

    def _of_page(self, handler: Callable[[Any], None]) -> Callable[[Any, str | None], None]:
        def handle(event: Any, session: str | None) -> None:
            if session == self._browser.session:
                handler(event)

        return handle

    def _is_main(self, event: Any) -> bool:
        # A page's main frame has its target's id.
        return bool(event.get("frameId") == self._browser.target)

    def _note(self) -> None:
        self.changed.set()

    def _on_navigated(self, event: Any) -> None:
        frame = event["frame"]
        if frame["id"] == self._browser.target:
            self.facts.unreachable = frame.get("unreachableUrl")
            # an error page's own address says nothing
            self.facts.url = self.facts.unreachable or frame["url"]
            self._note()

    def _on_lifecycle(self, event: Any) -> None:
        if not self._is_main(event):
            return
        facts = self.facts
        if event["name"] == "init":
            facts.loader, facts.loaded_at, facts.painted = event["loaderId"], None, False
        elif event["loaderId"] != facts.loader:
            return
        elif event["name"] == "load":
            facts.loaded_at = time.monotonic()
        elif event["name"] == "firstContentfulPaint":
            facts.painted = True
        self._note()

    def _on_request(self, event: Any) -> None:
        if event.get("type") == "Document" and self._is_main(event):
            if event["requestId"] != self._document:  # a redirect keeps the id
                self._before = self.facts.url, self.facts.http_status
            self._document = event["requestId"]
            self.facts.url = event["request"]["url"]

    def _on_response(self, event: Any) -> None:
        if event["requestId"] == self._document:
            self.facts.http_status = event["response"]["status"]
            self._note()

    def _on_failure(self, event: Any) -> None:
        # what is aborted was a download, or gave way to another document: the one that is shown stays
        said = event.get("errorText")
        if event["requestId"] != self._document or not said:
            return
        if said != ABORTED:
            self.facts.failed = said
            self._note()
        elif self.facts.loader is not None:
            self.facts.url, self.facts.http_status = self._before

    def _on_console(self, event: Any) -> None:
        text = " ".join(_shown(argument) for argument in event["args"])
        self._line(event["type"], text)
        if text.strip() == START_MARK:
            self.facts.start_mark = True
            self._note()
        elif text.strip() == END_MARK and self.facts.ended_at is None:
            ago = max(0.0, time.time() - event["timestamp"] / 1000)
            self.facts.ended_at = time.monotonic_ns() - int(ago * 1e9)
            self._note()

    def _on_exception(self, event: Any) -> None:
        details = event["exceptionDetails"]
        thrown = details.get("exception")
        said = _shown(thrown) if thrown else details.get("text", "")
        self._line("exception", said)

    def _on_entry(self, event: Any) -> None:
        self._line(event["entry"]["level"], event["entry"]["text"])

    def _line(self, kind: str, text: str) -> None:
        self.facts.lines.append(f"{kind}: {without_queries(text[:LONGEST_TEXT])}"[:LINE_LENGTH])

    def _on_crash(self, _event: Any) -> None:
        # what it had done is gone with it: the page that is loaded again has to do it anew
        facts = self.facts
        facts.crashed, facts.loaded_at, facts.painted, facts.start_mark = True, None, False, False
        self._note()

    def _on_dialog(self, event: Any) -> None:
        """Answer a dialog as somebody who is not there: a page may leave, and nothing is confirmed."""
        self._line("dialog", f"{event['type']} {event['message']}")
        accept = event["type"] in {"alert", "beforeunload"}
        command = self._browser.client.send.Page.handleJavaScriptDialog
        self._soon(self._browser.call(command, {"accept": accept}))

    def _on_target(self, event: Any, _session: str | None) -> None:
        """Close every window but the page's own."""
        found = event["targetInfo"]
        browsers_own = found["url"].startswith("chrome:")  # such as what would drop down from the address bar
        if found["type"] == "page" and found["targetId"] != self._browser.target and not browsers_own:
            self._line("window", f"a window was opened and closed: {found['url']}")
            close = self._browser.client.send.Target.closeTarget
            self._soon(self._browser.call_browser(close, {"targetId": found["targetId"]}))

    def _soon(self, call: Awaitable[Any]) -> None:
        async def run() -> None:
            try:
                await call
            except (TimeoutError, RuntimeError, ConnectionError) as error:
                log.info("the browser did not do as asked: %s", error)

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shown(argument: Any) -> str:
    """Write a console argument as the console shows it, more or less."""
    if "value" in argument:
        value = argument["value"]
        return value if isinstance(value, str) else json.dumps(value)
    return str(argument.get("description") or argument.get("unserializableValue") or argument["type"])
