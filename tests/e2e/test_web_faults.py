"""Pages that can't be recorded, and recordings of pages in which something dies: each has its expected end.

The faults are data. Those before the recording begins fail at the same time, in a batch; what dies while it runs dies
in one recording, one after the other.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support import web_pace
from support.e2e import Tasks, until
from support.recording import Recording, strips
from support.web_pages import PAGE, STATES, Run
from support.web_tasks import (
    CHROMIUM,
    DISPLAY,
    SOUND_SERVER,
    TABS,
    PageTasks,
    Victim,
    page_tasks,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def pages() -> Iterator[PageTasks]:
    with page_tasks() as made:
        yield made


@dataclass(frozen=True)
class Refused:
    """A page that never comes to be recorded."""

    what: str
    page: str
    reason: str
    says: str
    """A part of the sentence."""
    origin: str = "http://pages.egress-demo"
    start: dict[str, Any] = field(default_factory=dict)
    http_status: int | None = None
    log: bool = True
    """Whether the page's log is left: there is none where no browser was asked to open the page."""


REFUSED = [
    Refused("no such host", "clock.html", "PageUnreachable", "no-such-host", origin="http://no-such-host.egress-demo"),
    Refused("connection refused", "clock.html", "PageUnreachable", "81", origin="http://pages.egress-demo:81"),
    Refused("a port that is not open to pages", "clock.html", "PageForbidden", "82", origin="http://pages.egress-demo:82", log=False),
    Refused("certificate of nobody", "clock.html", "PageInsecure", "certificate", origin="https://pages.egress-demo"),
    Refused("not found", "status/404", "PageHttpError", "404", http_status=404),
    Refused("server error", "status/503", "PageHttpError", "503", http_status=503),
    Refused("redirects in a circle", "redirect-loop", "PageHttpError", "circle"),
    Refused("a file instead of a page", "download", "PageHttpError", "download", http_status=200),
    Refused("no answer", "hang", "PageUnreachable", "6 s", start={"timeoutSeconds": 6}),
]  # fmt: skip


@pytest.fixture(scope="module")
def refused(pages: PageTasks) -> dict[str, dict[str, Any]]:
    tasks = {
        fault.what: pages.start(Run().url(fault.page, origin=fault.origin), start=fault.start, retryLimit=0)
        for fault in REFUSED
    }
    until(
        "all of them have ended", lambda: all(pages.has_ended(task) for task in tasks.values()), seconds=120
    )
    return {what: pages.status(task) for what, task in tasks.items()}


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.what)
def test_a_page_that_can_not_be_had_fails_with_its_reason(
    refused: dict[str, dict[str, Any]], fault: Refused
) -> None:
    status = refused[fault.what]
    assert (status["state"], status["reason"]) == ("FAILED", fault.reason), status["message"]
    assert fault.says in status["message"]
    assert status["page"].get("httpStatus") == fault.http_status
    kinds = {one["kind"] for one in status.get("files", [])}
    assert kinds <= {"screenshot", "page-log"}
    assert ("page-log" in kinds) == fault.log
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert (conditions["PageLoaded"], conditions["Failed"]) == ("False", "True")


@dataclass(frozen=True)
class Blow:
    """Something that dies while a page is recorded."""

    victim: Victim
    discontinuities: int
    reloads: int = 0


BLOWS = [
    Blow(CHROMIUM, discontinuities=1),
    Blow(DISPLAY, discontinuities=1),
    Blow(SOUND_SERVER, discontinuities=1),
    Blow(TABS, discontinuities=0, reloads=1),
]


@dataclass(frozen=True)
class Survivor:
    """A recording in which everything has died once."""

    status: dict[str, Any]
    pod: str
    restarts: int
    discontinuities: dict[str, int]
    reloads: dict[str, int]
    recording: Recording


def discontinuities(recording: Recording) -> int:
    return sum(entry.discontinuity for entry in recording.playlist.entries)


@pytest.fixture(scope="module")
def survivor(pages: PageTasks, tmp_path_factory: pytest.TempPathFactory) -> Survivor:
    run = Run()
    task = pages.record(run.url("clock.html"), segmentSeconds=2)
    pod = pages.status(task)["podName"]
    found: dict[str, int] = {}
    reloads: dict[str, int] = {}
    for blow in BLOWS:
        pages.goes_on(task)
        loads, before = len(run.reports("size")), pages.discontinuities(task)
        reloaded = pages.status(task)["page"].get("reloads", 0)
        pages.kill(task, blow.victim)
        run.loaded(loads + 1, seconds=40)
        pages.goes_on(task, segments=2)
        found[blow.victim.what] = pages.discontinuities(task) - before
        reloads[blow.victim.what] = pages.status(task)["page"].get("reloads", 0) - reloaded
    restarts = pages.restarts(task)
    recording = pages.stopped(task, tmp_path_factory.mktemp("survivor"))
    return Survivor(pages.status(task), pod, restarts, found, reloads, recording)


@pytest.mark.parametrize("blow", BLOWS, ids=lambda blow: blow.victim.what)
def test_what_dies_is_replaced_in_the_same_playlist(survivor: Survivor, blow: Blow) -> None:
    assert survivor.discontinuities[blow.victim.what] == blow.discontinuities
    assert survivor.reloads[blow.victim.what] == blow.reloads


def test_it_is_all_one_attempt(survivor: Survivor) -> None:
    assert (survivor.status["reason"], survivor.status["attempt"]) == ("StopRequested", 1)
    assert (survivor.status["podName"], survivor.restarts) == (survivor.pod, 0)


