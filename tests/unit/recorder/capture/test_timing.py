from egress_recorder.capture.timing import MILLISECOND, SECOND, AudioTimeline, VideoTimeline, missing_slots

BASE = 1000 * SECOND
HALF_SLOT = SECOND // 60


def stamp(timeline: VideoTimeline, *, at: float, arrives: float | None = None) -> int | None:
    """Stamp a picture whose render time is `at` seconds after the recording's zero."""
    arrival = at if arrives is None else arrives
    return timeline.stamp(
        timestamp_us=(BASE + round(at * SECOND)) // 1000, now=BASE + round(arrival * SECOND)
    )


def test_a_picture_belongs_to_its_render_time_not_to_its_arrival() -> None:
    assert stamp(VideoTimeline(base_time=BASE, frame_rate=30), at=2.0, arrives=2.1) == 2 * SECOND + HALF_SLOT


def test_a_render_time_that_is_none_or_far_off_gives_way_to_the_arrival() -> None:
    for odd in (0, -1, (BASE + 60 * SECOND) // 1000):
        timeline = VideoTimeline(base_time=BASE, frame_rate=30)
        assert timeline.stamp(timestamp_us=odd, now=BASE + 2 * SECOND) == 2 * SECOND + HALF_SLOT


def test_pictures_at_the_outputs_own_rate_may_jitter_and_all_stay() -> None:
    timeline = VideoTimeline(base_time=BASE, frame_rate=30)
    times = [1 + index / 30 + (0.003 if index % 2 else -0.003) for index in range(60)]
    assert all(stamp(timeline, at=time) is not None for time in times)


def test_every_second_picture_of_a_source_at_twice_the_rate_is_dropped() -> None:
    timeline = VideoTimeline(base_time=BASE, frame_rate=30)
    kept = [stamp(timeline, at=1 + index / 60) is not None for index in range(120)]
    assert kept == [True, False] * 60


def test_a_picture_that_comes_out_of_order_is_dropped() -> None:
    timeline = VideoTimeline(base_time=BASE, frame_rate=30)
    assert stamp(timeline, at=2.0) is not None
    assert stamp(timeline, at=1.9, arrives=2.01) is None


def test_the_first_shift_counts_at_once_and_a_later_one_gently() -> None:
    timeline = VideoTimeline(base_time=BASE, frame_rate=30, shift=60 * MILLISECOND)
    assert stamp(timeline, at=1.0) == SECOND + 60 * MILLISECOND + HALF_SLOT
    timeline.shift = 90 * MILLISECOND
    previous = 0
    for index in range(1, 151):  # five seconds: far more than 30 ms at a tenth of the time need
        at = 1 + index / 30
        pts = stamp(timeline, at=at)
        assert pts is not None
        assert pts > previous
        assert pts - round(at * SECOND) <= 60 * MILLISECOND + HALF_SLOT + SECOND * index // 300 + MILLISECOND
        previous = pts
    assert previous == 6 * SECOND + 90 * MILLISECOND + HALF_SLOT


def test_a_shift_that_is_far_away_counts_at_once() -> None:
    timeline = VideoTimeline(base_time=BASE, frame_rate=30, shift=60 * MILLISECOND)
    assert stamp(timeline, at=1.0) == SECOND + 60 * MILLISECOND + HALF_SLOT
    timeline.shift = 300 * MILLISECOND
    assert stamp(timeline, at=1.1) == SECOND + 400 * MILLISECOND + HALF_SLOT
    timeline.shift = 200 * MILLISECOND
    assert stamp(timeline, at=1.15) is None  # would come before the one that is shown already
    assert stamp(timeline, at=1.3) == SECOND + 500 * MILLISECOND + HALF_SLOT


def test_samples_count_the_time_of_sound() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    first, jump = timeline.stamp(samples=960, now=BASE + SECOND)
    assert (first, jump) == (SECOND - 10 * MILLISECOND, True)
    for index in range(1, 500):  # arrivals that tremble by 30 ms change nothing
        late = (index * 7 % 31) * MILLISECOND
        pts, jump = timeline.stamp(samples=960, now=BASE + SECOND + index * 20 * MILLISECOND + late)
        assert (pts, jump) == (first + index * 20 * MILLISECOND, False)


def test_a_stalled_timer_sets_a_new_anchor() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    timeline.stamp(samples=960, now=BASE + SECOND)
    pts, jump = timeline.stamp(samples=960, now=BASE + 3 * SECOND)
    assert (pts, jump) == (3 * SECOND - 10 * MILLISECOND, True)


def test_a_late_piece_that_a_burst_makes_up_for_moves_nothing() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    first, _ = timeline.stamp(samples=960, now=BASE + SECOND)
    for index in range(1, 200):  # nothing for 200 ms, then all at once
        due = BASE + SECOND + index * 20 * MILLISECOND
        held = max(due, BASE + 2 * SECOND + 200 * MILLISECOND) if 50 <= index < 60 else due
        assert timeline.stamp(samples=960, now=held) == (first + index * 20 * MILLISECOND, False)


def test_so_many_samples_lost_at_once_are_made_up_for_soon() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    for index in range(100):
        lost = 200 * MILLISECOND if index >= 20 else 0
        pts, _ = timeline.stamp(samples=960, now=BASE + SECOND + index * 20 * MILLISECOND + lost)
        if index in {19, 99}:
            assert pts == SECOND - 10 * MILLISECOND + index * 20 * MILLISECOND + lost


def test_where_pieces_come_evenly_a_step_is_a_real_one() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000, tolerance=15 * MILLISECOND, patience=0)
    timeline.stamp(samples=960, now=BASE + SECOND)
    assert timeline.stamp(samples=960, now=BASE + SECOND + 50 * MILLISECOND) == (
        SECOND + 40 * MILLISECOND,
        True,
    )


