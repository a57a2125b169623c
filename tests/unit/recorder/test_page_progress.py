"""How far a page is, as the recorder tells it; what is kept when it fails."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from egress_api.manifest import Manifest
from egress_api.page import Sandbox
from egress_api.states import Reason
from egress_api.status import FileKind
from egress_recorder.capture.config import CaptureConfig, PageConfig, SourceConfig, parse_config
from egress_recorder.capture.errors import ConfigError, EndReason
from egress_recorder.capture.events import Evidence, PageSeen, PageStep, PageStepped, parse_event, to_line
from egress_recorder.capture.timing import refresh_rate
from egress_recorder.page import PageProgress
from egress_recorder.recording import Recording
from support.recorder import recorder_config

NOW = datetime(2026, 11, 23, 5, 11, 22, tzinfo=UTC)
PNG = b"\x89PNG not really"


def stepped(step: PageStep, *, done: bool = True, reason: str = "Loaded") -> PageStepped:
    return PageStepped(step=step, done=done, reason=reason, message="as it is")


def test_steps_are_told_once_they_are_decided() -> None:
    page = PageProgress()
    assert (page.report().loaded, page.report().ready, page.report().first_frame) == (None, None, None)
    page.note(PageSeen(sandbox=True))
    page.note(PageSeen(http_status=200))
    page.note(stepped(PageStep.LOADED))
    page.note(stepped(PageStep.READY, reason="SelectorFound"))
    page.first_frame()
    report = page.report()
    assert (report.sandbox, report.http_status, report.reloads) == (Sandbox.ON, 200, 0)
    assert report.loaded is not None
    assert report.loaded.done
    assert report.ready is not None
    assert report.ready.reason == "SelectorFound"
    assert report.first_frame is not None
    assert report.first_frame.done


def test_what_is_waited_for_is_a_sentence() -> None:
    page = PageProgress()
    assert "opens the page" in page.message
    page.note(stepped(PageStep.LOADED))
    assert "start rule" in page.message


def test_reloads_add_up_over_captures() -> None:
    page = PageProgress()
    for _ in range(3):
        page.note(PageSeen(reloaded=True))
    assert page.report().reloads == 3


@pytest.mark.parametrize(
    "event",
    [
        stepped(PageStep.READY, done=False, reason="PageNotReady"),
        PageSeen(sandbox=False),
        PageSeen(http_status=404, reloaded=True),
        Evidence(path="page.png", kind="screenshot"),
    ],
)
def test_a_pages_events_survive_the_way_to_the_supervisor(event: PageStepped | PageSeen | Evidence) -> None:
    assert parse_event(to_line(event)) == event


def test_what_a_capture_ends_with_is_a_reason_that_a_task_can_have() -> None:
    restarted = {
        EndReason.STOPPED,
        EndReason.PIPELINE_ERROR,
        EndReason.DISK_FULL,
        EndReason.PAGE_HUNG,
    }
    assert {str(reason) for reason in set(EndReason) - restarted} <= {str(reason) for reason in Reason}


def test_every_end_has_an_exit_code_of_its_own() -> None:
    codes = [reason.exit_code for reason in EndReason]
    assert len(codes) == len(set(codes))


def test_evidence_is_named_after_the_output_and_stands_beside_it() -> None:
    recording = Recording(recorder_config(output_name="talk"), created_at=NOW)
    recording.keep_evidence(FileKind.SCREENSHOT, b"older")
    recording.keep_evidence(FileKind.SCREENSHOT, PNG)
    recording.keep_evidence(FileKind.PAGE_LOG, b"{}")
    assert {name for name, _, _ in recording.evidence} == {"talk_page.png", "talk_page.json"}
    assert recording.files() == []
    for name, kind, data in recording.evidence:
        recording.mark_evidence(name, kind, data)
    files = {file.name: file for file in recording.files()}
    assert files["talk_page.png"].kind is FileKind.SCREENSHOT
    assert files["talk_page.png"].size_bytes == len(PNG)
    assert files["talk_page.png"].uri.endswith("/talk_page.png")
    assert files["talk_page.png"].sha256 is not None


def test_what_was_overcome_leaves_no_evidence() -> None:
    recording = Recording(recorder_config(), created_at=NOW)
    recording.keep_evidence(FileKind.SCREENSHOT, PNG)
    recording.forget_evidence()
    assert recording.evidence == []


def test_a_next_attempt_still_lists_what_an_earlier_one_left() -> None:
    config = recorder_config(output_name="talk")
    first = Recording(config, created_at=NOW)
    first.mark_evidence("talk_page.png", FileKind.SCREENSHOT, PNG)
    earlier = Manifest.model_validate_json(first.manifest())
    again = Recording(config, created_at=NOW, earlier=earlier)
    assert [file.name for file in again.files()] == ["talk_page.png"]


def test_a_page_and_its_layout_go_together(tmp_path: Path) -> None:
    source = SourceConfig(kind="page")
    page = PageConfig(url="http://a.example/")
    good = CaptureConfig(spool=str(tmp_path), source=source, page=page, layout="freestyle")
    assert parse_config(json.dumps(asdict(good))) == good
    for bad in ({"layout": "flat"}, {"page": None}, {"layout": "spiral"}):
        with pytest.raises(ConfigError):
            parse_config(json.dumps({**asdict(good), **bad}))


@pytest.mark.parametrize(
    ("frame_rate", "hertz"), [(1, 15), (4, 16), (10, 20), (15, 15), (25, 25), (30, 30), (60, 60)]
)
def test_the_display_refreshes_at_the_recordings_rate_or_a_multiple(frame_rate: int, hertz: int) -> None:
    assert refresh_rate(frame_rate) == hertz
    assert hertz % frame_rate == 0
