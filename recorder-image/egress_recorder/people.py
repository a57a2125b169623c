"""Who is in the picture or in the sound, from what the capture says. Pure."""

from egress_recorder.capture.events import Change

_TRACKS = {
    Change.VIDEO_ON: ("video", True),
    Change.VIDEO_OFF: ("video", False),
    Change.AUDIO_ON: ("audio", True),
    Change.AUDIO_OFF: ("audio", False),
}


class People:
    """The participants of one capture, and since when none of them has sent anything.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: float) -> None:
        self._tracks: dict[str, set[str]] = {}
        self._idle_since: float | None = now

    @property
    def active(self) -> int:
        """People who send picture or sound."""
        return sum(1 for tracks in self._tracks.values() if tracks)

    def idle_seconds(self, *, now: float) -> float:
        """Return for how long nobody has sent anything; 0 while somebody does."""
        return 0.0 if self._idle_since is None else now - self._idle_since

    def note(self, identity: str, change: Change, *, now: float) -> None:
        """Take in what a participant did."""
        if change is Change.LEFT:
            self._tracks.pop(identity, None)
        else:
            tracks = self._tracks.setdefault(identity, set())
            kind, on = _TRACKS.get(change, ("", False))
            (tracks.add if on else tracks.discard)(kind)
        self._settle(now)

    def forget(self, *, now: float) -> None:
        """Start over: another capture will tell who is there."""
        self._tracks.clear()
        self._settle(now)

    def _settle(self, now: float) -> None:
        if self.active:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
