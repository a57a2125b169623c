"""How a page comes to be recorded or not: what DevTools plays, the rule, and what a user is told of each step."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from egress_recorder.capture import page_opening
from egress_recorder.capture.config import PageConfig
from egress_recorder.capture.errors import (
    CaptureError,
    PageCrashed,
    PageEnded,
    PageForbidden,
    PageHttpError,
    PageInsecure,
    PageNotReady,
    PageUnreachable,
)
from egress_recorder.capture.events import Event, PageSeen, PageStep, PageStepped
from egress_recorder.capture.page_opening import Opening
from egress_recorder.capture.page_watch import PageWatch
from support.devtools import (
    TARGET,
    URL,
    Answer,
    Tab,
    browsing,
    console,
    crashed,
    lifecycle,
    loading_failed,
    not_opened,
    opened,
    ready,
    request,
    response,
    shown,
    unreachable,
)

OTHER = "http://other.example/next"
INSIDE, DEAD = "http://inside.example/", "http://dead.example/"
LOAD = PageConfig(url=URL)
CONSOLE = PageConfig(url=URL, start_when="console")
SELECTOR = PageConfig(url=URL, start_when="selector", selector="#stage")
SOON: dict[str, Any] = {"url": URL, "start_timeout_seconds": 0.3}
"""For what has to end by its deadline."""

REFUSED = "net::ERR_SOCKS_CONNECTION_FAILED"
ABORTED = "net::ERR_ABORTED"
LOADED = ("loaded", True, "Loaded")
READY = ("ready", True, "LoadedAndPainted")


@dataclass(frozen=True)
class Why:
    """What the proxy says."""

    kind: str
    message: str


FORBIDDEN = Why("forbidden", "it leads to a private address.")
NO_ANSWER = Why("refused", "the connection was refused.")


@dataclass
class Bench:
    """A page's opening, and what comes of it."""

    tab: Tab
    watch: PageWatch
    why: dict[str, Why] = field(default_factory=dict)
    unmendable: CaptureError | None = None
    mended: int = 0
    events: list[Event] = field(default_factory=list)

    async def open(self, page: PageConfig, *answers: Answer) -> None:
        self.tab.devtools.answers["Page.navigate"] = list(answers)
        opening = Opening(
            self.tab.browser, self.watch, page, why=self.why.get, mend=self._mend, emit=self.events.append
        )
        await opening.run()

    async def _mend(self) -> None:
        if self.unmendable is not None:
            raise self.unmendable
        self.mended += 1
        self.watch.facts.crashed = False
        await self.tab.browser.call(self.tab.browser.client.send.Page.reload)

    def steps(self) -> list[tuple[str, bool, str]]:
        return [
            (event.step.value, event.done, event.reason)
            for event in self.events
            if isinstance(event, PageStepped)
        ]

    def statuses(self) -> list[int | None]:
        return [event.http_status for event in self.events if isinstance(event, PageSeen)]

    def tries(self) -> int:
        return len(self.tab.devtools.of("Page.navigate"))


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_opening, "TRY_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(page_opening, "STATUS_SECONDS", 0.05)
    monkeypatch.setattr(page_opening, "SELECTOR_SECONDS", 0.01)
    monkeypatch.setattr(page_opening, "RELOAD_SECONDS", 0.15)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with browsing() as tab:
        watch = PageWatch(tab.browser)
        await watch.start()
        yield Bench(tab, watch)


def looked(value: int) -> Answer:
    """What a look for the selector gives: 1 found, 0 not, -1 not a selector."""
    return Answer({"result": {"type": "number", "value": value}})


STARTS: dict[str, tuple[PageConfig, Answer, list[tuple[str, bool, str]]]] = {
    "it loads and paints": (LOAD, opened("A", *ready("A")), [LOADED, READY]),
    "it paints and loads": (LOAD, opened("A", *reversed(ready("A"))), [LOADED, READY]),
    "it leads on at once": (
        LOAD,
        opened("A", request("B", OTHER), response("B"), *shown("B", OTHER), *ready("B")),
        [LOADED, READY],
    ),
    "it begins a download as it loads": (
        LOAD,
        opened("A", request("D", OTHER), response("D"), loading_failed("D", ABORTED), *ready("A")),
        [LOADED, READY],
    ),
    "it begins a download when it has loaded": (
        LOAD,
        opened("A", ready("A")[0], request("D", OTHER), loading_failed("D", ABORTED), ready("A")[1]),
        [LOADED, READY],
    ),
    "it gives way before it is shown": (
        LOAD,
        Answer(
            {"frameId": TARGET, "loaderId": "A", "errorText": ABORTED, "isDownload": False},
            before=(request("A"), request("B", OTHER), loading_failed("A", ABORTED)),
            after=(response("B"), *shown("B", OTHER), *ready("B")),
        ),
        [LOADED, READY],
    ),
    "it logs the mark and never loads": (
        CONSOLE,
        opened("A", console("START_RECORDING")),
        [("ready", True, "StartMarkLogged")],
    ),
    "it loads and logs the mark": (
        CONSOLE,
        opened("A", *ready("A"), console("START_RECORDING")),
        [LOADED, ("ready", True, "StartMarkLogged")],
    ),
}


