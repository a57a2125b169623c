"""People come, go, mute and change size while it records: the picture follows, sound and picture stay together."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.e2e import APP, Gateway, Tasks, request_id
from support.publishers import publishing, user
from support.recording import Recording, av_offsets, grid, visible_users
from support.store import fetch_task

PEOPLE = [user("user1", hue=0, tone=440), user("user2", hue=220, tone=880), user("user3", hue=120, tone=660)]


def spend(seconds: float) -> None:
    """Let media go by: what is recorded is as long as the time it takes."""
    time.sleep(seconds)


@pytest.fixture
def busy(
    gateway: Gateway, tasks: Tasks, start_body: Callable[..., dict[str, Any]], tmp_path: Path
) -> tuple[Recording, dict[str, float]]:
    """A recording of a channel in which much happens, and the media second of each thing that did."""
    first, _, outsider = PEOPLE
    late = user("user2", hue=220, tone=880, join=3600)
    with publishing("busy", [first, late, outsider]) as people:
        body = start_body(channel="busy", users=["user1", "user2"])
        task = gateway.start(body).body["task_id"]
        tasks.until_state(task, "PROCESSING", seconds=60)
        spend(4)
        at = {"joined": people.act("user2", "join")}
        spend(6)
        at["camera-off"] = people.act("user2", "camera-off")
        spend(5)
        at["camera-on"] = people.act("user2", "camera-on")
        spend(5)
        at["resized"] = people.act("user1", "resize=320x180")
        spend(6)
        at["left"] = people.act("user2", "leave")
        spend(5)
        gateway.stop(task)
        tasks.until_state(task, "STOPPED", seconds=60)
    recording = fetch_task(task, tmp_path)
    begun = recording.playlist.entries[0].at
    assert begun is not None
    return recording, {what: when - begun.timestamp() for what, when in at.items()}


def test_other_users_come_into_the_picture_while_it_records(
    gateway: Gateway, tasks: Tasks, start_body: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    with publishing("chosen", PEOPLE):
        task = gateway.start(start_body(channel="chosen", users=["user1"])).body["task_id"]
        tasks.until_state(task, "PROCESSING", seconds=60)
        spend(6)
        path = f"/egress/v1/{APP}/tasks/{task}"
        chosen: dict[str, float] = {}
        for users in (["user2", "user3"], []):
            body = {"request_id": request_id(), "payload": {"users": users}}
            answer = gateway.call("PATCH", path, body)
            assert (answer.status, answer.body["payload"]["users"]) == (200, users)
            chosen[" ".join(users)] = time.time()
            spend(8)
        gateway.stop(task)
        tasks.until_state(task, "STOPPED", seconds=60)
    recording = fetch_task(task, tmp_path)
    assert recording.problems(people=PEOPLE) == []
    begun = recording.playlist.entries[0].at
    assert begun is not None

    def seen(users: str, seconds: float) -> set[str]:
        at = chosen[users] - begun.timestamp() + seconds
        return set(visible_users(recording, at=at, people=PEOPLE))

    assert seen("user2 user3", -1.0) == {"user1"}
    assert seen("user2 user3", 5.0) == {"user2", "user3"}
    assert seen("", 5.0) == {"user1", "user2", "user3"}
    assert not any(entry.discontinuity for entry in recording.playlist.entries)


def test_the_picture_follows_the_people(busy: tuple[Recording, dict[str, float]]) -> None:
    recording, at = busy
    assert recording.problems(people=PEOPLE) == []

    def seen(after: str, seconds: float) -> dict[str, Any]:
        return visible_users(recording, at=at[after] + seconds, people=PEOPLE)

    whole, (left, right) = grid(1)[0], grid(2)
    assert seen("joined", -1.0)["user1"].inside(whole)
    assert seen("joined", 3.0)["user1"].inside(left)
    assert seen("joined", 3.0)["user2"].inside(right)
    assert seen("camera-off", 3.0).keys() == {"user1"}
    assert seen("camera-on", 3.0).keys() == {"user1", "user2"}
    assert seen("resized", 3.0).keys() == {"user1", "user2"}
    assert seen("left", 3.0).keys() == {"user1"}
    assert seen("left", 3.0)["user1"].inside(whole)
    for offsets in av_offsets(recording, people=PEOPLE[:2]).values():
        assert abs(offsets.median) < 0.1
