import json
import os
import threading

import pytest

from egress_recorder.capture.errors import EndReason
from egress_recorder.capture.events import (
    Change,
    Ended,
    Event,
    EventWriter,
    FirstFrame,
    Joined,
    Participant,
    PauseChanged,
    SegmentClosed,
    SegmentOpened,
    Stats,
    Warned,
    parse_event,
    to_line,
)

EVENTS: list[tuple[Event, dict[str, object]]] = [
    (Joined(at=1.5), {"event": "joined", "at": 1.5}),
    (FirstFrame(at=1.5), {"event": "first-frame", "at": 1.5}),
    (
        SegmentClosed(path="seg_000000.ts", index=0, duration=4.0, started_at=1.5),
        {
            "event": "segment-closed",
            "path": "seg_000000.ts",
            "index": 0,
            "duration": 4.0,
            "started_at": 1.5,
            "jump": False,
        },
    ),
    (
        SegmentOpened(path="seg_000001.ts", index=1, started_at=5.5, jump=True),
        {"event": "segment-opened", "path": "seg_000001.ts", "index": 1, "started_at": 5.5, "jump": True},
    ),
    (PauseChanged(paused=True, at=2.5), {"event": "pause", "paused": True, "at": 2.5}),
    (
        Participant(identity="user1", change=Change.VIDEO_ON),
        {"event": "participant", "identity": "user1", "change": "video-on"},
    ),
    (Warned(reason="Late", message="m"), {"event": "warning", "reason": "Late", "message": "m"}),
    (Stats(frames=3, dropped=1), {"event": "stats", "frames": 3, "dropped": 1}),
    (Ended(reason=EndReason.STOPPED, message="m"), {"event": "ended", "reason": "Stopped", "message": "m"}),
]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_events_are_lines_and_back(event: Event, line: dict[str, object]) -> None:
    assert json.loads(to_line(event)) == line
    assert parse_event(to_line(event)) == event


def test_unknown_fields_are_ignored() -> None:
    assert parse_event('{"event":"joined","at":1,"mood":"good"}') == Joined(at=1)


@pytest.mark.parametrize("line", ["", "hello", "[]", '{"event":"dance"}', '{"event":"joined"}'])
def test_what_is_no_event_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_event(line)


def test_nothing_follows_ended() -> None:
    reading, writing = os.pipe()
    writer = EventWriter(writing)
    writer.emit(Ended(reason="Stopped", message=""))
    writer.emit(Joined(at=1))
    os.close(writing)
    with os.fdopen(reading) as lines:
        assert [json.loads(line)["event"] for line in lines] == ["ended"]


def test_lines_from_many_threads_are_never_torn() -> None:
    reading, writing = os.pipe()
    writer = EventWriter(writing)
    message = "x" * 900
    threads = [
        threading.Thread(target=lambda: [writer.emit(Warned(reason="R", message=message)) for _ in range(50)])
        for _ in range(4)
    ]
    with os.fdopen(reading) as lines:
        for thread in threads:
            thread.start()
        seen = [json.loads(next(lines)) for _ in range(200)]
        for thread in threads:
            thread.join(5)
    os.close(writing)
    assert all(entry["message"] == message for entry in seen)


def test_a_reader_that_is_gone_is_noticed_not_raised() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = EventWriter(writing)
    writer.emit(Joined(at=1))
    os.close(writing)
    assert writer.broken.is_set()


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (EndReason.STOPPED, 0),
        (EndReason.JOIN_REFUSED, 64),
        (EndReason.SOURCE_UNREACHABLE, 65),
        (EndReason.SOURCE_CLOSED, 66),
        (EndReason.IDENTITY_TAKEN, 67),
        (EndReason.PIPELINE_ERROR, 70),
        (EndReason.DISK_FULL, 71),
    ],
)
def test_every_reason_has_its_exit_code(reason: EndReason, code: int) -> None:
    assert reason.exit_code == code
