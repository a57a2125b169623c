"""What a page that is not recorded yet is said to wait for."""

import pytest

from egress_api.page import PageReport, Sandbox, StartRule, Step
from egress_api.states import ConditionStatus, ConditionType, State
from egress_api.status import PageStatus
from egress_operator.decide import decide
from egress_operator.decision import Facts
from egress_operator.draft import PAGE_CONDITIONS, Draft, status_patch
from egress_operator.page_steps import waiting_sentence
from support.operator_parts import DONE, NOW, REFUSED, WEB, at, ended, page_task, pod, running, status
from support.summaries import failed, live

OPEN = {"sandbox": Sandbox.ON}
CONSOLE = StartRule(when="console", timeout_seconds=60, on_timeout="start")
SELECTOR = StartRule(when="selector", selector="#go")


@pytest.mark.parametrize(
    ("rule", "report", "says"),
    [
        (StartRule(), None, "the recorder is starting the browser"),
        (StartRule(), PageReport(), "the recorder is starting the browser"),
        (
            StartRule(),
            PageReport(**OPEN),
            "the page is loading; it has 30 s for that (start.timeoutSeconds), then the task fails",
        ),
        (StartRule(), PageReport(**OPEN, loaded=DONE), "the page has loaded and has not shown anything yet"),
        (
            CONSOLE,
            PageReport(**OPEN),
            "has not logged START_RECORDING yet; it has 60 s for that (start.timeoutSeconds), then it is recorded",
        ),
        (
            CONSOLE,
            PageReport(**OPEN, loaded=DONE),
            "the page has loaded and has not logged START_RECORDING yet",
        ),
        (SELECTOR, PageReport(**OPEN, loaded=DONE), "has no element that matches #go yet"),
        (
            StartRule(),
            PageReport(**OPEN, loaded=REFUSED),
            "the page is not loaded (PageUnreachable): connection",
        ),
        (
            StartRule(),
            PageReport(**OPEN, loaded=DONE, ready=Step(done=False, reason="PageNotReady")),
            "the page is not ready (PageNotReady): no more is known",
        ),
        (StartRule(), PageReport(**OPEN, loaded=DONE, ready=DONE), "waits for its first picture"),
    ],
)
def test_the_sentence_names_the_step(rule: StartRule, report: PageReport | None, says: str) -> None:
    assert says in waiting_sentence(rule, report)


def test_status_says_which_step_a_page_waits_for() -> None:
    facts = Facts(live=live(page=PageReport(**OPEN, http_status=200, loaded=DONE), joined_at=None))
    task = page_task(status(page=True), start=SELECTOR)
    got = decide(task, running(ready=False), now=NOW, settings=WEB, facts=facts).status

    assert "#go" in got.message
    assert got.page == PageStatus(sandbox=Sandbox.ON, http_status=200, reloads=0)
    assert {c.type: c.status.value for c in got.conditions if c.type in PAGE_CONDITIONS} == {
        "PageLoaded": "True",
        "PageReady": "Unknown",
        "FirstFrame": "Unknown",
    }


def test_the_step_is_told_when_the_task_times_out() -> None:
    facts = Facts(live=live(page=PageReport(**OPEN), joined_at=None))
    got = decide(
        page_task(status(page=True)), running(ready=False), now=at(301), settings=WEB, facts=facts
    ).status

    assert got.state is State.TIMEOUT
    assert "the page is loading" in got.message


def test_a_pod_that_does_not_run_is_what_a_page_waits_for() -> None:
    got = decide(page_task(status(page=True)), pod(waiting="ErrImagePull"), now=NOW, settings=WEB).status

    assert got.message == "the image can't be pulled"


def test_a_step_that_failed_is_a_condition_with_its_reason() -> None:
    draft = Draft(status(page=True), now=NOW, generation=1)
    draft.report(live(page=PageReport(loaded=REFUSED)), final=False)
    loaded = draft.status.condition(ConditionType.PAGE_LOADED)

    assert loaded is not None
    assert (loaded.status, loaded.reason, loaded.message) == (
        ConditionStatus.FALSE,
        "PageUnreachable",
        "connection refused",
    )


def test_a_reason_that_is_no_word_does_not_keep_the_status_from_being_written() -> None:
    draft = Draft(status(page=True), now=NOW, generation=1)
    draft.report(live(page=PageReport(loaded=Step(done=True, reason="load event"))), final=False)
    loaded = draft.status.condition(ConditionType.PAGE_LOADED)

    assert loaded is not None
    assert loaded.reason == "PageLoaded"


def test_the_same_report_again_writes_nothing() -> None:
    report = live(page=PageReport(**OPEN, http_status=200, loaded=DONE))
    first = Draft(status(page=True), now=at(10), generation=1)
    first.report(report, final=False)
    second = Draft(first.status, now=at(20), generation=1)
    second.report(report, final=False)

    assert status_patch(first.status, second.status) == {}


def test_what_was_known_of_a_page_stays_when_a_later_report_lacks_it() -> None:
    draft = Draft(status(page=True), now=NOW, generation=1)
    draft.report(live(page=PageReport(**OPEN, http_status=200)), final=False)
    draft.report(live(page=PageReport(reloads=2)), final=False)

    assert draft.status.page == PageStatus(sandbox=Sandbox.ON, http_status=200, reloads=2)


def test_an_end_decides_the_steps_that_were_open() -> None:
    words = failed("PageNotReady", page=PageReport(**OPEN, loaded=DONE))
    got = decide(page_task(status(page=True)), ended(words, exit_code=1), now=NOW, settings=WEB).status

    assert {c.type: (c.status.value, c.reason) for c in got.conditions if c.type in PAGE_CONDITIONS} == {
        "PageLoaded": ("True", "Done"),
        "PageReady": ("False", "PageNotReady"),
        "FirstFrame": ("False", "PageNotReady"),
    }


def test_another_attempt_opens_the_page_anew() -> None:
    words = failed("PageUnreachable", retryable=True, page=PageReport(loaded=REFUSED))
    got = decide(page_task(status(page=True)), ended(words, exit_code=1), now=NOW, settings=WEB).status
    loaded = got.condition(ConditionType.PAGE_LOADED)

    assert loaded is not None
    assert (loaded.status, loaded.reason) == (ConditionStatus.UNKNOWN, "Retrying")
    assert "PageUnreachable" in got.message


def test_first_sight_of_a_page_has_its_steps_open() -> None:
    got = decide(page_task(), None, now=NOW, settings=WEB).status

    assert {c.type for c in got.conditions} == set(ConditionType)
