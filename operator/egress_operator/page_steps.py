"""What a page that is not recorded yet waits for, in a sentence: nobody should have to guess why.

In: the start rule and the recorder's latest report. Out: the sentence for the task's status. Pure.
"""

from dataclasses import replace
from typing import assert_never

from egress_api.media import Layout
from egress_api.page import START_MARK, OnTimeout, PageReport, StartRule, StartWhen
from egress_api.results import LiveReport
from egress_api.spec import EgressTaskSpec
from egress_api.states import Reason
from egress_operator.pod_state import Blocked


def blocked_page(blocked: Blocked, spec: EgressTaskSpec, live: LiveReport | None) -> Blocked:
    """Return what keeps a Pod from recording: of a page whose recorder runs, the step that it waits for."""
    if spec.layout is not Layout.FREESTYLE or blocked.reason is not Reason.POD_STARTING:
        return blocked
    return replace(blocked, message=waiting_sentence(spec.start, live.page if live is not None else None))


def waiting_sentence(rule: StartRule, report: PageReport | None) -> str:
    """Return what is waited for.

    Args:
        rule: when the recording begins.
        report: how far the page is; None while the recorder has said nothing.
    """
    if report is None or (report.sandbox is None and report.loaded is None):
        return "the recorder is starting the browser"
    for step, what in ((report.loaded, "loaded"), (report.ready, "ready")):
        if step is not None and not step.done:
            return f"the page is not {what} ({step.reason}): {step.message or 'no more is known'}"
    if report.loaded is None and rule.when is StartWhen.LOAD:
        return f"the page is loading{_patience(rule)}"
    if report.ready is None:
        loaded = "the page has loaded and" if report.loaded is not None else "the page is loading and"
        return f"{loaded} {_signal(rule)} yet{_patience(rule)}"
    return "the page is ready; waits for its first picture to be recorded"


def _signal(rule: StartRule) -> str:
    match rule.when:
        case StartWhen.LOAD:
            return "has not shown anything"
        case StartWhen.CONSOLE:
            return f"has not logged {START_MARK}"
        case StartWhen.SELECTOR:
            return f"has no element that matches {rule.selector}"
        case _:
            assert_never(rule.when)


def _patience(rule: StartRule) -> str:
    then = "it is recorded as it is" if rule.on_timeout is OnTimeout.START else "the task fails"
    return f"; it has {rule.timeout_seconds} s for that (start.timeoutSeconds), then {then}"
