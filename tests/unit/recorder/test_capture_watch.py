"""The pure parts around a capture: does it live, what does its end mean, is a pause wished, is there room."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from egress_api.media import Layout
from egress_api.states import GapReason, Reason
from egress_recorder.capture.errors import EndReason
from egress_recorder.capture.events import Change, Ended, Joined, Participant, SegmentClosed, Stats
from egress_recorder.capture_end import Broken, meaning_of
from egress_recorder.clock import SystemClock
from egress_recorder.context import Context
from egress_recorder.control import Arrangement, Users, Wish
from egress_recorder.ending import Ending
from egress_recorder.limits import Patience
from egress_recorder.live import Live
from egress_recorder.people import People
from egress_recorder.pulse import Bounds, Pulse
from egress_recorder.recording import Recording
from egress_recorder.settings import Settings
from egress_recorder.spool import Spool
from egress_recorder.stop_signal import StopSignal
from support.recorder import NOW, recorder_config

BOUNDS = Bounds(join=30.0, silent=5.0, still=10.0, unclosed=27.0)
CLOSED = SegmentClosed(path="seg_000000.ts", index=0, duration=4.0, started_at=0.0)


def figures(frames: int) -> Stats:
    return Stats(frames=frames, dropped=0)


class Watched:
    """A capture's pulse, a tenth of a second at a time."""

    def __init__(self) -> None:
        self.pulse = Pulse(BOUNDS, now=0.0)
        self.now = 0.0

    def passes(self, seconds: float, *, paused: bool = False) -> None:
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.pulse.tick(now=self.now, paused=paused)

    def says(self, *events: Any) -> None:
        for event in events:
            self.pulse.heard(event)

    @property
    def hung(self) -> str:
        return self.pulse.hung() or ""


def test_a_capture_that_does_not_join_hangs_whatever_else_it_says() -> None:
    it = Watched()
    for _ in range(3):
        it.passes(9.9)
        assert it.hung == ""
        it.says(Participant(identity="anna", change=Change.JOINED))
    it.passes(0.4)
    assert it.hung == "it neither joined nor gave up for 30 s"


def test_a_joined_capture_that_falls_silent_hangs() -> None:
    it = Watched()
    it.says(Joined(at=0.0))
    for frames in range(20):
        it.says(figures(frames))
        it.passes(1.0)
    assert it.hung == ""
    it.passes(4.2)
    assert it.hung == "it said nothing for 5 s"


def test_a_joined_capture_whose_frames_stand_still_hangs() -> None:
    it = Watched()
    it.says(Joined(at=0.0), figures(7))
    for _ in range(10):
        it.passes(1.0)
        assert it.hung == ""
        it.says(figures(7))
    it.passes(0.5)
    assert it.hung == "it encoded no frame for 10 s"


def test_a_joined_capture_that_closes_no_segment_hangs_but_not_while_paused() -> None:
    it = Watched()
    it.says(Joined(at=0.0))
    for frames in range(60):
        it.passes(1.0, paused=True)
        it.says(figures(frames))
    it.says(CLOSED)
    for frames in range(60, 87):
        assert it.hung == ""
        it.passes(1.0)
        it.says(figures(frames))
    it.passes(0.5)
    assert it.hung == "it closed no segment for 27 s"


def test_a_supervisor_that_was_held_up_does_not_blame_its_capture() -> None:
    it = Watched()
    it.says(Joined(at=0.0), figures(1))
    it.now += 3600
    it.pulse.tick(now=it.now, paused=False)
    assert it.hung == ""


@pytest.mark.parametrize(
    ("code", "word", "hung", "expected"),
    [
        (
            66,
            None,
            None,
            Ending.stopped(Reason.SOURCE_CLOSED, "The capture died without a word (exit code 66)."),
        ),
        (0, "SourceClosed", None, Ending.stopped(Reason.SOURCE_CLOSED, "So it was.")),
        (64, "JoinRefused", None, Ending.failed(Reason.JOIN_REFUSED, "So it was.", retryable=False)),
        (65, "SourceUnreachable", None, Broken(EndReason.SOURCE_UNREACHABLE, "So it was.")),
        (71, "DiskFull", None, Broken(EndReason.DISK_FULL, "So it was.")),
        (-11, None, None, Broken(EndReason.PIPELINE_ERROR, "The capture died without a word (signal 11).")),
        (-9, None, "it slept", Broken(EndReason.PIPELINE_ERROR, "The capture hung: it slept.")),
        (70, "PipelineError", "it slept", Broken(EndReason.PIPELINE_ERROR, "So it was.")),
    ],
)
def test_what_an_end_means(code: int, word: str | None, hung: str | None, expected: Ending | Broken) -> None:
    last_word = Ended(reason=word, message="So it was.") if word else None
    assert meaning_of(code, last_word=last_word, hung=hung) == expected


