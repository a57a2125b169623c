"""When a page's pictures and sound belong: pure arithmetic, with jitter from a seeded generator."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_recorder.capture.timing import MILLISECOND, SECOND, EarliestArrival, FrameGrid, Stillness

BASE = 1_000 * SECOND


def slots(rate: int, *, count: int, phase: float, jitter_ms: float, seed: int = 1) -> list[int | None]:
    noise = random.Random(seed)
    grid = FrameGrid(base_time=BASE, frame_rate=rate)
    shift = [noise.uniform(-jitter_ms, jitter_ms) * MILLISECOND for _ in range(count)]
    return [grid.slot(BASE + int((n + phase) * SECOND / rate + shift[n])) for n in range(count)]


@pytest.mark.parametrize("phase", [0.0, 0.01, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("rate", [10, 25, 30, 60])
def test_a_page_in_step_fills_each_slot_once_wherever_in_the_slot_it_draws(rate: int, phase: float) -> None:
    jitter = 0.3 * 1000 / rate
    found = slots(rate, count=600, phase=phase + 2, jitter_ms=jitter)
    settled = found[20:]
    assert None not in settled
    assert settled == list(range(settled[0] or 0, (settled[0] or 0) + len(settled)))


def test_a_picture_is_never_shown_more_than_a_slot_and_a_half_from_when_it_was_drawn() -> None:
    rate = 30
    for n, slot in enumerate(slots(rate, count=300, phase=2.4, jitter_ms=8)):
        assert slot is not None
        assert abs(slot + 0.5 - (n + 2.4)) <= 1.5


def test_a_page_that_draws_twice_as_often_gets_each_slot_once() -> None:
    grid = FrameGrid(base_time=BASE, frame_rate=30)
    found = [grid.slot(BASE + n * SECOND // 60) for n in range(600)]
    taken = [slot for slot in found if slot is not None]
    assert taken == sorted(set(taken))
    assert len(taken) == pytest.approx(300, abs=3)


@given(st.lists(st.integers(min_value=0, max_value=5 * SECOND), min_size=1, max_size=60))
def test_slots_only_go_up_whatever_comes(steps: list[int]) -> None:
    grid = FrameGrid(base_time=BASE, frame_rate=30)
    at, last = BASE, -1
    for step in steps:
        at += step
        slot = grid.slot(at)
        if slot is not None:
            assert slot > last
            last = slot


def test_a_page_that_pauses_goes_on_in_its_place() -> None:
    grid = FrameGrid(base_time=BASE, frame_rate=30)
    before = [grid.slot(BASE + n * SECOND // 30) for n in range(30)]
    after = grid.slot(BASE + 10 * SECOND)
    assert before[-1] == 29
    assert after == 300


def pieces(count: int, *, late_ms: float, first: int = 0, seed: int = 2) -> list[int]:
    noise = random.Random(seed)
    return [
        BASE + (first + n) * 20 * MILLISECOND + int(noise.uniform(0, late_ms) * MILLISECOND)
        for n in range(count)
    ]


def test_sound_read_in_bursts_is_stamped_evenly_from_its_earliest_piece() -> None:
    arrival = EarliestArrival(sample_rate=48_000)
    stamps = [arrival.note(samples=960, now=now) for now in pieces(1_000, late_ms=15)]
    steps = [(b - a) / MILLISECOND for a, b in itertools.pairwise(stamps[500:])]
    assert 19 < min(steps) <= max(steps) == 20
    assert 0 <= stamps[-1] - (BASE + 999 * 20 * MILLISECOND) < MILLISECOND


def test_a_busy_machine_moves_nothing() -> None:
    arrival = EarliestArrival(sample_rate=48_000)
    for now in pieces(500, late_ms=5):
        arrival.note(samples=960, now=now)
    nap = 300 * MILLISECOND  # the reader gets to run so often, and then reads all there is
    busy = [-(-now // nap) * nap for now in pieces(1_000, late_ms=0, first=500)]
    stamps = [arrival.note(samples=960, now=now) for now in busy]
    assert abs(stamps[-1] - (BASE + 1_499 * 20 * MILLISECOND)) < 10 * MILLISECOND


def test_lost_samples_move_what_follows_to_its_own_time() -> None:
    arrival = EarliestArrival(sample_rate=48_000)
    for now in pieces(500, late_ms=5):
        arrival.note(samples=960, now=now)
    after = [
        arrival.note(samples=960, now=now) for now in pieces(600, late_ms=5, first=505)
    ]  # 100 ms are missing
    assert abs(after[-1] - (BASE + 1_104 * 20 * MILLISECOND)) < 6 * MILLISECOND


def test_sound_that_stopped_begins_anew_at_once() -> None:
    arrival = EarliestArrival(sample_rate=48_000)
    arrival.note(samples=960, now=BASE)
    assert arrival.note(samples=960, now=BASE + SECOND) == BASE + SECOND
    assert arrival.note(samples=960, now=BASE + SECOND + 25 * MILLISECOND) == BASE + SECOND + 20 * MILLISECOND


def test_everything_is_wanted_while_a_page_moves() -> None:
    stillness = Stillness(frame_rate=30)
    for slot in range(300):
        stillness.moved(slot)
        assert stillness.wanted(slot)


def test_ten_a_second_are_wanted_of_a_page_that_stands_still_and_all_once_it_moves() -> None:
    stillness = Stillness(frame_rate=30)
    stillness.moved(0)
    stillness.moved(100)
    wanted = [slot for slot in range(130) if stillness.wanted(slot)]
    assert wanted[:15] == list(range(15))
    assert [slot for slot in wanted if 15 <= slot < 100] == list(range(15, 100, 3))
    assert [slot for slot in wanted if 100 <= slot < 115] == list(range(100, 115))


@pytest.mark.parametrize("rate", [1, 5, 10])
def test_a_slow_recording_keeps_all_of_its_pictures(rate: int) -> None:
    stillness = Stillness(frame_rate=rate)
    assert all(stillness.wanted(slot) for slot in range(100))
