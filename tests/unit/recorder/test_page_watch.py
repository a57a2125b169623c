"""What is known of a page from what DevTools tells, in Chromium's own order of events."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from egress_recorder.capture.page_watch import LINE_LENGTH, LINES_KEPT, PageFacts, PageWatch
from support.devtools import (
    ERROR_PAGE,
    URL,
    Answer,
    Event,
    Tab,
    browsing,
    console,
    crashed,
    dialog,
    event,
    lifecycle,
    loading_failed,
    navigated,
    ready,
    request,
    response,
    shown,
    unreachable,
    window,
)

OTHER = "http://other.example/next"
OPENED = (request("A"), response("A"), *shown("A"))
SHOWN = (*OPENED, *ready("A"))
AWAY = (request("B", OTHER), loading_failed("B", "net::ERR_TIMED_OUT"), *unreachable("B", OTHER))


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with browsing() as given:
        yield given
        await given.told()  # whatever was asked for beside the test is answered before the browser ends


@pytest.fixture
async def watch(tab: Tab) -> PageWatch:
    watching = PageWatch(tab.browser)
    await watching.start()
    return watching


ROWS: dict[str, tuple[tuple[Event, ...], dict[str, Any]]] = {
    "a page on its way": (OPENED, {"http_status": 200, "loaded": False, "painted": False, "url": URL}),
    "a page that has loaded": ((*OPENED, ready("A")[0]), {"loaded": True, "painted": False}),
    "a page that has loaded and painted": (SHOWN, {"loaded": True, "painted": True, "failed": None}),
    "marks of a document that is not shown": ((*OPENED, *ready("B")), {"loaded": False, "painted": False}),
    "marks of a frame": (
        (*OPENED, lifecycle("init", "F", frame="FRAME"), lifecycle("load", "F", frame="FRAME")),
        {"loader": "A", "loaded": False},
    ),
    "another document": (
        (*SHOWN, request("B", OTHER), response("B", 202), *shown("B", OTHER)),
        {"loaded": False, "painted": False, "http_status": 202, "url": OTHER},
    ),
    "a redirect": (
        (request("A"), request("A", OTHER), response("A"), *shown("A", OTHER)),
        {"url": OTHER, "http_status": 200},
    ),
    "a download": (
        (*SHOWN, request("D", OTHER), response("D", 202), loading_failed("D", "net::ERR_ABORTED")),
        {"loaded": True, "painted": True, "failed": None, "url": URL, "http_status": 200},
    ),
    "a download that was sent on": (
        (
            *SHOWN, request("D", OTHER), request("D", OTHER + "/file"), response("D", 202),
            loading_failed("D", "net::ERR_ABORTED"),
        ),
        {"url": URL, "http_status": 200},
    ),
    "a download in place of the first page": (
        (request("A", OTHER), response("A", 202), loading_failed("A", "net::ERR_ABORTED")),
        {"failed": None, "url": OTHER, "http_status": 202},
    ),
    "a document that gave way to another, or was stopped": (
        (*SHOWN, request("B", OTHER), loading_failed("B", "net::ERR_ABORTED")),
        {"loaded": True, "painted": True, "failed": None, "loader": "A", "url": URL, "http_status": 200},
    ),
    "a picture that is not there": (
        (*SHOWN, request("81.2", OTHER, kind="Image"), response("81.2", 404)),
        {"http_status": 200, "url": URL},
    ),
    "a frame that is not there": (
        (
            *SHOWN, request("F", OTHER, frame="FRAME"), loading_failed("F", "net::ERR_FAILED"),
            navigated("F", ERROR_PAGE, frame="FRAME", unreachable=OTHER),
        ),
        {"failed": None, "unreachable": None, "url": URL},
    ),
    "an error page": ((*SHOWN, *AWAY), {"unreachable": OTHER, "url": OTHER, "failed": "net::ERR_TIMED_OUT"}),
    "a page after an error page": ((*AWAY, *SHOWN), {"unreachable": None, "url": URL, "loaded": True}),
    "the start mark": ((*SHOWN, console(" START_RECORDING ")), {"start_mark": True}),
    "a text with the start mark in it": ((console("no START_RECORDING"),), {"start_mark": False}),
    "a crash": (
        (*SHOWN, console("START_RECORDING"), crashed()),
        {"crashed": True, "loaded": False, "painted": False, "start_mark": False},
    ),
    "a page after a crash": (
        (*SHOWN, console("START_RECORDING"), crashed(), request("B"), response("B"), *shown("B"), *ready("B")),
        {"loader": "B", "loaded": True, "painted": True, "start_mark": False},
    ),
    "what other sessions tell": (
        (console("START_RECORDING", session="B"), console("END_RECORDING", session="B"), crashed("B")),
        {"start_mark": False, "ended_at": None, "crashed": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), ROWS.values(), ids=ROWS)
async def test_the_facts_follow_what_is_told(
    tab: Tab, watch: PageWatch, events: tuple[Event, ...], expected: dict[str, Any]
) -> None:
    await tab.told(*events)
    assert {name: getattr(watch.facts, name) for name in expected} == expected


async def test_a_page_ended_when_it_said_so_and_said_it_once(tab: Tab, watch: PageWatch) -> None:
    await tab.told(console("END_RECORDING", ago=5.0), console("END_RECORDING"))
    assert watch.facts.ended_at is not None
    assert 4.9e9 < time.monotonic_ns() - watch.facts.ended_at < 30e9


async def test_whoever_waits_is_woken_by_what_is_new(tab: Tab, watch: PageWatch) -> None:
    await tab.told(console("nothing to wake for"))
    assert not watch.changed.is_set()
    await tab.told(console("START_RECORDING"))
    await watch.next_change(seconds=30)
    assert not watch.changed.is_set()


def test_a_page_that_is_opened_forgets_all_but_the_lines_of_the_one_before() -> None:
    facts = PageFacts(
        url=OTHER, loader="A", http_status=503, failed="net::ERR_FAILED", unreachable=OTHER, loaded_at=1.0,
        painted=True, start_mark=True, ended_at=1, crashed=True,
    )  # fmt: skip
    facts.lines.append("log: before")
    facts.begin(URL)
    assert facts == PageFacts(url=URL, lines=facts.lines)
    assert list(facts.lines) == ["log: before"]


LINES: dict[str, tuple[Event, str]] = {
    "words": (console("a", {"type": "number", "value": 2}, kind="warning"), "warning: a 2"),
    "values as JavaScript writes them": (
        console({"type": "boolean", "value": True}, {"type": "object", "subtype": "null", "value": None}),
        "log: true null",
    ),
    "things without a value": (
        console(
            {"type": "object", "description": "Object"},
            {"type": "bigint", "unserializableValue": "2n"},
            {"type": "undefined"},
        ),
        "log: Object 2n undefined",
    ),
    "an exception": (
        event(
            "Runtime.exceptionThrown",
            exceptionDetails={
                "text": "Uncaught",
                "exception": {"description": f"Error: boom\n    at {URL}:1:7"},
            },
        ),
        "exception: Error: boom\n    at http://pages.example/clock:1:7",
    ),
    "a word that was thrown": (
        event(
            "Runtime.exceptionThrown",
            exceptionDetails={"text": "Uncaught", "exception": {"type": "string", "value": f"no {URL}"}},
        ),
        "exception: no http://pages.example/clock",
    ),
    "an exception without a value": (
        event("Runtime.exceptionThrown", exceptionDetails={"text": "Uncaught SyntaxError"}),
        "exception: Uncaught SyntaxError",
    ),
    "the browser's own": (
        event("Log.entryAdded", entry={"level": "error", "text": f"no {URL}"}),
        "error: no http://pages.example/clock",
    ),
    "a dialog": (dialog("alert", f"see {URL}"), "dialog: alert see http://pages.example/clock"),
    "a window": (
        window("B", URL),
        "window: a window was opened and closed: http://pages.example/clock",
    ),
    "a URL that is cut": (
        console("x" * (LINE_LENGTH - 20) + " " + URL + "&more=" + "y" * 20_000),
        "log: " + "x" * (LINE_LENGTH - 20) + " http://pages.e",
    ),
}


@pytest.mark.parametrize(("told", "line"), LINES.values(), ids=LINES)
async def test_a_line_is_kept_without_what_may_be_secret(
    tab: Tab, watch: PageWatch, told: Event, line: str
) -> None:
    await tab.told(told)
    assert list(watch.facts.lines) == [line]
    assert len(line) <= LINE_LENGTH


async def test_the_last_lines_are_kept(tab: Tab, watch: PageWatch) -> None:
    await tab.told(*(console(str(number)) for number in range(LINES_KEPT + 10)))
    assert list(watch.facts.lines) == [f"log: {number}" for number in range(10, LINES_KEPT + 10)]


@pytest.mark.parametrize(
    ("kind", "accept"), [("alert", True), ("beforeunload", True), ("confirm", False), ("prompt", False)]
)
async def test_a_dialog_holds_nothing_up_and_confirms_nothing(
    tab: Tab, watch: PageWatch, kind: str, *, accept: bool
) -> None:
    await tab.told(dialog(kind))
    assert await tab.devtools.until_asked("Page.handleJavaScriptDialog") == [{"accept": accept}]


async def test_a_dialog_that_is_gone_already_does_no_harm(tab: Tab, watch: PageWatch) -> None:
    tab.devtools.answers["Page.handleJavaScriptDialog"] = [Answer(error="No dialog is showing"), Answer()]
    await tab.told(dialog("alert"), dialog("confirm"))
    await tab.devtools.until_asked("Page.handleJavaScriptDialog", times=2)
    await tab.told(console("START_RECORDING"))
    assert watch.facts.start_mark


async def test_windows_are_closed_but_the_pages_own_and_the_browsers(tab: Tab, watch: PageWatch) -> None:
    await tab.told(
        window("PAGE", URL),
        window("BAR", "chrome://omnibox-popup.top-chrome/"),
        window("WORKER", OTHER, kind="service_worker"),
        window("POPUP", OTHER),
    )
    assert await tab.devtools.until_asked("Target.closeTarget") == [{"targetId": "POPUP"}]


async def test_downloads_are_refused_and_requests_no_longer_told_once_it_is_recorded(
    tab: Tab, watch: PageWatch
) -> None:
    await watch.ignore_requests()
    assert tab.devtools.of("Browser.setDownloadBehavior") == [{"behavior": "deny"}]
    assert [name for name, _ in tab.devtools.asked][-1] == "Network.disable"
