"""What is told of a manifest: the contract's shape, and no end that nobody has seen."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from egress_api.manifest import End, Manifest
from egress_api.rest import StatusAnswer
from egress_api.states import GapReason, State
from egress_api.status import MAX_FILES, MAX_GAPS, FileKind, Gap, OutputFile
from egress_gateway.history.archived import LATE, archived_answer
from support.history import ENDED, STOPPED, manifest
from support.recorder import NOW

PAGE = {
    "layout": "freestyle",
    "channel": None,
    "source": None,
    "url": "https://good.example/canvas?key=s3cret",
    "web_gl": True,
}


def told(
    content: bytes, *, modified: datetime = ENDED, now: datetime = ENDED, **changes: Any
) -> StatusAnswer:
    read = Manifest.from_head(content)
    assert read is not None
    assert read.asked is not None
    read = read.model_copy(update=changes)
    return archived_answer(read, read.asked, uri="s3://b/manifest.json", modified=modified, now=now)


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_the_end_is_the_one_that_was_written_down(state: State) -> None:
    end = End(state=state, reason="SourceClosed", message="It was closed.", at=ENDED)
    answer = told(manifest(end=end))
    assert (answer.status, answer.reason, answer.message) == (state, "SourceClosed", "It was closed.")
    assert (answer.stopped_at, answer.archived) == (ENDED, True)


@pytest.mark.parametrize(
    ("age", "state", "ended"),
    [
        (timedelta(0), State.STOPPING, False),
        (LATE - timedelta(seconds=1), State.STOPPING, False),
        (LATE, State.FAILED, True),
        (timedelta(days=30), State.FAILED, True),
    ],
    ids=["just now", "almost a day", "a day", "a month"],
)
def test_what_nobody_has_closed_ends_or_is_lost(age: timedelta, state: State, *, ended: bool) -> None:
    answer = told(manifest(end=None), modified=ENDED, now=ENDED + age)
    assert answer.status is state
    assert answer.stopped_at == (ENDED if ended else None)
    assert (answer.reason == "RecorderFailed") is ended


def test_a_page_is_told_with_its_own_fields_and_without_its_query() -> None:
    payload = told(manifest(**PAGE)).payload
    assert (payload.url, payload.web_gl, payload.users, payload.channel) == (
        "https://good.example/canvas",
        True,
        None,
        None,
    )
    assert payload.start is not None


def test_a_channel_has_no_page_fields() -> None:
    payload = told(manifest()).payload
    assert (payload.url, payload.web_gl, payload.start, payload.users) == (None, None, None, ["user1"])


def test_what_had_recorded_nothing_has_no_files() -> None:
    answer = told(manifest(segments=0, joined=None, end=STOPPED))
    assert (answer.payload.files, answer.outputs, answer.started_at) == ([], [], None)


def test_files_and_gaps_are_as_many_as_in_a_live_status() -> None:
    file = OutputFile(name="a.m3u8", uri="s3://b/a.m3u8", kind=FileKind.PLAYLIST, size_bytes=1)
    gaps = [
        Gap(started_at=NOW + timedelta(seconds=n), seconds=1.0, reason=GapReason.SOURCE_LOST)
        for n in range(MAX_GAPS + 5)
    ]
    answer = told(manifest(), files=[file] * (MAX_FILES + 5), gaps=gaps, lost_seconds=55.0)
    assert (len(answer.outputs), len(answer.gaps), answer.lost_seconds) == (MAX_FILES, MAX_GAPS, 55.0)
    assert answer.gaps[-1] == gaps[-1]
