"""What stands around a page: its programs, the line to its browser, and what is kept of it when it fails."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from egress_api.status import FileKind
from egress_recorder.capture import children, page_evidence
from egress_recorder.capture.children import Child, start_child
from egress_recorder.capture.errors import PageNotReady, PipelineError
from egress_recorder.capture.events import Event, Evidence
from egress_recorder.capture.page_evidence import keep_evidence
from egress_recorder.capture.page_watch import PageFacts
from support.devtools import LARGEST_MESSAGE, URL, Answer, Tab, browsing, console

PICTURE = b"\x89PNG\r\n"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2VjcmV0"
KEPT = [
    Evidence(path="page.json", kind=FileKind.PAGE_LOG),
    Evidence(path="page.png", kind=FileKind.SCREENSHOT),
]


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with browsing() as given:
        given.devtools.answers["Page.captureScreenshot"] = [
            Answer({"data": base64.b64encode(PICTURE).decode()})
        ]
        yield given


async def keep(tab: Tab, facts: PageFacts, spool: Path, **options: Any) -> list[Event]:
    events: list[Event] = []
    error = PageNotReady(f"The page {URL} is not ready.")
    await keep_evidence(tab.browser, facts, error, spool=spool, emit=events.append, **options)
    return events


def a_page(**changes: Any) -> PageFacts:
    facts = PageFacts(url=URL, http_status=200, loaded_at=1.0)
    facts.lines.append(f"log: signed in with {JWT}")
    facts.lines.append('error: GET "/me?access_token=SECRET" 401')
    for name, value in changes.items():
        setattr(facts, name, value)
    return facts


async def test_a_failed_page_leaves_its_story_and_its_picture(tab: Tab, tmp_path: Path) -> None:
    assert await keep(tab, a_page(), tmp_path) == KEPT
    assert (tmp_path / "page.png").read_bytes() == PICTURE
    story = json.loads((tmp_path / "page.json").read_text())
    assert story.pop("at").endswith("+00:00")
    assert story == {
        "url": "http://pages.example/clock",
        "reason": "PageNotReady",
        "message": "The page http://pages.example/clock is not ready.",
        "httpStatus": 200,
        "loaded": True,
        "painted": False,
        "console": ["log: signed in with …", 'error: GET "/me?access_token=…" 401'],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"unreachable": URL, "url": "chrome-error://chromewebdata/"},
        {"failed": "net::ERR_CERT_DATE_INVALID"},  # its error page is not told of yet
        {"crashed": True},
    ],
)
async def test_there_is_no_picture_of_what_is_no_page(
    tab: Tab, tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert await keep(tab, a_page(**changes), tmp_path) == KEPT[:1]
    assert tab.devtools.of("Page.captureScreenshot") == []
    assert json.loads((tmp_path / "page.json").read_text())["url"] == "http://pages.example/clock"


async def test_there_is_no_picture_where_none_is_wanted(tab: Tab, tmp_path: Path) -> None:
    assert await keep(tab, a_page(), tmp_path, picture=False) == KEPT[:1]
    assert tab.devtools.of("Page.captureScreenshot") == []


@pytest.mark.parametrize("answer", [Answer(silent=True), Answer(error="Unable to capture screenshot")])
async def test_a_page_that_can_not_be_drawn_leaves_its_story(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(page_evidence, "PICTURE_SECONDS", 0.05)
    tab.devtools.answers["Page.captureScreenshot"] = [answer]
    assert await keep(tab, a_page(), tmp_path) == KEPT[:1]


async def test_a_disk_that_takes_nothing_fails_nothing(tab: Tab, tmp_path: Path) -> None:
    assert await keep(tab, a_page(), tmp_path / "not there") == []


async def test_a_message_that_is_too_large_makes_the_browser_deaf_and_that_is_told(tab: Tab) -> None:
    deaf = asyncio.Event()
    tab.browser.when_deaf(deaf.set)
    await tab.told(console("x" * (LARGEST_MESSAGE // 2)))
    assert not deaf.is_set()
    await tab.devtools.play(console("x" * LARGEST_MESSAGE))
    await deaf.wait()
    assert not tab.browser.child.ended.done()
    with pytest.raises(ConnectionError):
        await tab.browser.evaluate("1")


async def test_a_browser_that_is_cut_off_answers_no_call_that_waits(tab: Tab) -> None:
    tab.devtools.answers["Runtime.evaluate"] = [Answer(silent=True)]
    waiting = asyncio.ensure_future(tab.browser.evaluate("1", seconds=30))
    await tab.devtools.until_asked("Runtime.evaluate")
    await tab.devtools.cut()
    with pytest.raises(ConnectionError):
        await waiting


@pytest.mark.parametrize(
    ("answer", "error"), [(Answer(silent=True), TimeoutError), (Answer(error="no"), RuntimeError)]
)
async def test_a_call_says_whether_the_page_hangs_or_the_browser_says_no(
    tab: Tab, answer: Answer, error: type[Exception]
) -> None:
    tab.devtools.answers["Runtime.evaluate"] = [answer]
    with pytest.raises(error):
        await tab.browser.evaluate("1", seconds=0.05)


async def test_a_browser_is_ended_though_it_is_deaf(tab: Tab) -> None:
    await tab.devtools.cut()
    await tab.browser.end()
    assert tab.browser.child.process.returncode == -signal.SIGKILL


@asynccontextmanager
async def shell(script: str, **environment: str) -> AsyncIterator[Child]:
    child = await start_child("sh", ["-c", script], environment=environment)
    try:
        yield child
    finally:
        child.kill()
        await child.ended


async def word(child: Child, text: str) -> None:
    """Wait until it has written this."""
    async with asyncio.timeout(20):
        while text not in child.words:  # noqa: ASYNC110 - a child tells of its words to nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo one >&2; echo two >&2; exit 3", "exit code 3; two"),
        ("exit 0", "exit code 0; it said nothing"),
        ("kill -KILL $$", "signal 9; it said nothing"),
        ("head -c 200000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2", "exit code 0; last"),
        ("printf '\\377 no end of line' >&2", "exit code 0; \ufffd no end of line"),
    ],
)
async def test_a_programs_end_is_told_with_its_last_words(script: str, says: str) -> None:
    async with shell(script) as child:
        await child.ended
        assert child.last_words() == says


async def test_a_program_that_runs_is_said_to_run_and_its_newest_words_are_kept() -> None:
    async with shell("seq 100 >&2; exec sleep 600") as child:
        await word(child, "100")
        assert list(child.words) == [str(number) for number in range(81, 101)]
        assert child.last_words() == "runs; 100"


async def test_a_program_is_asked_to_end() -> None:
    async with shell("trap 'echo bye >&2; exit 5' TERM; echo on >&2; while :; do sleep 0.01; done") as child:
        await word(child, "on")
        await child.end()
        assert child.last_words() == "exit code 5; bye"


async def test_a_program_that_will_not_end_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "END_SECONDS", 0.1)
    async with shell("trap '' TERM; echo on >&2; while :; do sleep 0.01; done") as child:
        await word(child, "on")
        await child.end()
        assert child.process.returncode == -signal.SIGKILL


async def test_ending_what_has_ended_does_no_harm() -> None:
    async with shell("exit 0") as child:
        await child.ended
        await child.end()
        child.kill()
        assert child.ended.result() == 0


async def test_nothing_of_ours_is_handed_to_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    async with shell("env >&2", DISPLAY=":9") as child:
        await child.ended
        given = dict(line.split("=", 1) for line in child.words if not line.startswith(("_=", "PWD=")))
        assert given.pop("PATH")
        assert given == {"LANG": "C.UTF-8", "TZ": "UTC", "DISPLAY": ":9"}


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(PipelineError, match="no-such-program can't be started"):
        await start_child("no-such-program", [], environment={})
