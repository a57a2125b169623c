"""The layouts of a channel beside the grid, and how they follow one another in one recording."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from support.e2e import APP, Gateway, Tasks, request_id
from support.publishers import publishing, user
from support.recording import Recording, grid, visible_users
from support.recording_picture import Box
from support.store import fetch_task

PEOPLE = [user("user1", hue=0, tone=440), user("user2", hue=220, tone=880), user("user3", hue=120, tone=660)]
LARGE = Box(left=0.0, top=0.0, right=0.8, bottom=1.0)
STRIP = Box(left=0.8, top=0.0, right=1.0, bottom=1.0)
REGIONS = [
    {"x": 320, "y": 180, "width": 640, "height": 360, "user": "user2"},
    {"x": 0, "y": 0, "width": 320, "height": 720, "fit": "cover", "user": "user3"},
]
SETTLED_SECONDS = 5.0
"""LiveKit says who speaks twice a second, and the light waits for a second or two."""


@pytest.fixture(scope="module")
def seen(
    gateway: Gateway, tasks: Tasks, make_start_body: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Recording, dict[str, float]]:  # fmt: skip
    """A recording in which first one and then another speaks, then a grid is asked for; and when each happened."""
    at: dict[str, float] = {}
    with publishing("spotlight", PEOPLE) as people:
        for silent in ("user2", "user3"):
            people.act(silent, "mic-off")
        task = gateway.start(make_start_body(channel="spotlight", layout="spotlight", regions=REGIONS)).body[
            "task_id"
        ]
        tasks.until_state(task, "PROCESSING", seconds=60)
        time.sleep(SETTLED_SECONDS + 2)
        people.act("user1", "mic-off")
        at["user3 speaks"] = people.act("user3", "mic-on")
        time.sleep(SETTLED_SECONDS + 2)
        body = {"request_id": request_id(), "payload": {"layout": "flat"}}
        answer = gateway.call("PATCH", f"/egress/v1/{APP}/tasks/{task}", body)
        assert (answer.status, answer.body["payload"]["layout"]) == (200, "flat")
        at["flat"] = time.time()
        time.sleep(SETTLED_SECONDS)
        body = {"request_id": request_id(), "payload": {"layout": "customized"}}
        answer = gateway.call("PATCH", f"/egress/v1/{APP}/tasks/{task}", body)
        assert (answer.status, answer.body["payload"]["layout"]) == (200, "customized")
        at["customized"] = time.time()
        time.sleep(SETTLED_SECONDS)
        gateway.stop(task)
        ended = tasks.until_state(task, "STOPPED", seconds=60)
    assert ended["status"]["attempt"] == 1
    recording = fetch_task(task, tmp_path_factory.mktemp("spotlight"))
    begun = recording.playlist.entries[0].at
    assert begun is not None
    return recording, {what: when - begun.timestamp() for what, when in at.items()}


def assert_large(recording: Recording, who: str, *, at: float) -> None:
    places = visible_users(recording, at=at, people=PEOPLE)
    assert places.keys() == {"user1", "user2", "user3"}
    for identity, box in places.items():
        assert box.inside(LARGE if identity == who else STRIP), (identity, box)


def test_who_speaks_is_large_and_the_others_stand_beside(seen: tuple[Recording, dict[str, float]]) -> None:
    recording, at = seen
    assert recording.problems(people=PEOPLE) == []
    assert_large(recording, "user1", at=at["user3 speaks"] - 0.2)
    assert_large(recording, "user3", at=at["user3 speaks"] + SETTLED_SECONDS)
    assert_large(recording, "user3", at=at["flat"] - 0.2)


def test_another_layout_is_seen_in_the_same_recording(seen: tuple[Recording, dict[str, float]]) -> None:
    recording, at = seen
    places = visible_users(recording, at=at["flat"] + 3.0, people=PEOPLE)
    assert places.keys() == {"user1", "user2", "user3"}
    cells = grid(3)
    stand = [[number for number, cell in enumerate(cells) if box.inside(cell)] for box in places.values()]
    assert sorted(stand) == [[0], [1], [2]]
    assert not any(entry.discontinuity for entry in recording.playlist.entries)
    assert recording.manifest is not None
    assert recording.manifest.asked is not None
    assert recording.manifest.asked.layout == "customized"


def test_with_regions_everybody_stands_where_they_were_put(seen: tuple[Recording, dict[str, float]]) -> None:
    recording, at = seen
    places = visible_users(recording, at=at["customized"] + 3.0, people=PEOPLE)
    assert places.keys() == {"user2", "user3"}  # user1 has no region
    middle = Box(left=0.25, top=0.25, right=0.75, bottom=0.75)
    assert places["user2"].inside(middle)
    assert middle.inside(places["user2"], tolerance=0.03)
    left = Box(left=0.0, top=0.0, right=0.25, bottom=1.0)
    assert places["user3"].inside(left)
    assert left.inside(places["user3"], tolerance=0.03)