@pytest.mark.parametrize(
    ("reason", "gap"),
    [
        (EndReason.SOURCE_UNREACHABLE, GapReason.SOURCE_LOST),
        (EndReason.PAGE_UNREACHABLE, GapReason.SOURCE_LOST),
        (EndReason.DISK_FULL, GapReason.SPOOL_FULL),
        (EndReason.PIPELINE_ERROR, GapReason.CAPTURE_RESTARTED),
        (EndReason.PAGE_HUNG, GapReason.CAPTURE_RESTARTED),
        (EndReason.STOPPED, GapReason.CAPTURE_RESTARTED),
    ],
)
def test_why_time_is_missing_behind_a_broken_capture(reason: EndReason, gap: GapReason) -> None:
    assert Broken(reason, "").gap_reason is gap


def test_a_fault_may_last_until_patience_is_over_and_then_anew() -> None:
    patience = Patience(seconds=10.0)
    assert [patience.lasts(now=now) for now in (100.0, 105.0, 109.9, 110.0)] == [True, True, True, False]
    assert patience.tries == 4
    patience.worked()
    assert patience.lasts(now=200.0)
    assert patience.tries == 1


def test_a_pause_is_wished_by_a_file_and_what_is_no_wish_changes_nothing(tmp_path: Path) -> None:
    log = structlog.get_logger()
    wish, file = Wish(str(tmp_path), "pause", log=log), tmp_path / "pause"
    assert not wish.read()
    with capture_logs() as said:
        for text, expected in [
            ("true", True), ("perhaps", True), ("\xff\n", True), (" FALSE\n", False), ("1", False),
            ("true\n", True), ("", False), ("true", True),
        ]:  # fmt: skip
            file.write_text(text, encoding="latin-1")
            assert wish.read() is expected, text
        file.unlink()
        assert not wish.read()
        file.mkdir()
        assert not wish.read()
    assert [line["event"] for line in said] == ["wish-unreadable"] * 3


def test_whom_to_record_stands_in_a_file_and_stays_where_it_says_nothing(tmp_path: Path) -> None:
    users, file = Users(str(tmp_path), begin=("a",)), tmp_path / "users"
    assert users.read() == ("a",)
    for text, expected in [
        ("", ("a",)),
        ("b,c", ("b", "c")),
        ("", ("b", "c")),
        (",", ()),
        ("\n", ()),
        ("d\n", ("d",)),
    ]:
        file.write_text(text)
        assert users.read() == expected
    file.write_bytes(b"\xff")
    assert users.read() == ("d",)
    file.unlink()
    assert users.read() == ("d",)
    assert Users(None, begin=("a",)).read() == ("a",)


def test_a_layout_stands_in_a_file_and_stays_where_it_says_nothing_of_a_channel(tmp_path: Path) -> None:
    arrangement, file = Arrangement(str(tmp_path), begin=Layout.FLAT), tmp_path / "layout"
    assert arrangement.read() is Layout.FLAT
    for text, expected in [
        ("spotlight\n", Layout.SPOTLIGHT),
        ("", Layout.SPOTLIGHT),
        ("freestyle", Layout.SPOTLIGHT),
        ("flat", Layout.FLAT),
        ("of-the-future", Layout.FLAT),
    ]:
        file.write_text(text)
        assert arrangement.read() is expected
    file.write_bytes(b"\xff")
    assert arrangement.read() is Layout.FLAT
    assert Arrangement(None, begin=Layout.SPOTLIGHT).read() is Layout.SPOTLIGHT


def test_without_a_control_folder_nothing_is_wished() -> None:
    assert not Wish(None, "pause", log=structlog.get_logger()).read()


