from egress_recorder.capture.livekit_sync import MAX_SHIFT, MIN_SHIFT, Receipt, receipt, video_shift
from egress_recorder.capture.timing import MILLISECOND

NOTHING = Receipt()


def held(milliseconds: float, count: int = 100) -> Receipt:
    return Receipt(held_seconds=milliseconds / 1000 * count, released=count)


def test_pictures_wait_as_long_as_the_sound_is_held_longer() -> None:
    shift = video_shift((NOTHING, held(95)), (NOTHING, held(15)))
    assert shift is not None
    assert abs(shift - 80 * MILLISECOND) < MILLISECOND


def test_only_what_came_since_the_last_look_counts() -> None:
    earlier, now = held(500), Receipt(held_seconds=50 + 4.0, released=200)
    shift = video_shift((earlier, now), (NOTHING, held(0)))
    assert shift is not None
    assert abs(shift - 40 * MILLISECOND) < MILLISECOND


def test_the_senders_clock_wins_where_the_sdk_gives_it() -> None:
    sound = Receipt(held_seconds=1, released=1, behind_ms=1080.0)
    picture = Receipt(held_seconds=1, released=1, behind_ms=1050.0)
    assert video_shift((NOTHING, sound), (NOTHING, picture)) == 30 * MILLISECOND


def test_no_new_frames_say_nothing() -> None:
    assert video_shift((held(10), held(10)), (NOTHING, held(10))) is None


def test_a_shift_stays_within_what_the_mixer_can_wait() -> None:
    assert video_shift((NOTHING, held(5000)), (NOTHING, held(0))) == MAX_SHIFT
    assert video_shift((NOTHING, held(0)), (NOTHING, held(5000))) == MIN_SHIFT


async def test_a_track_that_goes_away_while_it_is_asked_has_no_receipt() -> None:
    class Gone:
        async def get_stats(self) -> list[object]:
            raise Exception("track not found")  # noqa: TRY002 - as the SDK does

    assert await receipt(Gone()) is None
