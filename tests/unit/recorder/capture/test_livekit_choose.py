"""Others are recorded from one moment on: who is subscribed to, who leaves, what is told. The SDK is not needed."""

import importlib
import sys
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.capture.events import Change, Event, Participant

SOURCE = "egress_recorder.capture.livekit_source"
FRAMES = "egress_recorder.capture.livekit_frames"


class Publication:
    """A camera as the SDK shows it, and what was asked of it."""

    subscribed, track, muted = False, None, False

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.asked: list[bool] = []

    def set_subscribed(self, wanted: bool) -> None:  # noqa: FBT001 - the SDK's own form
        self.asked.append(wanted)


class Person:
    """Somebody in the room."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.camera = Publication(f"{identity}-camera")
        self.track_publications = {self.camera.sid: self.camera}


class Room:
    """The room, with everybody in it."""

    def __init__(self) -> None:
        self.remote_participants = {name: Person(name) for name in ("user1", "user2", "user3")}

    def asked(self) -> dict[str, list[bool]]:
        """Return what was asked of each camera since the last time."""
        found = {name: person.camera.asked for name, person in self.remote_participants.items()}
        for person in self.remote_participants.values():
            person.camera.asked = []
        return {name: asked for name, asked in found.items() if asked}


@pytest.fixture
async def playing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Any, Room, list[Event]]]:
    """A source that records user1, its room, and what it tells."""
    rtc: Any = types.ModuleType("livekit.rtc")
    rtc.Room = Room
    livekit: Any = types.ModuleType("livekit")
    livekit.rtc = rtc
    frames: Any = types.ModuleType(FRAMES)
    frames.CloseTap = frames.Taps = object
    frames.open_taps = object
    for name, module in (("livekit", livekit), ("livekit.rtc", rtc), (FRAMES, frames)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, SOURCE, raising=False)
    module = importlib.import_module(SOURCE)
    told: list[Event] = []
    config = CaptureConfig(spool="/spool", source=SourceConfig(), users=("user1",))
    source = module.LiveKitSource(config, emit=told.append)
    source._stage = object()
    source._subscribe_all()
    assert source._room.asked() == {"user1": [True]}
    told.clear()
    yield source, source._room, told
    sys.modules.pop(SOURCE, None)


def changes(told: list[Event]) -> list[tuple[str, Change]]:
    found = [(event.identity, event.change) for event in told if isinstance(event, Participant)]
    told.clear()
    return found


async def test_who_is_new_comes_in_and_who_is_not_wanted_goes(
    playing: tuple[Any, Room, list[Event]],
) -> None:
    source, room, told = playing
    source.choose(("user2", "user3"))
    assert room.asked() == {"user1": [False], "user2": [True], "user3": [True]}
    assert changes(told) == [("user1", Change.LEFT), ("user2", Change.JOINED), ("user3", Change.JOINED)]


async def test_none_is_everyone_and_who_is_there_already_stays(
    playing: tuple[Any, Room, list[Event]],
) -> None:
    source, room, told = playing
    source.choose(())
    assert room.asked() == {"user2": [True], "user3": [True]}
    assert changes(told) == [("user2", Change.JOINED), ("user3", Change.JOINED)]


async def test_who_speaks_is_told_by_their_place_and_who_is_not_recorded_is_not_heard(
    playing: tuple[Any, Room, list[Event]],
) -> None:
    source, room, _ = playing
    heard: list[list[int]] = []
    source._stage = types.SimpleNamespace(hear=heard.append)
    source.choose(("user1", "user2"))
    everybody = room.remote_participants
    source._on_speakers([everybody["user3"], everybody["user2"], everybody["user1"]])
    source._on_speakers([])
    assert heard == [[1, 0], []]


async def test_the_same_again_changes_nothing(playing: tuple[Any, Room, list[Event]]) -> None:
    source, room, told = playing
    source.choose(("user1",))
    assert (room.asked(), changes(told)) == ({}, [])


async def test_who_goes_and_comes_back_at_once_is_asked_for_both_times(
    playing: tuple[Any, Room, list[Event]],
) -> None:
    source, room, told = playing
    source.choose(("user2",))
    source.choose(("user1",))
    assert room.asked() == {"user1": [False, True], "user2": [True, False]}
    assert changes(told)[-2:] == [("user1", Change.JOINED), ("user2", Change.LEFT)]


async def test_a_choice_before_it_plays_is_whom_it_begins_with(
    playing: tuple[Any, Room, list[Event]],
) -> None:
    source, room, told = playing
    source._stage = None
    source.choose(("user3",))
    assert (room.asked(), changes(told)) == ({}, [])
    source._stage = object()
    source._subscribe_all()
    assert room.asked() == {"user3": [True]}