@pytest.mark.parametrize(("page", "answer", "steps"), STARTS.values(), ids=STARTS)
async def test_a_page_is_ready_when(
    bench: Bench, page: PageConfig, answer: Answer, steps: list[tuple[str, bool, str]]
) -> None:
    await bench.open(page, answer)
    assert bench.steps() == steps
    assert bench.statuses() == [200]
    assert bench.tab.devtools.of("Page.navigate") == [{"url": URL}]


async def test_a_page_of_frames_or_of_a_video_is_ready_a_moment_after_its_load(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_opening, "BLANK_SECONDS", 0.05)
    await bench.open(LOAD, opened("A", lifecycle("load", "A")))
    assert bench.steps() == [LOADED, ("ready", True, "Loaded")]


async def test_a_selector_is_looked_for_until_it_is_there(bench: Bench) -> None:
    between_two_documents = Answer(error="Cannot find default execution context")
    bench.tab.devtools.answers["Runtime.evaluate"] = [looked(0), between_two_documents, looked(0), looked(1)]
    await bench.open(SELECTOR, opened("A"))
    assert bench.steps() == [("ready", True, "SelectorFound")]
    assert '"#stage"' in bench.tab.devtools.of("Runtime.evaluate")[0]["expression"]


@dataclass(frozen=True)
class Failure:
    """A page that is not recorded, and what is said of it."""

    page: PageConfig
    answer: Answer
    error: type[CaptureError]
    says: str
    tries: int = 1