def test_the_whole_playlist_can_be_played(survivor: Survivor) -> None:
    assert survivor.recording.problems(people=STATES) == []
    assert discontinuities(survivor.recording) == sum(blow.discontinuities for blow in BLOWS)
    kinds = [one["kind"] for one in survivor.status["files"]]
    assert kinds == ["playlist"]


def test_the_page_is_seen_in_every_stretch(survivor: Survivor) -> None:
    sightings = survivor.recording.watch(STATES).people[PAGE.identity]
    times = survivor.recording.watch(STATES).times
    for stretch in survivor.recording.stretches():
        begin, end = stretch[0].start, stretch[-1].start + 0.5
        assert sightings.seen[(times >= begin) & (times < end)].any()


def test_a_tab_that_breaks_again_and_again_is_given_up(pages: PageTasks, tmp_path: Path) -> None:
    run = Run()
    task = pages.record(run.url("clock.html"), retryLimit=0)
    for loads in range(1, 4):
        pages.kill(task, TABS)
        run.loaded(loads + 1, seconds=30)
    pages.kill(task, TABS)
    status = pages.ended(task, "FAILED")
    assert status["reason"] == "PageCrashed"
    assert status["page"]["reloads"] == 3
    recording = pages.read(task, tmp_path)
    assert recording.playlist.ended
    assert recording.problems() == []


def test_a_page_that_hangs_is_opened_anew(pages: PageTasks, tmp_path: Path) -> None:
    run = Run()
    task = pages.record(run.url("hang-once.html", after=1), segmentSeconds=2)
    until("the page is opened anew", lambda: run.reports("again"), seconds=90)
    pages.goes_on(task, segments=2)
    recording = pages.stopped(task, tmp_path)
    assert discontinuities(recording) == 1
    # of a page that stands still, fewer pictures are encoded
    assert recording.problems(people=STATES, hole_seconds=0.1) == []
    assert pages.status(task)["attempt"] == 1


DEEDS = {
    "alert": {"undefined"},
    "confirm": {"false"},
    "prompt": {"null"},
    "popup": {"null", "opened"},
    "download": {"undefined"},
    "camera": {"NotAllowedError", "NotFoundError", "no mediaDevices"},
    "notification": {"denied", "no Notification"},
    "geolocation": {"error 1", "no geolocation"},
    "print": {"undefined"},
    "fullscreen": {"TypeError"},
    "beforeunload": {"left"},
}
"""What nuisances.html does, and what it may be answered."""


@dataclass(frozen=True)
class Endured:
    """A recording of nuisances.html."""

    run: Run
    recording: Recording


@pytest.fixture(scope="module")
def endured(pages: PageTasks, tmp_path_factory: pytest.TempPathFactory) -> Endured:
    run = Run()
    task = pages.record(run.url("nuisances.html"))
    until("the page has done all it can", lambda: run.reports("beforeunload"), seconds=60)
    pages.goes_on(task)
    return Endured(run, pages.stopped(task, tmp_path_factory.mktemp("endured")))


@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_is_there_to_answer_a_page(endured: Endured, deed: str) -> None:
    told = endured.run.report(deed)
    assert told["outcome"] in DEEDS[deed]
    assert told.get("seconds", 0) < 3


def test_nothing_comes_before_the_page(endured: Endured) -> None:
    recording = endured.recording
    assert recording.problems(people=STATES) == []
    assert discontinuities(recording) == 0
    strip = strips(recording, people=STATES)[PAGE.identity]
    assert strip.readable > 0.98
    assert strip.longest_freeze < 1.5
    # but for the moment in which the page is loaded again
    assert recording.watch(STATES).people[PAGE.identity].seen.mean() > 0.9


def test_a_page_that_goes_elsewhere_is_followed(pages: PageTasks, tmp_path: Path) -> None:
    run = Run()
    task = pages.record(run.url("navigate-away.html", after=1, to=f"/clock.html?run={run.name}"))
    until("the other page is there", lambda: run.reports("size"), seconds=30)
    pages.goes_on(task)
    recording = pages.stopped(task, tmp_path)
    assert recording.problems(people=STATES) == []
    assert discontinuities(recording) == 0
    _, last = web_pace.first_and_last(recording)
    assert web_pace.since(last, run.report("size")["wall"]) > 1


def test_a_killed_operator_leaves_the_recording_alone(pages: PageTasks, tasks: Tasks, tmp_path: Path) -> None:
    run = Run()
    task = pages.record(run.url("clock.html"))
    (pod,) = tasks.pods(task)
    tasks.kubectl.run(
        "delete", "pod", "-l", "app.kubernetes.io/component=operator", "--grace-period=0", "--force"
    )
    tasks.kubectl.run("rollout", "status", "deployment/egress-operator", "--timeout=90s", timeout_seconds=100)
    pages.goes_on(task)
    (same,) = tasks.pods(task)
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    recording = pages.stopped(task, tmp_path)
    status = pages.status(task)
    assert (status["reason"], status["attempt"]) == ("StopRequested", 1)
    assert recording.problems(people=STATES) == []
    assert discontinuities(recording) == 0
    assert len(run.reports("size")) == 1
    (output,) = status["files"]
    assert output["durationSeconds"] == pytest.approx(recording.playlist.seconds, abs=0.1)


def test_a_deleted_task_leaves_its_files_and_no_pod(pages: PageTasks, tasks: Tasks, tmp_path: Path) -> None:
    task = pages.record(Run().url("clock.html"))
    pages.goes_on(task)
    folder = tmp_path / "there"
    tasks.kubectl.run("delete", "egresstask", task, timeout_seconds=100)
    until("its Pod is gone", lambda: not tasks.pods(task), seconds=90)
    recording = pages.read(task, folder)
    assert recording.playlist.ended
    assert recording.problems(people=STATES) == []
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["complete"] is True
