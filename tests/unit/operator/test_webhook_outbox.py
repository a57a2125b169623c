"""The outbox: which change is which event, how it stays small, and that its bodies never change."""

from datetime import timedelta
from typing import Any

import pytest

from egress_api.outbox import MAX_PENDING, EventType, PendingEvent, WebhookStatus
from egress_api.states import GapReason, State
from egress_api.status import EgressTaskStatus, Gap, OutputFile
from egress_api.webhooks import MAX_BODY_BYTES, WebhookEvent, event_id
from egress_operator.events import events_of
from egress_operator.webhooks.outbox import Progress, owed, with_events, with_progress
from egress_operator.webhooks.record import as_read
from egress_operator.webhooks.schedule import LONGEST_SECONDS, PAUSES, pause_after
from support.operator_parts import NOW, RECORDING, STOPPING, at, status, task
from support.summaries import playlist

IDS = {"app_id": "demo", "task_id": "task", "request_id": "r1"}
ALL = list(EventType)


def file(name: str) -> OutputFile:
    return playlist().model_copy(update={"name": name})


def pending(*kinds: EventType, first: int = 1) -> list[PendingEvent]:
    return [
        PendingEvent(sequence=number, type=kind, at=at(number), state=State.PROCESSING, file=f"{number}.m3u8")
        for number, kind in enumerate(kinds, start=first)
    ]


def noted(
    old: EgressTaskStatus | None, new: EgressTaskStatus, wanted: list[EventType] = ALL
) -> list[tuple[int, str, str]]:
    webhooks = with_events(old, new, wanted=wanted, now=NOW).webhooks
    return [(e.sequence, e.type.value, e.file) for e in webhooks.pending] if webhooks else []


ENDED = {
    state: status(state, recorded=True, reason="Why", stopped_at=at(90))
    for state in (State.STOPPED, State.FAILED, State.TIMEOUT)
}
CHANGES: list[tuple[str, EgressTaskStatus | None, EgressTaskStatus, list[tuple[int, str, str]]]] = [
    ("nothing has happened", RECORDING, RECORDING, []),
    ("enqueued", None, status(), []),
    ("it records", status(), status(State.PROCESSING), [(1, "task.processing", "")]),
    (
        "it records and has a file",
        status(),
        RECORDING,
        [(1, "task.processing", ""), (2, "task.file", "recording.m3u8")],
    ),
    (
        "a second file",
        RECORDING,
        RECORDING.model_copy(update={"files": [*RECORDING.files, file("b.png")]}),
        [(1, "task.file", "b.png")],
    ),
    ("a file has grown", RECORDING, RECORDING.model_copy(update={"files": [playlist(seconds=60)]}), []),
    ("it is to stop", RECORDING, STOPPING, []),
    ("stopped", STOPPING, ENDED[State.STOPPED], [(1, "task.stopped", "")]),
    (
        "failed, with the first file",
        status(State.PROCESSING),
        ENDED[State.FAILED],
        [(1, "task.file", "recording.m3u8"), (2, "task.failed", "")],
    ),
    ("too late, at first sight", None, status(State.TIMEOUT), [(1, "task.timeout", "")]),
    ("ended long ago", ENDED[State.STOPPED], ENDED[State.STOPPED], []),
]


