"""Who is in the picture or in the sound, from what the capture says. Pure."""

from collections import Counter

from egress_recorder.capture.events import Change

_TRACKS = {
    Change.VIDEO_ON: ("video", 1),
    Change.VIDEO_OFF: ("video", -1),
    Change.AUDIO_ON: ("audio", 1),
    Change.AUDIO_OFF: ("audio", -1),
}


class People:
    """The participants of one capture, and for how long none of them has sent anything.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: float) -> None:
        self._tracks: dict[str, Counter[str]] = {}
        self._idle_since: float | None = now
        self._blind_since: float | None = now

    @property
    def active(self) -> int:
        """People who send picture or sound."""
        return sum(1 for tracks in self._tracks.values() if any(tracks.values()))

    def idle_seconds(self, *, now: float) -> float:
        """Return for how long nobody has sent anything; 0 while somebody does. What nobody saw doesn't count."""
        if self._idle_since is None:
            return 0.0
        return (now if self._blind_since is None else self._blind_since) - self._idle_since

    def joined(self, *, now: float) -> None:
        """Note that the source is joined: from now on whoever sends is seen."""
        if self._blind_since is not None and self._idle_since is not None:
            self._idle_since += now - self._blind_since
        self._blind_since = None

    def note(self, identity: str, change: Change, *, now: float) -> None:
        """Take in what a participant did."""
        if change is Change.LEFT:
            self._tracks.pop(identity, None)
        elif change in _TRACKS:
            # Counted: a camera that goes off leaves the same person's screen on.
            kind, step = _TRACKS[change]
            tracks = self._tracks.setdefault(identity, Counter())
            tracks[kind] = max(0, tracks[kind] + step)
        self._settle(now)

    def forget(self, *, now: float) -> None:
        """Start over: another capture will tell who is there, once it has joined."""
        self._tracks.clear()
        self._settle(now)
        if self._blind_since is None:
            self._blind_since = now

    def _settle(self, now: float) -> None:
        if self.active:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
