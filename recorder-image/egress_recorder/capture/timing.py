"""When a frame belongs: running times for pictures and sound, on the pipeline's clock.

In: what the source says and when it arrived. Out: nanoseconds of running time. The pipeline's clock is
CLOCK_MONOTONIC, and so is the render time that libwebrtc puts on a picture (already in step with the sound).
Sound carries no time: it is pulled by a local timer, so samples count it, from an anchor.
Pure arithmetic: no GStreamer, no clock of its own.
"""

from collections import deque
from dataclasses import dataclass, field

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
SLOWEST_HZ = 15
"""A page that is drawn less often than this also loads and reacts slowly."""


@dataclass(kw_only=True)
class VideoTimeline:
    """Stamps one user's pictures and drops the ones that nobody would see."""

    base_time: int
    """The pipeline's, in nanoseconds of CLOCK_MONOTONIC."""
    frame_rate: int
    shift: int = 0
    """How much later than its render time a picture is shown, to be in step with the sound."""
    trusted_skew: int = SECOND
    """A render time further from now than this is not one."""
    slew: float = 0.1
    """The shift follows a new one by so much of the time that passes: nobody sees it."""
    leap: int = 40 * MILLISECOND
    """A new shift further away than this is followed at once: lips out of step are seen, a skipped picture isn't."""
    _last: int = -1
    _shifted: int | None = None
    _seen: int = 0

    def stamp(self, *, timestamp_us: int, now: int) -> int | None:
        """Give a picture's running time, or None to drop it: too early after the last one, or out of order.

        Half a slot is added: the compositor shows a picture in the slot it begins in, so from up to a slot too early.
        """
        arrival = now - self.base_time
        pts = timestamp_us * 1000 - self.base_time
        if timestamp_us <= 0 or abs(pts - arrival) > self.trusted_skew:
            pts = arrival
        pts = max(pts + self._shift_at(arrival) + SECOND // (2 * self.frame_rate), 0)
        # three quarters of a slot: a source at the output's own rate may jitter and loses nothing, one at twice
        # the rate loses every second picture before a pixel is touched
        if self._last >= 0 and pts - self._last < SECOND * 3 // (4 * self.frame_rate):
            return None
        self._last = pts
        return pts

    def _shift_at(self, now: int) -> int:
        """Move towards the wanted shift."""
        step = int(self.slew * max(0, now - self._seen))
        current = self.shift if self._shifted is None else self._shifted
        away = self.shift - current
        self._shifted = self.shift if abs(away) > self.leap else current + max(-step, min(step, away))
        self._seen = now
        return self._shifted


@dataclass(kw_only=True)
class AudioTimeline:
    """Stamps one user's sound: an anchor and the samples since."""

    base_time: int
    sample_rate: int
    pulled_every: int = 10 * MILLISECOND
    """The SDK's timer: the last such piece of a frame begins to sound when the frame arrives."""
    encoder_delay: int = 0
    """What the encoder puts in front; the sound is placed earlier by so much."""
    tolerance: int = 80 * MILLISECOND
    """Beyond this the timer has stalled or skipped, and the anchor is set anew."""
    patience: int = SECOND // 2
    """A piece that is late by more may be the first of a burst that makes up for it; after so long it is not."""
    stalled: int = SECOND // 2
    """After so much nothing is waited for: the sound begins anew."""
    window: int = 5 * SECOND
    off: int = 20 * MILLISECOND
    """A piece can come late, and never early: if of a whole window's pieces even the earliest is off by so much,
    samples were lost, or the anchor was set by one that came late itself."""
    _anchor: int | None = None
    _samples: int = 0
    _soon: "_Least" = field(init=False)
    _later: "_Least" = field(init=False)

    def __post_init__(self) -> None:
        """Open the windows."""
        self._soon, self._later = _Least(length=self.patience), _Least(length=self.window)

    def stamp(self, *, samples: int, now: int) -> tuple[int, bool]:
        """Give a frame's running time, and whether it does not follow on the one before."""
        arrival = now - self.base_time - self._length(samples) + self.pulled_every
        arrival -= self.encoder_delay
        if self._anchor is None:
            return self._begin(arrival, samples=samples)
        expected = self._anchor + self._length(self._samples)
        late = arrival - expected
        if late < -self.tolerance or late > self.stalled:
            return self._begin(arrival, samples=samples)
        for least, allowed in ((self._soon, self.tolerance), (self._later, self.off)):
            found = least.note(late, at=arrival)
            if found is not None and abs(found) > allowed:
                return self._begin(expected + found, samples=samples)
        self._samples += samples
        return expected, False

    def _begin(self, at: int, *, samples: int) -> tuple[int, bool]:
        self._anchor, self._samples = max(0, at), samples
        for least in (self._soon, self._later):
            least.begin(at=self._anchor)
        return self._anchor, True

    def _length(self, samples: int) -> int:
        return samples * SECOND // self.sample_rate


@dataclass(kw_only=True)
class _Least:
    """The smallest of what was noted within a window, told at its end."""

    length: int
    _value: int | None = None
    _ends: int = 0

    def begin(self, *, at: int) -> None:
        self._value, self._ends = None, at + self.length

    def note(self, value: int, *, at: int) -> int | None:
        self._value = value if self._value is None else min(self._value, value)
        if at < self._ends:
            return None
        found = self._value
        self.begin(at=at)
        return found


@dataclass(kw_only=True)
class EarliestArrival:
    """Finds the pace behind a stream that is read in bursts: a piece can come late, and never early.

    Of a few seconds' pieces one is read at once, however busy the machine: if even that one is late, samples have
    been lost, and all that follow belong later.
    """

    sample_rate: int
    window_seconds: float = 5.0
    lost: int = 20 * MILLISECOND
    """So much lateness of every piece in a window is a loss, and not chance."""
    stalled: int = 500 * MILLISECOND
    """After so much the stream has stopped, and begins anew at once."""
    _anchor: int | None = None
    _samples: int = 0
    _least: int | None = None
    _window_ends: int = 0

    def note(self, *, samples: int, now: int) -> int:
        """Give when a piece of so many samples would have arrived, had nothing held it up."""
        self._samples += samples
        due = 0 if self._anchor is None else self._anchor + self._samples * SECOND // self.sample_rate
        late = now - due
        if self._anchor is None or late > self.stalled or late < 0:
            self._anchor, self._samples = now, 0
            self._begin_window(now)
            return now
        self._least = late if self._least is None else min(self._least, late)
        if now >= self._window_ends:
            if self._least > self.lost:
                self._anchor += self._least
                due += self._least
            self._begin_window(now)
        return due

    def _begin_window(self, now: int) -> None:
        self._least, self._window_ends = None, now + int(self.window_seconds * SECOND)


@dataclass(kw_only=True)
class FrameGrid:
    """Puts pictures that come at the recording's own rate one into each of its slots.

    They come with jitter, and anywhere in a slot: where that is near its edge, some slots would get two pictures and
    some none. So the pictures' own rhythm is followed, and moved as a whole: by half a slot, or, once the
    rhythm itself has moved, by up to one and a half.
    """

    base_time: int
    """The pipeline's, in nanoseconds of CLOCK_MONOTONIC."""
    frame_rate: int
    follow: float = 0.05
    """How fast the rhythm is followed: of each picture's distance from it."""
    _phase: float | None = None
    _offset: int = 0
    _last: int = -1

    def slot(self, at: int) -> int | None:
        """Give the slot of a picture drawn at this instant of CLOCK_MONOTONIC; None: its slot is taken."""
        width = SECOND / self.frame_rate
        time = at - self.base_time
        if self._phase is None:
            self._phase = time % width
            self._offset = 0
        beat = round((time - self._phase) / width)
        self._phase += self.follow * (time - self._phase - beat * width)
        # away from where it began by more than a slot's length: the rhythm has moved for good
        while self._phase - self._offset * width >= 1.5 * width:
            self._offset += 1
        while self._phase - self._offset * width < -0.5 * width:
            self._offset -= 1
        slot = max(0, beat + self._offset)
        if slot <= self._last:
            if self._last + 1 - slot > 1:
                return None
            slot = self._last + 1
        self._last = slot
        return slot


@dataclass(kw_only=True)
class Stillness:
    """Says which of a screen's pictures are worth encoding: all while it moves, few while it stands still."""

    frame_rate: int
    patience: float = 0.5
    """Seconds without a new picture after which it stands still."""
    repeats_per_second: int = 10
    """Of the same picture then, so that players and a seek still find one."""
    _moves: deque[int] = field(default_factory=deque)
    _moved_at: int = 0

    def moved(self, slot: int) -> None:
        """Note that a slot, later than those before, has a new picture."""
        self._moves.append(slot)

    def wanted(self, slot: int) -> bool:
        """Say whether a slot's picture is to be encoded; asked slot by slot."""
        while self._moves and self._moves[0] <= slot:
            self._moved_at = self._moves.popleft()
        if slot - self._moved_at < self.patience * self.frame_rate:
            return True
        return slot % max(1, round(self.frame_rate / self.repeats_per_second)) == 0


def refresh_rate(frame_rate: int) -> int:
    """Give the refresh rate for a recording's frame rate: the rate itself, or the first multiple that is not slow."""
    return frame_rate * -(-SLOWEST_HZ // frame_rate) if frame_rate < SLOWEST_HZ else frame_rate


def missing_slots(last: int, following: int, *, frame_rate: int, hole: int) -> list[int]:
    """Give the running times of the pictures that are needed between two so that no hole is longer than `hole`."""
    step = max(1, hole * frame_rate // SECOND)
    first, end = round(last * frame_rate / SECOND) + step, round(following * frame_rate / SECOND)
    return [slot * SECOND // frame_rate for slot in range(first, end, step)]