@pytest.mark.parametrize(("old", "new", "events"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_which_change_is_which_event(
    old: EgressTaskStatus | None, new: EgressTaskStatus, events: list[tuple[int, str, str]]
) -> None:
    assert noted(old, new) == events


def test_numbers_go_on_and_what_is_not_wanted_has_none() -> None:
    wanted = [EventType.PROCESSING, EventType.STOPPED]
    recording = with_events(status(), RECORDING, wanted=wanted, now=NOW)
    ended = ENDED[State.STOPPED].model_copy(update={"webhooks": recording.webhooks})
    assert noted(recording, ended, wanted) == [(1, "task.processing", ""), (2, "task.stopped", "")]


def test_an_event_holds_the_words_of_its_moment() -> None:
    new = RECORDING.model_copy(update={"reason": "Recording", "message": "records the channel"})
    webhooks = with_events(status(), new, wanted=ALL, now=NOW).webhooks
    assert webhooks is not None
    event = webhooks.pending[0]
    assert (event.state, event.reason, event.message, event.at) == (
        "PROCESSING",
        "Recording",
        "records the channel",
        NOW,
    )


def test_too_many_files_push_the_oldest_out_and_never_how_it_ended() -> None:
    full = [*pending(EventType.PROCESSING), *pending(*[EventType.FILE] * (MAX_PENDING - 1), first=2)]
    old = RECORDING.model_copy(
        update={"webhooks": WebhookStatus(sequence=MAX_PENDING, pending=full, dropped=4)}
    )
    new = ENDED[State.STOPPED].model_copy(update={"webhooks": old.webhooks, "files": [*old.files, file("z")]})
    webhooks = with_events(old, new, wanted=ALL, now=NOW).webhooks
    assert webhooks is not None
    assert len(webhooks.pending) == MAX_PENDING
    assert (webhooks.sequence, webhooks.dropped) == (MAX_PENDING + 2, 6)
    assert [e.sequence for e in webhooks.pending] == [1, *range(4, MAX_PENDING + 3)]
    assert [e.type for e in webhooks.pending[-2:]] == [EventType.FILE, EventType.STOPPED]


def with_pending(*kinds: EventType, **fields: Any) -> EgressTaskStatus:
    webhooks = WebhookStatus(sequence=len(kinds), pending=pending(*kinds), **fields)
    return RECORDING.model_copy(update={"webhooks": webhooks})


def test_what_is_settled_goes_and_the_next_try_is_noted() -> None:
    before = with_pending(EventType.PROCESSING, EventType.FILE, EventType.STOPPED, message="old")
    progress = Progress(settled=1, attempts=2, next_attempt_at=at(400), problem="HTTP 500")
    webhooks = with_progress(before, progress).webhooks
    assert webhooks is not None
    assert [(e.sequence, e.attempts, e.next_attempt_at) for e in webhooks.pending] == [
        (2, 2, at(400)),
        (3, 0, None),
    ]
    assert (webhooks.message, webhooks.given_up) == ("HTTP 500", 0)


def test_what_is_settled_twice_counts_once() -> None:
    before = with_pending(EventType.PROCESSING, EventType.FILE)
    progress = Progress(settled=1, given_up={1: "nobody took it"})
    once = with_progress(before, progress)
    assert once.webhooks is not None
    assert (once.webhooks.given_up, once.webhooks.message) == (1, "nobody took it")
    assert with_progress(once, progress) == once


def test_a_delivery_clears_the_complaint() -> None:
    webhooks = with_progress(
        with_pending(EventType.PROCESSING, message="HTTP 500"), Progress(settled=1)
    ).webhooks
    assert webhooks == WebhookStatus(sequence=1)


def test_giving_up_is_an_event_of_the_task() -> None:
    before = with_pending(EventType.PROCESSING)
    after = with_progress(before, Progress(settled=1, given_up={1: "nobody took it"}))
    (event,) = events_of(task(before).metadata, before, after, now=NOW)
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "WebhookGivenUp", "nobody took it")
    assert events_of(task(after).metadata, after, after, now=NOW) == []


@pytest.mark.parametrize(
    ("what", "stays"),
    [
        ({}, True),
        ({"pending": False}, False),
        ({"configured": False}, False),
        ({"stopped_at": None}, False),
        ({"stopped_at": NOW - timedelta(seconds=LONGEST_SECONDS + 1)}, False),
    ],
)
def test_a_task_stays_while_its_end_is_not_told(what: dict[str, Any], stays: bool) -> None:  # noqa: FBT001 - a table's column
    base: dict[str, Any] = {"pending": True, "configured": True, "stopped_at": at(0), "now": NOW}
    assert owed(**{**base, **what}) is stays


# Bodies.

LOST = Gap(started_at=at(20), seconds=1.25, reason=GapReason.SOURCE_LOST)


def test_the_last_event_says_what_there_is_and_the_same_after_a_restart() -> None:
    end = status(
        State.STOPPED,
        recorded=True,
        source="room",
        reason="StopRequested",
        message="as asked",
        gaps=[LOST],
        lost_seconds=1.25,
        stopped_at=at(90) + timedelta(microseconds=123456),
        manifest_uri="s3://recordings/manifest.json",
    )
    now = NOW + timedelta(microseconds=654321)
    written = with_events(STOPPING, end, wanted=ALL, now=now)
    texts = set()
    for seen in (as_read(written), as_read(as_read(written))):
        assert seen.webhooks is not None
        texts.add(WebhookEvent.of(seen.webhooks.pending[-1], seen, ids=IDS).to_json())
    assert len(texts) == 1
    event = WebhookEvent.model_validate_json(texts.pop())
    assert event.type is EventType.STOPPED
    assert event.data.model_dump(
        include={"app_id", "task_id", "request_id", "sequence", "status", "reason", "message", "source"}
    ) == {
        **IDS,
        "sequence": 1,
        "status": "STOPPED",
        "reason": "StopRequested",
        "message": "as asked",
        "source": "room",
    }
    assert event.data.gaps == [LOST]
    assert event.data.files == end.files
    assert (event.data.lost_seconds, event.data.files_total) == (1.25, 1)


def test_an_event_on_the_way_says_nothing_that_still_changes() -> None:
    early = with_events(status(source="room"), RECORDING, wanted=ALL, now=NOW)
    later = early.model_copy(
        update={
            "files": [playlist(seconds=3600), file("b.png")],
            "gaps": [LOST],
            "lost_seconds": 1.25,
            "state": State.STOPPED,
            "message": "later",
        }
    )
    assert early.webhooks is not None
    for event in early.webhooks.pending:
        one, other = (WebhookEvent.of(event, seen, ids=IDS).to_json() for seen in (early, later))
        assert one == other


def test_a_file_is_named_with_its_place() -> None:
    seen = with_events(status(), RECORDING, wanted=[EventType.FILE], now=NOW)
    assert seen.webhooks is not None
    data = WebhookEvent.of(seen.webhooks.pending[0], seen, ids=IDS).data
    assert data.file is not None
    assert data.file.model_dump() == {
        "name": "recording.m3u8",
        "uri": "s3://recordings/demo/task/recording.m3u8",
        "kind": "playlist",
    }
    with pytest.raises(ValueError, match="no longer lists"):
        WebhookEvent.of(seen.webhooks.pending[0], status(), ids=IDS)


def test_a_body_is_never_too_large() -> None:
    long = [
        file(f"{number}{'n' * 200}").model_copy(update={"uri": f"s3://{'u' * 900}"}) for number in range(50)
    ]
    end = status(State.FAILED, files=long, files_total=70, gaps=[LOST] * 50, message="ü" * 1024)
    seen = with_events(STOPPING, end, wanted=[EventType.FAILED], now=NOW)
    assert seen.webhooks is not None
    text = WebhookEvent.of(seen.webhooks.pending[0], seen, ids=IDS).to_json()
    assert len(text.encode()) <= MAX_BODY_BYTES
    data = WebhookEvent.model_validate_json(text).data
    assert data.gaps == []
    assert data.files
    assert data.files == long[: len(data.files)]
    assert data.files_total == 70


def test_an_id_is_of_the_task_and_the_number() -> None:
    # A dot would end the id in what is signed.
    assert event_id("0e7c", 3) == "evt_0e7c_3"


# The schedule.


def test_pauses_are_those_of_the_specification() -> None:
    pauses = [pause_after(tries, asked_seconds=None, chance=0) for tries in range(1, 11)]
    minutes, hours = 60, 3600
    assert pauses == [
        5, 5 * minutes, 30 * minutes, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None
    ]  # fmt: skip
    assert sum(PAUSES) * 1.1 < LONGEST_SECONDS


def test_jitter_and_the_receivers_wish_only_lengthen_a_pause() -> None:
    assert pause_after(2, asked_seconds=None, chance=1) == pytest.approx(330)
    assert pause_after(2, asked_seconds=1, chance=0) == 300
    assert pause_after(1, asked_seconds=120, chance=0) == 120
    assert pause_after(1, asked_seconds=1e9, chance=0) == 86400
