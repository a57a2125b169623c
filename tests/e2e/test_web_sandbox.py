"""The browser's own sandbox on the real node: it holds under the chart's seccomp profile, and not without one."""

from pathlib import Path
from typing import Any

import pytest

from support.releases import scratch_release
from support.web_pages import Run
from support.web_tasks import PageTasks, page_tasks

pytestmark = pytest.mark.timeout(180)


def without_profile(**web: Any) -> dict[str, Any]:
    """Return a release's values under which pages run with the runtime's default profile."""
    return {"recorder": {"web": {"seccompProfile": "", **web}}}


def test_under_the_profile_it_is_on() -> None:
    with page_tasks() as pages:
        task = pages.record(Run().url("still.html"))
        assert pages.status(task)["page"]["sandbox"] == "on"
        pages.stop(task)


def test_without_the_profile_it_is_off_said_so_and_the_page_is_recorded(tmp_path: Path) -> None:
    with scratch_release(values=without_profile()) as tasks:
        pages = PageTasks(tasks)
        task = pages.record(Run().url("clock.html"))
        assert pages.status(task)["page"]["sandbox"] == "off"
        pages.goes_on(task)
        recorded = pages.stopped(task, tmp_path)
        assert recorded.streams.width == 1280


def test_where_it_is_demanded_and_can_not_hold_the_page_is_refused() -> None:
    with scratch_release(values=without_profile(requireSandbox=True)) as tasks:
        pages = PageTasks(tasks)
        status = pages.ended(pages.start(Run().url("still.html")), "FAILED")
        assert status["reason"] == "SandboxUnavailable"
        assert "requireSandbox" in status["message"]
        assert status["page"]["sandbox"] == "off"