class Room:
    """A spool with a book, on a disk of which so much is free."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.folder = tmp_path / "spool"
        config = recorder_config(spool_bytes=10_000_000, video={"bitrate": 1000})
        self.live = Live(config=config, people=People(now=0.0), beat_at=0.0)
        self.book = Recording(config, created_at=NOW)
        context = Context(
            config=config,
            settings=Settings(spool=self.folder, upload_parallel=2, **settings),
            clock=SystemClock(),
            live=self.live,
            stop=StopSignal(),
            log=structlog.get_logger(),
        )
        self.spool = Spool(context, recording=self.book)
        self.capture = self.spool.new_folder()
        self.disk, self.others = 100_000_000, 0
        self.frees_later = False
        self._taken = 0
        monkeypatch.setattr(os, "statvfs", self.statvfs)

    def statvfs(self, path: object) -> Any:
        # The one fault here that no folder of a test can have: a disk that is full.
        assert path == self.folder
        if not self.frees_later:
            self._taken = sum(file.stat().st_size for file in self.capture.iterdir())
        free = self.disk - self.others - self._taken
        return SimpleNamespace(f_frsize=1, f_blocks=self.disk, f_bavail=free)

    def add(self, *sizes: int) -> None:
        for size in sizes:
            path = self.capture / f"seg_{len(list(self.capture.iterdir())):06d}.ts"
            with path.open("wb") as file:
                file.truncate(size)
            self.book.add(path, size_bytes=size, started_at=NOW, seconds=4.0)

    @property
    def waiting(self) -> list[int]:
        return [number for number in range(99) if self.book.waits(number)]


def test_over_its_share_of_the_volume_the_oldest_not_on_their_way_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(*[2_000_000] * 4)
    it.spool.make_room()
    assert it.waiting == [0, 1, 2, 3]
    it.add(2_000_000)
    it.spool.make_room()
    assert it.waiting == [0, 1, 3, 4]
    assert sorted(path.name for path in it.capture.iterdir()) == [f"seg_{n:06d}.ts" for n in (0, 1, 3, 4)]
    assert it.live.status().message.endswith("The spool was full: 4 s have been given up, oldest first.")


def test_a_volume_for_two_segments_gives_up_even_what_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(5_000_000, 5_000_000)
    it.spool.make_room()
    assert it.waiting == [1]


def test_on_a_full_disk_only_as_much_is_dropped_as_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(*[1_000_000] * 6)
    it.others = 87_000_000
    it.spool.make_room()
    assert it.waiting == [0, 1, 2, 3, 4, 5]
    it.others = 90_500_000
    it.spool.make_room()
    assert it.waiting == [0, 1, 4, 5]


def test_on_a_disk_that_frees_what_is_removed_only_later_no_more_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(*[1_000_000] * 6)
    it.spool.make_room()
    it.others, it.frees_later = 90_500_000, True
    it.spool.make_room()
    assert it.waiting == [0, 1, 4, 5]


def test_on_a_disk_that_others_filled_what_is_on_its_way_is_kept_unless_the_store_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(*[1_000_000] * 3)
    it.others = 99_000_000
    it.spool.make_room()
    assert it.waiting == [0, 1]
    it.spool.make_room(even_on_their_way=True)
    assert it.waiting == []


def test_on_a_small_disk_two_seconds_of_recording_stay_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Room(tmp_path, monkeypatch)
    it.disk = 2_282_000  # its share would be 114100 bytes; two seconds at 1128 kbit/s are 282000
    it.add(*[500_000] * 4)
    it.spool.make_room()
    assert it.waiting == [0, 1, 2, 3]
    it.others = 1
    it.spool.make_room()
    assert it.waiting == [0, 1, 3]


def test_what_nobody_waits_for_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = Room(tmp_path, monkeypatch)
    it.add(100, 100)
    (it.capture / "left_out_000000.ts").write_bytes(b"x")
    it.spool.sweep(it.capture)
    assert sorted(path.name for path in it.capture.iterdir()) == ["seg_000000.ts", "seg_000001.ts"]
    assert it.spool.new_folder() != it.capture
    it.spool.sweep(tmp_path / "none")
