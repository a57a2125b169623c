"""What manifest.json tells of a task whose resource is gone: what was asked for, and how it ended; nothing secret."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from egress_api.manifest import Manifest, without_query
from egress_api.results import Outcome
from egress_api.states import Reason, State
from egress_api.status import Verdict
from egress_recorder.ending import Ending, end_of
from egress_recorder.errors import OutputExistsError
from egress_recorder.manifest_store import check_ours
from egress_recorder.recording import Recording, StoredSegment
from support.recorder import NOW, recorder_config

PAGE = {
    "layout": "freestyle",
    "channel": None,
    "source": None,
    "token_file": None,
    "url": "https://good.example:8443/canvas?key=s3cret#part",
}


def head_of(**changes: Any) -> Manifest:
    book = Recording(recorder_config(**changes), created_at=NOW)
    read = Manifest.from_head(book.manifest())
    assert read is not None
    return read


def test_what_was_asked_for_stands_in_it() -> None:
    created = NOW - timedelta(seconds=9)
    asked = head_of(request_id="m2d3", users=["user1"], created_at=created, video={"width": 640}).asked
    assert asked is not None
    assert (asked.request_id, asked.created_at, asked.layout, asked.channel) == (
        "m2d3",
        created,
        "flat",
        "standup",
    )
    assert (asked.users, asked.video.width, asked.audio.bitrate, asked.format) == (["user1"], 640, 128, "hls")


def test_of_a_pages_url_the_part_with_keys_does_not() -> None:
    book = Recording(recorder_config(**PAGE), created_at=NOW)
    assert b"s3cret" not in book.manifest()
    read = Manifest.from_head(book.manifest())
    assert read is not None
    assert read.asked is not None
    assert read.asked.url == "https://good.example:8443/canvas"


@pytest.mark.parametrize(
    ("url", "told"),
    [("http://a.example", "http://a.example"), ("http://a.example/?q", "http://a.example/"), ("http://[::1]:8/x#y", "http://[::1]:8/x")],
)  # fmt: skip
def test_a_url_without_its_query(url: str, told: str) -> None:
    assert without_query(url) == told


def test_neither_token_nor_its_place_stands_in_it() -> None:
    assert b"token" not in Recording(recorder_config(), created_at=NOW).manifest()


def test_the_head_of_a_long_manifest_is_enough() -> None:
    book = Recording(recorder_config(), created_at=NOW)
    for number in range(100):
        segment = book.add(Path(f"{number}.ts"), size_bytes=10, started_at=NOW, seconds=4.0)
        book.mark_stored(segment.number, StoredSegment(name=segment.name, sha256="0" * 64, uploaded_at=NOW))
    whole = book.manifest()
    read, cut = Manifest.model_validate_json(whole), Manifest.from_head(whole[:4000])
    assert len(read.segments) == 100
    assert cut == read.model_copy(update={"segments": []})


def test_a_head_that_is_cut_before_the_segments_is_none() -> None:
    assert Manifest.from_head(Recording(recorder_config(), created_at=NOW).manifest()[:200]) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b',"segments":[\n'])
def test_what_is_no_manifest_is_none(content: bytes) -> None:
    assert Manifest.from_head(content) is None


def test_a_later_attempt_keeps_when_the_source_was_first_joined() -> None:
    book = Recording(recorder_config(), created_at=NOW)
    book.joined_at = NOW
    later = Recording(
        recorder_config(attempt=2), created_at=NOW, earlier=Manifest.model_validate_json(book.manifest())
    )
    assert later.joined_at == NOW


def test_a_recording_that_goes_on_has_not_ended() -> None:
    book = Recording(recorder_config(), created_at=NOW)
    end = end_of(Ending.stopped(Reason.SOURCE_CLOSED, "It was closed."), verdict=None, now=NOW)
    earlier = Manifest.model_validate_json(book.manifest(complete=True, end=end))
    assert (earlier.end, earlier.reason) == (end, "SourceClosed")
    later = Recording(recorder_config(attempt=2), created_at=NOW, earlier=earlier)
    assert Manifest.model_validate_json(later.manifest()).end is None


def test_how_an_attempt_ended_is_how_the_task_did() -> None:
    stopped = end_of(Ending.stopped(Reason.STOP_REQUESTED, "As asked."), verdict=None, now=NOW)
    failed = end_of(Ending.failed(Reason.STORE_REFUSED, "No.", retryable=False), verdict=None, now=NOW)
    assert [(end.state, end.reason, end.at) for end in (stopped, failed)] == [
        (State.STOPPED, "StopRequested", NOW),
        (State.FAILED, "StoreRefused", NOW),
    ]


def test_who_only_closes_the_lists_says_what_the_operator_decided() -> None:
    verdict = Verdict(state=State.FAILED, reason="OOMKilled", message="it needed more", since=NOW)
    closing = Ending.stopped(Reason.CLOSING, "Closed what earlier recorders had recorded.")
    end = end_of(closing, verdict=verdict, now=NOW)
    assert closing.outcome is Outcome.STOPPED
    assert (end.state, end.reason, end.message) == (State.FAILED, "OOMKilled", "it needed more")


def test_a_manifest_of_a_newer_recorder_is_gone_on_from() -> None:
    text = Recording(recorder_config(), created_at=NOW).manifest()
    newer = text.replace(b'"frameRate"', b'"hdr":true,"frameRate"')
    assert newer != text
    assert check_ours(newer, recorder_config(attempt=2), url="file:///x/").task_id == "t1"
    assert Manifest.from_head(newer) == Manifest.from_head(text)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ('"layout":"flat"', '"layout":"speaker"'),
        ('"format":"hls"', '"format":"fmp4"'),
        ('"frameRate":30', '"frameRate":120'),
        ('"when":"load"', '"when":"never"'),
    ],
    ids=["layout", "format", "frame rate", "start"],
)
def test_what_was_asked_of_a_newer_recorder_does_not_keep_the_recording_from_going_on(
    ours: str, theirs: str
) -> None:
    text = Recording(recorder_config(), created_at=NOW).manifest()
    newer = text.replace(ours.encode(), theirs.encode())
    assert newer != text
    read = check_ours(newer, recorder_config(attempt=2), url="file:///x/")
    assert read == Manifest.model_validate_json(text).model_copy(update={"asked": None})
    assert Manifest.from_head(newer) == read


def test_an_end_in_words_of_a_newer_recorder_does_not_either() -> None:
    end = end_of(Ending.stopped(Reason.SOURCE_CLOSED, "It was closed."), verdict=None, now=NOW)
    text = Recording(recorder_config(), created_at=NOW).manifest(complete=True, end=end)
    newer = text.replace(b'"state":"STOPPED"', b'"state":"ARCHIVED"')
    assert newer != text
    read = check_ours(newer, recorder_config(attempt=2), url="file:///x/")
    assert (read.end, read.asked is None, read.complete) == (None, False, True)


def test_what_a_recording_rests_on_must_be_readable() -> None:
    text = Recording(recorder_config(), created_at=NOW).manifest()
    with pytest.raises(OutputExistsError):
        check_ours(
            text.replace(b'"attempt":1', b'"attempt":"x"'), recorder_config(attempt=2), url="file:///x/"
        )