FAILURES: dict[str, Failure] = {
    "404": Failure(LOAD, opened("A", *ready("A"), status=404), PageHttpError, "HTTP status 404"),
    "503 and 503 again": Failure(LOAD, opened("A", status=503), PageHttpError, "HTTP status 503", 3),
    "503 without a body": Failure(
        LOAD, not_opened("net::ERR_HTTP_RESPONSE_CODE_FAILURE", status=503), PageHttpError, "status 503", 3,
    ),
    "503 where it was recorded before": Failure(
        PageConfig(url=URL, goes_on=True), opened("A", status=503), PageUnreachable, "HTTP status 503", 3,
    ),
    "404 where it was recorded before": Failure(
        PageConfig(url=URL, goes_on=True), opened("A", status=404), PageHttpError, "HTTP status 404",
    ),
    "the rules forbid it": Failure(
        LOAD, not_opened(REFUSED, url=INSIDE), PageForbidden, "a private address",
    ),
    "nobody answers": Failure(
        LOAD, not_opened(REFUSED, url=DEAD), PageUnreachable, "connection was refused", 3,
    ),
    "the proxy knows of nothing": Failure(LOAD, not_opened(REFUSED), PageUnreachable, "could not be reached", 3),
    "TLS": Failure(LOAD, not_opened("net::ERR_CERT_DATE_INVALID"), PageInsecure, "certificate"),
    "redirects": Failure(LOAD, not_opened("net::ERR_TOO_MANY_REDIRECTS"), PageHttpError, "in a circle"),
    "a download": Failure(
        LOAD, not_opened(ABORTED, status=200, download=True), PageHttpError, "something to download",
    ),
    "nothing": Failure(LOAD, not_opened(ABORTED, status=204), PageHttpError, "nothing at all"),
    "no answer": Failure(PageConfig(**SOON), Answer(silent=True), PageUnreachable, "did not answer within 0.3 s"),
    "it does not finish loading": Failure(
        PageConfig(**SOON), opened("A", ready("A")[1]), PageNotReady, "did not finish loading",
    ),
    "it gave way to nothing": Failure(
        PageConfig(**SOON), not_opened(ABORTED), PageNotReady, "did not finish loading",
    ),
    "it does not load where it was recorded before": Failure(
        PageConfig(url=URL, start_timeout_seconds=300, goes_on=True), opened("A"),
        PageNotReady, "did not finish loading within 0.15 s",
    ),
    "no mark": Failure(
        PageConfig(**SOON, start_when="console"), opened("A"), PageNotReady, "not log START_RECORDING",
    ),
    "no such element": Failure(
        PageConfig(**SOON, start_when="selector", selector="#no"), opened("A"), PageNotReady, "matches #no",
    ),
    "not a selector": Failure(
        PageConfig(url=URL, start_when="selector", selector="#["), opened("A"),
        PageNotReady, "is not a CSS selector: #[",
    ),
    "it ended before": Failure(CONSOLE, opened("A", console("END_RECORDING")), PageEnded, "before it was recorded"),
    "it leads where nobody is": Failure(
        CONSOLE,
        opened("A", request("B", OTHER), loading_failed("B", "net::ERR_TIMED_OUT"), *unreachable("B", OTHER)),
        PageUnreachable, "other.example could not be reached (ERR_TIMED_OUT)",
    ),
    "it leads where it may not": Failure(
        CONSOLE,
        opened(
            "A", request("B", INSIDE), loading_failed("B", REFUSED),
            *unreachable("B", INSIDE),
        ),
        PageForbidden, "inside.example could not be reached: it leads to a private address",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", FAILURES.values(), ids=FAILURES)
async def test_a_page_that_is_not_recorded_says_why(bench: Bench, row: Failure) -> None:
    bench.why = {INSIDE: FORBIDDEN, DEAD: NO_ANSWER}
    bench.tab.devtools.answers["Runtime.evaluate"] = [looked(-1 if row.page.selector == "#[" else 0)]
    with pytest.raises(row.error) as raised:
        await bench.open(row.page, row.answer)
    error = raised.value
    assert row.says in error.message
    assert "SECRET" not in error.message
    assert bench.tries() == row.tries
    assert bench.events[-2:] == [
        PageStepped(step=PageStep.LOADED, done=False, reason=error.reason, message=error.message),
        PageStepped(step=PageStep.READY, done=False, reason=error.reason, message="The page has not loaded."),
    ]


async def test_a_page_that_loads_and_shows_nothing_has_loaded_all_the_same(bench: Bench) -> None:
    with pytest.raises(PageNotReady, match="has loaded and showed nothing within"):
        await bench.open(PageConfig(**SOON), opened("A", lifecycle("load", "A")))
    assert bench.steps() == [LOADED, ("ready", False, "PageNotReady")]


async def test_a_page_is_recorded_as_it_is_when_its_time_is_up_and_the_task_says_so(bench: Bench) -> None:
    await bench.open(PageConfig(**SOON, start_when="console", start_anyway=True), opened("A", *ready("A")))
    assert bench.steps() == [LOADED, ("ready", True, "TimedOut")]


async def test_a_page_that_was_recorded_before_is_not_waited_for_as_long(bench: Bench) -> None:
    goes_on = PageConfig(url=URL, start_timeout_seconds=300, start_anyway=True, goes_on=True)
    await bench.open(goes_on, opened("A"))
    assert bench.steps() == [("ready", True, "TimedOut")]
    assert isinstance(told := bench.events[-1], PageStepped)
    assert "did not finish loading within 0.15 s" in told.message


async def test_a_page_that_is_there_at_the_third_try_is_recorded(bench: Bench) -> None:
    await bench.open(LOAD, not_opened(REFUSED), opened("A", status=502), opened("B", *ready("B")))
    assert bench.steps() == [LOADED, READY]
    assert bench.statuses() == [502, 200]


@pytest.mark.parametrize("when", ["load", "console"])
async def test_marks_of_the_try_before_start_nothing(bench: Bench, when: str) -> None:
    marks = (*shown("A"), *ready("A"), console("START_RECORDING"), console("END_RECORDING"))
    before = Answer(before=(request("A"), response("A", 503), *marks))
    not_shown_yet = Answer(before=(request("B"), response("B")))
    with pytest.raises(PageNotReady):
        await bench.open(PageConfig(**SOON, start_when=when), before, not_shown_yet)
    assert bench.tries() == 2


async def test_a_page_that_breaks_before_it_is_ready_is_mended(bench: Bench) -> None:
    bench.tab.devtools.answers["Page.reload"] = [
        Answer(after=(request("B"), response("B"), *shown("B"), *ready("B")))
    ]
    await bench.open(LOAD, opened("A", crashed()))
    assert bench.mended == 1
    assert bench.steps() == [LOADED, READY]


@pytest.mark.parametrize("when", ["load", "console"])
async def test_what_a_page_did_before_it_broke_starts_nothing(bench: Bench, when: str) -> None:
    did = (*shown("A"), *ready("A"), console("START_RECORDING"), crashed())
    with pytest.raises(PageNotReady):
        await bench.open(
            PageConfig(**SOON, start_when=when), Answer(before=(request("A"), response("A"), *did))
        )
    assert bench.mended == 1
    assert bench.steps() == [("loaded", False, "PageNotReady"), ("ready", False, "PageNotReady")]


async def test_a_page_that_breaks_too_often_before_it_is_ready_ends_its_recording(bench: Bench) -> None:
    bench.unmendable = PageCrashed("The page broke its browser tab 4 times.")
    with pytest.raises(PageCrashed):
        await bench.open(LOAD, opened("A", crashed()))
    assert bench.steps() == [("loaded", False, "PageCrashed"), ("ready", False, "PageCrashed")]


async def test_a_browser_that_is_gone_is_no_fault_of_the_page(bench: Bench) -> None:
    await bench.tab.devtools.cut()
    with pytest.raises(ConnectionError):
        await bench.open(LOAD, opened("A"))
    assert bench.steps() == []
