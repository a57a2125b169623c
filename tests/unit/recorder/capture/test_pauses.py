from egress_recorder.capture.pauses import Pauses
from egress_recorder.capture.timing import MILLISECOND, SECOND

BASE = 1000 * SECOND
FRAME = SECOND // 30


def play(pauses: Pauses, *, frames: int, start: int = 0) -> list[int]:
    """Ask about so many pictures; give the numbers of those at which a pause begins or ends."""
    return [
        number
        for number in range(start, start + frames)
        if pauses.changes_with(number * FRAME, base_time=BASE)
    ]


def test_a_pause_begins_with_the_first_picture_of_its_instant_and_ends_likewise() -> None:
    pauses = Pauses()
    pauses.wish(True, at=BASE + SECOND)
    pauses.wish(False, at=BASE + 2 * SECOND + MILLISECOND)
    assert play(pauses, frames=90) == [
        31,
        61,
    ]  # a thirtieth of a second, in whole nanoseconds, is a bit short
    assert [number for number in range(90) if not pauses.kept(number * FRAME)] == list(range(31, 61))


def test_pictures_that_were_being_mixed_when_the_wish_came_are_kept() -> None:
    pauses = Pauses()
    assert play(pauses, frames=10) == []
    pauses.wish(True, at=BASE + SECOND)
    assert play(pauses, frames=30, start=10) == [31]


def test_wishes_that_cancel_each_other_between_two_pictures_change_nothing() -> None:
    pauses = Pauses()
    for at, paused in ((1, True), (2, False), (3, True), (4, False)):
        pauses.wish(paused, at=BASE + SECOND + at * MILLISECOND)
    assert play(pauses, frames=90) == []
    assert pauses.kept(60 * FRAME)


def test_the_same_wish_twice_is_one() -> None:
    pauses = Pauses()
    pauses.wish(True, at=BASE + SECOND)
    pauses.wish(True, at=BASE + 2 * SECOND)
    assert play(pauses, frames=90) == [31]


def test_a_recording_that_begins_paused_has_nothing_to_split_and_keeps_nothing() -> None:
    pauses = Pauses(paused=True)
    assert play(pauses, frames=30) == []
    assert not pauses.kept(0)
    pauses.wish(False, at=BASE + SECOND)
    assert play(pauses, frames=30, start=30) == [31]
    assert not pauses.kept(30 * FRAME)
    assert pauses.kept(31 * FRAME)


def test_what_comes_before_there_is_something_to_show_is_not_kept() -> None:
    pauses = Pauses(empty=True)
    assert play(pauses, frames=10) == []
    pauses.filled(at=BASE + SECOND)
    pauses.filled(at=BASE + 2 * SECOND)
    assert play(pauses, frames=30, start=10) == [31]
    assert (pauses.kept(30 * FRAME), pauses.kept(31 * FRAME)) == (False, True)
    assert (pauses.shows(30 * FRAME), pauses.shows(31 * FRAME)) == (False, True)


def test_what_shows_something_from_the_first_picture_on_is_not_split() -> None:
    pauses = Pauses(empty=True)
    pauses.filled(at=BASE - SECOND)
    assert play(pauses, frames=30) == []
    assert pauses.kept(0)


def test_a_pause_that_ends_before_there_is_something_to_show_keeps_nothing_yet() -> None:
    pauses = Pauses(paused=True, empty=True)
    pauses.wish(False, at=BASE + SECOND)
    assert play(pauses, frames=60) == []
    assert not pauses.paused
    pauses.filled(at=BASE + 2 * SECOND)
    assert play(pauses, frames=30, start=60) == [61]


def test_a_wish_from_before_the_first_picture_counts_from_it_on_and_splits_nothing() -> None:
    pauses = Pauses()
    pauses.wish(True, at=BASE - SECOND)
    assert play(pauses, frames=30) == []
    assert pauses.paused
    assert not pauses.kept(0)
