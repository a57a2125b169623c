"""A browser's DevTools for tests: a real websocket that answers commands and plays events, both given as data.

In: answers by command, events in the shape and the order in which Chromium 156 sends them. Out: a real `Browser` that
talks to it, and the commands that came. Must not: know what the events mean. Its program is one that does nothing.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from cdp_use.client import CDPClient
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from egress_recorder.capture.browser import Browser
from egress_recorder.capture.children import start_child

TARGET, SESSION = "PAGE", "SESSION"
URL = "http://pages.example/clock?token=SECRET"
ERROR_PAGE = "chrome-error://chromewebdata/"
LARGEST_MESSAGE = 1 << 16

Event = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a command is answered with, and the events around it."""

    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    before: tuple[Event, ...] = ()
    after: tuple[Event, ...] = ()
    silent: bool = False
    """No answer ever comes."""


class DevTools:
    """Answers the commands of one browser's client."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        """By command: each one takes the next answer, the last one stays; all others are answered with {}."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Condition()
        self._socket: ServerConnection | None = None

    def of(self, command: str) -> list[dict[str, Any]]:
        """Give the parameters with which this was asked."""
        return [parameters for name, parameters in self.asked if name == command]

    async def until_asked(self, command: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait until this was asked so many times; the test's own time limit is the deadline."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.of(command)) >= times)
        return self.of(command)

    async def play(self, *events: Event) -> None:
        """Send events."""
        assert self._socket is not None
        for event in events:
            await self._socket.send(json.dumps(event))

    async def cut(self) -> None:
        """End the connection."""
        assert self._socket is not None
        await self._socket.close()

    async def serve(self, socket: ServerConnection) -> None:
        self._socket = socket
        with suppress(ConnectionClosed):
            async for message in socket:
                await self._answer(json.loads(message))

    async def _answer(self, asked: dict[str, Any]) -> None:
        async with self._news:
            self.asked.append((asked["method"], asked["params"]))
            self._news.notify_all()
        answers = self.answers.get(asked["method"], [Answer()])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        await self.play(*answer.before)
        if not answer.silent:
            said = {"error": {"message": answer.error}} if answer.error else {"result": answer.result}
            await self.play({"id": asked["id"], **said})
        await self.play(*answer.after)


@dataclass(frozen=True)
class Tab:
    """A browser and the DevTools behind it."""

    browser: Browser
    devtools: DevTools

    async def told(self, *events: Event) -> None:
        """Send events, and wait until they are handled: answers come behind them."""
        await self.devtools.play(*events)
        await self.browser.call_browser(self.browser.client.send.Browser.getVersion, {})


@asynccontextmanager
async def browsing() -> AsyncIterator[Tab]:
    """Give a browser whose page is TARGET, in session SESSION."""
    devtools = DevTools()
    async with serve(devtools.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client = CDPClient(f"ws://127.0.0.1:{port}", max_ws_frame_size=LARGEST_MESSAGE)
        await client.start()
        child = await start_child("sleep", ["600"], environment={})
        browser = Browser(child, client=client, target=TARGET, session=SESSION)
        try:
            yield Tab(browser, devtools)
        finally:
            await browser.end()


def event(method: str, session: str | None = SESSION, **parameters: Any) -> Event:
    return {"method": method, "params": parameters, "sessionId": session}


def request(loader: str, url: str = URL, *, frame: str = TARGET, kind: str = "Document") -> Event:
    # of a document, the request's id is its loader's
    return event(
        "Network.requestWillBeSent", requestId=loader, frameId=frame, type=kind, request={"url": url}
    )


def response(loader: str, status: int = 200) -> Event:
    return event("Network.responseReceived", requestId=loader, response={"status": status})


def loading_failed(loader: str, said: str) -> Event:
    return event("Network.loadingFailed", requestId=loader, errorText=said)


def lifecycle(name: str, loader: str, *, frame: str = TARGET) -> Event:
    return event("Page.lifecycleEvent", frameId=frame, loaderId=loader, name=name)


def navigated(loader: str, url: str = URL, *, frame: str = TARGET, unreachable: str | None = None) -> Event:
    instead = {} if unreachable is None else {"unreachableUrl": unreachable}
    return event("Page.frameNavigated", frame={"id": frame, "loaderId": loader, "url": url, **instead})


def shown(loader: str, url: str = URL) -> tuple[Event, ...]:
    """A document takes the place of the one before."""
    return lifecycle("init", loader), navigated(loader, url)


def ready(loader: str) -> tuple[Event, ...]:
    return lifecycle("load", loader), lifecycle("firstContentfulPaint", loader)


def unreachable(loader: str, url: str) -> tuple[Event, ...]:
    """The browser's own error page takes a document's place; it loads and paints as any other."""
    return lifecycle("init", loader), navigated(loader, ERROR_PAGE, unreachable=url), *ready(loader)


def console(*words: Any, kind: str = "log", session: str = SESSION, ago: float = 0.0) -> Event:
    """A line of the console; words that are no objects of DevTools are strings."""
    return event(
        "Runtime.consoleAPICalled",
        session,
        type=kind,
        args=[word if isinstance(word, dict) else {"type": "string", "value": word} for word in words],
        timestamp=(time.time() - ago) * 1000,
    )


def crashed(session: str = SESSION) -> Event:
    return event("Inspector.targetCrashed", session)


def dialog(kind: str, message: str = "Really?") -> Event:
    return event("Page.javascriptDialogOpening", type=kind, message=message, url=URL)


def window(target: str, url: str, *, kind: str = "page") -> Event:
    return event("Target.targetCreated", None, targetInfo={"targetId": target, "url": url, "type": kind})


def opened(loader: str, *then: Event, status: int = 200) -> Answer:
    """Page.navigate's answer for a document that is there, and what follows."""
    return Answer(
        {"frameId": TARGET, "loaderId": loader, "isDownload": False},
        before=(request(loader), response(loader, status)),
        after=(*shown(loader), *then),
    )


def not_opened(said: str, *, url: str = URL, status: int | None = None, download: bool = False) -> Answer:
    """Page.navigate's answer for one that is not, and the browser's error page: what is aborted leaves none.

    Chromium shows it 10 to 25 ms later; here it comes at once, and may be seen before the answer is looked at.
    """
    answered = () if status is None else (response("X", status),)
    return Answer(
        {"frameId": TARGET, "loaderId": "X", "isDownload": download, "errorText": said},
        before=(request("X", url), *answered, loading_failed("X", said)),
        after=() if said == "net::ERR_ABORTED" else unreachable("X", url),
    )