def test_an_anchor_that_was_set_by_a_late_piece_is_set_right_after_a_while() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    timeline.stamp(samples=960, now=BASE + SECOND + 60 * MILLISECOND)
    found = [
        timeline.stamp(
            samples=960, now=BASE + SECOND + index * 20 * MILLISECOND + index * 7 % 31 * MILLISECOND
        )
        for index in range(1, 500)
    ]
    assert [jump for _, jump in found].count(True) == 1
    assert found[-1] == (SECOND - 10 * MILLISECOND + 499 * 20 * MILLISECOND, False)


def test_samples_that_were_lost_one_by_one_are_made_up_for_after_a_while() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000)
    for index in range(1000):
        lost = 40 * MILLISECOND if index >= 300 else 0
        pts, _ = timeline.stamp(samples=960, now=BASE + SECOND + index * 20 * MILLISECOND + lost)
    assert pts == SECOND - 10 * MILLISECOND + 999 * 20 * MILLISECOND + 40 * MILLISECOND


def test_sound_is_placed_earlier_by_what_the_encoder_puts_in_front() -> None:
    timeline = AudioTimeline(base_time=BASE, sample_rate=48000, encoder_delay=30 * MILLISECOND)
    assert timeline.stamp(samples=960, now=BASE + SECOND)[0] == SECOND - 40 * MILLISECOND


def test_sound_never_begins_before_the_recording() -> None:
    assert AudioTimeline(base_time=BASE, sample_rate=48000).stamp(samples=960, now=BASE)[0] == 0


def test_a_hole_is_cut_into_short_ones_and_a_short_one_is_left() -> None:
    frame = SECOND // 30
    assert missing_slots(29 * frame, 44 * frame, frame_rate=30, hole=SECOND // 2) == []
    filled = missing_slots(29 * frame, 75 * frame, frame_rate=30, hole=SECOND // 2)
    assert filled == [slot * SECOND // 30 for slot in (44, 59, 74)]


def test_a_recording_of_one_picture_a_second_has_no_holes() -> None:
    assert missing_slots(SECOND, 2 * SECOND, frame_rate=1, hole=SECOND // 2) == []
