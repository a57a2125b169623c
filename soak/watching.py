"""Follow a recording for a long time: readings of its status, its recorder's memory and its playlist.

In: a place and a task. Out: `Reading`s, and what was wrong with the playlist while it grew. A reading that fails is
left out and counted: a busy API server is no reason to give up two hours of recording.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import obstore
from bench import cost
from bench.errors import BenchError
from obstore.exceptions import BaseError

from soak.place import APP, OUTPUT, Place, SoakError, described, until_recording
from support import recording_playlist
from support.kubectl import KubectlError
from support.recording_fetch import open_store
from support.store import BUCKET

READING_SECONDS = 20
SAY_SECONDS = 60
PATIENCE = 15
"""Failed readings in a row after which nothing can be learned any more."""
ENDS = {"STOPPED", "FAILED", "TIMEOUT"}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was to be seen at a moment."""

    at: float
    """Seconds since the watching began."""
    status: dict[str, Any]
    memory: int
    """The recorder's bytes that are no page cache; 0 where they were not read."""
    cores: float
    """Since the reading before."""

    @property
    def pending(self) -> int:
        """Bytes that the status says to be waiting for the store."""
        return int(self.status.get("pendingBytes") or 0)


@dataclass(kw_only=True)
class Watched:
    """All that was seen."""

    readings: list[Reading] = field(default_factory=list)
    failed: int = 0
    playlist_problems: list[str] = field(default_factory=list)
    """What was wrong with the playlist as players saw it while it grew."""


@dataclass(kw_only=True)
class Watching:
    """One recording that is followed."""

    place: Place
    task: str
    say: Callable[[str], None]
    found: Watched = field(default_factory=Watched)
    memory: bool = True
    playlist: bool = True
    """Whether the store can be asked for it."""
    _began: float = field(default_factory=time.monotonic)
    _said: float = float("-inf")
    _last_sample: cost.Sample | None = None
    _last_playlist: str = ""

    @property
    def now(self) -> float:
        """Seconds since the watching began."""
        return time.monotonic() - self._began

    def until(
        self,
        at: float,
        *,
        done: Callable[[Reading], bool] = lambda _: False,
        every: float = READING_SECONDS,
    ) -> Reading | None:
        """Watch until `at` seconds since the beginning, or until a reading is what is waited for."""
        failures = 0
        while (begun := self.now) < at:
            try:
                reading = self._read()
            except (KubectlError, BenchError, AssertionError, OSError) as problem:
                failures, self.found.failed = failures + 1, self.found.failed + 1
                if failures >= PATIENCE:
                    raise SoakError(
                        f"{PATIENCE} readings in a row failed, the last with: {problem}"
                    ) from None
            else:
                failures = 0
                self.found.readings.append(reading)
                self._tell(reading)
                if reading.status.get("state") in ENDS:
                    raise SoakError(f"the task ended by itself: {described(reading.status)}")
                if done(reading):
                    return reading
            time.sleep(max(0.0, min(every, at - begun) - (self.now - begun)))
        return None

    def _read(self) -> Reading:
        status = self.place.tasks.get(self.task).get("status", {})
        memory, cores = 0, 0.0
        if self.memory and status.get("podName"):
            sample = cost.read(status["podName"], namespace=self.place.tasks.kubectl.namespace)
            if (last := self._last_sample) and sample.cpu_seconds >= last.cpu_seconds:
                cores = (sample.cpu_seconds - last.cpu_seconds) / (sample.at - last.at)
            self._last_sample, memory = sample, sample.resident_bytes
        if self.playlist:
            self._look_at_playlist()
        return Reading(at=self.now, status=status, memory=memory, cores=cores)

    def _look_at_playlist(self) -> None:
        store = open_store(self.place.store, bucket=BUCKET)
        try:
            text = bytes(obstore.get(store, f"{APP}/{self.task}/{OUTPUT}.m3u8").bytes()).decode()
        except FileNotFoundError:
            return
        except BaseError as problem:
            raise OSError(f"the store: {problem}") from None
        wrong = recording_playlist.problems(recording_playlist.read(text), ended=False)
        if not text.startswith(self._last_playlist):
            wrong.append("the playlist did not only grow: a player that came back would be lost")
        self.found.playlist_problems += [each for each in wrong if each not in self.found.playlist_problems]
        self._last_playlist = text

    def _tell(self, reading: Reading) -> None:
        if self.now - self._said < SAY_SECONDS:
            return
        self._said = self.now
        files = reading.status.get("files", [])
        self.say(
            f"{self.now / 60:5.1f} min: {reading.status.get('state')},"
            f" {sum(file['durationSeconds'] for file in files):.0f} s in the store,"
            f" {reading.pending / 1e6:.1f} MB waiting, {reading.memory / 1e6:.0f} MB of memory,"
            f" {reading.cores:.2f} cores, attempt {reading.status.get('attempt')},"
            f" {reading.status.get('lostSeconds') or 0:g} s lost"
        )


def watch(place: Place, channel: str, *, longest: int, say: Callable[[str], None]) -> Watching:
    """Record a channel, for so many seconds at the longest, and begin to follow it once it records."""
    task = place.record(channel, limits={"maxDurationSeconds": longest})
    until_recording(place, task)
    say(f"task {task} records in {place.tasks.kubectl.namespace}; servers in {place.servers}")
    return Watching(place=place, task=task, say=say)
