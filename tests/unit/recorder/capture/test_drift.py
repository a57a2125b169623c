"""Hours of somebody whose clock runs fast or slow, in virtual time: lips and voices must stay together.

What libwebrtc does on the way is modelled as roughly as it may be and with its known shortcomings: pictures get a
render time that follows the sender's clock a little late; sound is pulled by a local timer out of a buffer (NetEq)
that fills or runs dry by the drift, and skips or stretches 10 ms when it has gone too far.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from egress_recorder.capture.livekit_sync import FIRST_GUESS, Receipt, video_shift
from egress_recorder.capture.timing import MILLISECOND, SECOND, AudioTimeline, VideoTimeline

BASE = 1000 * SECOND
RATE, SAMPLE_RATE = 10, 48000
PIECE = SAMPLE_RATE // 50
TOGETHER = 80 * MILLISECOND
SETTLED = 5 * SECOND


@dataclass(kw_only=True)
class Drifter:
    """Somebody's clock against ours: how long, on ours, so much of theirs takes."""

    ppm: float

    def ours(self, theirs: int) -> int:
        return round(theirs / (1 + self.ppm / 1e6))

    def theirs(self, ours: int) -> int:
        return round(ours * (1 + self.ppm / 1e6))


@dataclass(kw_only=True)
class PictureBuffer:
    """Gives a picture's render time: the sender's time on a line that is corrected by a tenth of each new error."""

    held: int = 15 * MILLISECOND
    line: float | None = None
    receipt: Receipt = field(default_factory=Receipt)

    def render(self, *, theirs: int, arrives: int) -> int:
        error = arrives - theirs - (self.line if self.line is not None else arrives - theirs)
        self.line = (self.line if self.line is not None else arrives - theirs) + error / 10
        self.receipt = Receipt(
            held_seconds=self.receipt.held_seconds + self.held / SECOND, released=self.receipt.released + 1
        )
        return round(theirs + self.line) + self.held


@dataclass(kw_only=True)
class SoundBuffer:
    """Gives what is played: from where in the sender's time the next 20 ms are taken."""

    low: int = 30 * MILLISECOND
    high: int = 70 * MILLISECOND
    step: int = 10 * MILLISECOND
    position: int = -50 * MILLISECOND
    receipt: Receipt = field(default_factory=Receipt)

    def pull(self, *, newest: int) -> int:
        """Take a piece when the newest that has arrived is of this time of the sender's."""
        level = newest - self.position
        if level > self.high:
            self.position += self.step
        elif level < self.low:
            self.position -= self.step
        at, self.position = self.position, self.position + SECOND * PIECE // SAMPLE_RATE
        held = (newest - at) / SECOND * PIECE
        self.receipt = Receipt(
            held_seconds=self.receipt.held_seconds + held, released=self.receipt.released + PIECE
        )
        return at


def apart(*, ppm: float, seconds: int, timer_ppm: float = 0.0) -> Iterator[tuple[int, int]]:
    """Record somebody, and give for each second (when, how much later the sound is than the picture).

    Args:
        ppm: how much too fast the sender's clock is.
        seconds: for how long.
        timer_ppm: how much too fast the timer here is that pulls sound.
    """
    chance = random.Random(7)
    sender, timer = Drifter(ppm=ppm), Drifter(ppm=timer_ppm)
    video = VideoTimeline(base_time=BASE, frame_rate=RATE, shift=FIRST_GUESS)
    audio = AudioTimeline(base_time=BASE, sample_rate=SAMPLE_RATE)
    pictures, sounds = PictureBuffer(), SoundBuffer()
    before = (sounds.receipt, pictures.receipt)
    piece = 0
    network = 20 * MILLISECOND
    for second in range(1, seconds):
        picture_late: list[int] = []
        for index in range(second * RATE, (second + 1) * RATE):
            drawn = index * SECOND // RATE  # on the sender's clock
            arrives = sender.ours(drawn) + network + chance.randrange(8) * MILLISECOND
            render = pictures.render(theirs=drawn, arrives=arrives)
            pts = video.stamp(timestamp_us=(BASE + render) // 1000, now=BASE + render)
            if pts is not None:
                picture_late.append(pts - SECOND // (2 * RATE) - sender.ours(drawn))
        sound_late: list[int] = []
        while (pulled := timer.ours(piece * PIECE * SECOND // SAMPLE_RATE)) < (second + 1) * SECOND:
            piece += 1
            spoken = sounds.pull(newest=sender.theirs(pulled - network))
            now = BASE + pulled + chance.randrange(5) * MILLISECOND
            pts, _ = audio.stamp(samples=PIECE, now=now)
            sound_late.append(pts - sender.ours(spoken))
        if second * SECOND > SETTLED:
            yield second, max(sound_late) - min(picture_late)
            yield second, min(sound_late) - max(picture_late)
        shift = video_shift((before[0], sounds.receipt), (before[1], pictures.receipt))
        before = (sounds.receipt, pictures.receipt)
        assert shift is not None
        video.shift = shift


@pytest.mark.parametrize(("ppm", "seconds"), [(0, 600), (200, 600), (-200, 600), (200, 7200)])
def test_lips_and_voice_stay_together_however_the_senders_clock_drifts(ppm: int, seconds: int) -> None:
    worst = max(apart(ppm=ppm, seconds=seconds), key=lambda found: abs(found[1]))
    assert abs(worst[1]) < TOGETHER, f"{worst[1] / MILLISECOND:.1f} ms apart at {worst[0]} s"


@pytest.mark.parametrize("ppm", [200, -200])
def test_lips_and_voice_stay_together_when_the_timer_that_pulls_sound_drifts(ppm: int) -> None:
    worst = max(apart(ppm=0, seconds=1800, timer_ppm=ppm), key=lambda found: abs(found[1]))
    assert abs(worst[1]) < TOGETHER, f"{worst[1] / MILLISECOND:.1f} ms apart at {worst[0]} s"
