"""When the recording of a page begins: each start rule, its deadline, and what is told of the way there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import web_pace
from support.e2e import until
from support.recording import visible_users
from support.web_pages import PAGE, STATES, Run
from support.web_tasks import PageTasks, page_tasks


@pytest.fixture(scope="module")
def pages() -> Iterator[PageTasks]:
    with page_tasks() as made:
        yield made


def test_a_selector_is_waited_for(pages: PageTasks, tmp_path: Path) -> None:
    run = Run()
    task = pages.record(run.url("selector.html", after=2), start={"when": "selector", "selector": "#there"})
    pages.goes_on(task)
    recording = pages.stopped(task, tmp_path)
    first, _ = web_pace.first_and_last(recording)
    assert -0.1 < web_pace.since(first, run.report("there")["wall"]) <= 1.0
    assert pages.conditions(task)["PageReady"] == ("True", "SelectorFound")
    assert recording.problems(people=STATES) == []


def test_a_page_that_is_not_ready_in_time_is_recorded_where_that_is_wanted(
    pages: PageTasks, tmp_path: Path
) -> None:
    run = Run()
    rule = {"when": "console", "timeoutSeconds": 4, "onTimeout": "start"}
    task = pages.record(run.url("clock.html"), start=rule)
    pages.goes_on(task)
    recording = pages.stopped(task, tmp_path)
    assert visible_users(recording, at=1.0, people=STATES).keys() == {PAGE.identity}
    conditions = pages.conditions(task)
    assert conditions["PageLoaded"][0] == "True"
    assert conditions["PageReady"] == ("True", "TimedOut")
    assert conditions["FirstFrame"][0] == "True"


def test_a_page_that_is_not_ready_in_time_fails_with_a_picture_of_it(
    pages: PageTasks, tmp_path: Path
) -> None:
    rule = {"when": "load", "timeoutSeconds": 5, "onTimeout": "fail"}
    task = pages.start(Run().url("never-loads.html"), start=rule, retryLimit=0)
    status = pages.ended(task, "FAILED")
    assert status["reason"] == "PageNotReady"
    assert "5 s" in status["message"]
    conditions = pages.conditions(task)
    assert conditions["PageReady"][0] == "False"
    assert conditions["FirstFrame"][0] == "False"
    assert status["page"]["httpStatus"] == 200
    kinds = {one["kind"]: one for one in status["files"]}
    assert kinds.keys() == {"screenshot", "page-log"}
    stored = {path.name: path for path in pages.files(task, tmp_path)}
    assert stored[kinds["screenshot"]["name"]].read_bytes().startswith(b"\x89PNG")
    told = json.loads(stored[kinds["page-log"]["name"]].read_text())
    assert told["httpStatus"] == 200
    assert any("waits for a picture" in line for line in told["console"])
    assert any("will wait for long" in line for line in told["console"])


def test_a_stop_before_the_page_is_ready_records_nothing(pages: PageTasks) -> None:
    run = Run()
    rule = {"when": "console", "timeoutSeconds": 120}
    task = pages.start(run.url("clock.html"), start=rule)
    until("the page was loaded", lambda: run.reports("size"), seconds=60)
    pages.stop(task)
    status = pages.ended(task, "STOPPED")
    assert status["reason"] == "StoppedBeforeStart"
    assert status.get("files", []) == []
