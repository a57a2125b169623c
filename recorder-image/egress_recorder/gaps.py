"""Where time is missing in a recording, and why: told from its segments in the order they were recorded.

In: each segment that is listed, each one that is missing, and when a pause began and ended. Out: the gaps
between what is listed. Pure. All moments are whole milliseconds, as the manifest keeps them: the next
attempt reckons on from there and must come to the same gaps.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from egress_api.states import GapReason
from egress_api.status import Gap

_SLIVER_SECONDS: Final = 0.25
"""Beside a pause, or a loss beside which a pause is: what is shorter gets no entry of its own."""


class Gaps:
    """The gaps of one recording, over all its attempts."""

    def __init__(self) -> None:
        self._firm: list[Gap] = []
        self._open: list[Gap] = []
        """Behind the last listed segment."""
        self._end: datetime | None = None
        """Up to here everything is accounted for."""
        self._pauses: list[tuple[datetime, datetime]] = []
        self._paused_since: datetime | None = None

    @property
    def all(self) -> list[Gap]:
        """Every gap, oldest first; the last one may still grow."""
        return [*self._firm, *self._open]

    @property
    def lost_seconds(self) -> float:
        """All gaps together, pauses not counted."""
        return round(sum(gap.seconds for gap in self.all if gap.reason is not GapReason.PAUSED), 3)

    @property
    def paused(self) -> bool:
        """Whether a pause has begun and not ended."""
        return self._paused_since is not None

    def to_keep(self) -> list[Gap]:
        """Return the gaps for a manifest that may be gone on from.

        The pauses behind what is listed come last, whatever is recorded after them; one that lasts has no length.
        """
        if self._end is None:
            return self.all
        pauses = [(max(begin, self._end), end) for begin, end in self._pauses if end > self._end]
        if self._paused_since is not None:
            since = max(self._paused_since, self._end)
            pauses.append((since, since))
        return [*self.all, *(_gap(begin, end, GapReason.PAUSED) for begin, end in pauses)]

    def resume(self, kept: Sequence[Gap]) -> None:
        """Go on from what `to_keep` returned; everything listed has been told before."""
        end = self._end
        self._firm = [gap for gap in kept if end is not None and gap.started_at < end]
        self._open = list(kept[len(self._firm) :])
        while self._open and self._open[-1].reason is GapReason.PAUSED:
            pause = self._open.pop()
            if pause.seconds:
                self._pauses.insert(0, (pause.started_at, _end_of(pause)))
            else:
                self._paused_since = pause.started_at
        if self._open:
            self._end = _end_of(self._open[-1])

    def pause_began(self, at: datetime) -> None:
        """Take note that what comes from now on is left out, as wanted."""
        self._paused_since = self._paused_since or _whole(at)

    def pause_ended(self, at: datetime) -> None:
        """Take note that recording goes on."""
        if self._paused_since is not None:
            self._pauses.append((self._paused_since, max(_whole(at), self._paused_since)))
            self._paused_since = None

    def listed(self, started_at: datetime, seconds: float, *, reason: GapReason | None) -> GapReason | None:
        """Take in a segment of the playlist.

        Args:
            started_at: its first frame.
            seconds: its length.
            reason: why it doesn't continue the one before, None where it does.

        Returns:
            Why time is missing before it, None where none is.
        """
        start = _whole(started_at)
        if self._paused_since is not None and start > self._paused_since:
            # It was recorded: an attempt that is gone had gone on.
            self.pause_ended(start)
        if reason is not None and self._end is not None:
            self._leave_out(self._end, start, reason)
        main = max(self._open, key=lambda gap: gap.seconds, default=None)
        self._firm += self._open
        self._open = []
        self._end = end = _whole(start + timedelta(seconds=seconds))
        self._pauses = [pause for pause in self._pauses if pause[1] > end]
        return main.reason if main else None

    def missing(
        self, started_at: datetime, seconds: float, *, reason: GapReason, before: GapReason | None
    ) -> None:
        """Take in a segment that was recorded and is lost.

        Args:
            started_at: its first frame.
            seconds: its length.
            reason: why it is lost.
            before: why it does not continue the one before, None where it does.
        """
        start = _whole(started_at)
        if before is not None and self._end is not None:
            self._leave_out(self._end, start, before)
        end = _whole(start + timedelta(seconds=seconds))
        self._append(start if self._end is None or self._end > start else self._end, end, reason)
        self._end = end

    def _leave_out(self, begin: datetime, end: datetime, reason: GapReason) -> None:
        for piece in self._pieces(begin, max(begin, end), reason):
            self._append(*piece)

    def _pieces(
        self, begin: datetime, end: datetime, reason: GapReason
    ) -> Iterator[tuple[datetime, datetime, GapReason]]:
        """Take what was paused out of a stretch of time."""
        since = self._paused_since
        pauses = [*self._pauses, (since, max(since, end))] if since else self._pauses
        for pause_begin, pause_end in pauses:
            paused, resumed = max(begin, pause_begin), min(end, pause_end)
            if paused < resumed:
                if begin < paused:
                    yield begin, paused, reason
                yield paused, resumed, GapReason.PAUSED
                begin = resumed
        yield begin, end, reason

    def _append(self, begin: datetime, end: datetime, reason: GapReason) -> None:
        piece = _gap(begin, end, reason)
        if not self._open:
            self._open.append(piece)
            return
        last = self._open[-1]
        same_kind = (last.reason is GapReason.PAUSED) == (reason is GapReason.PAUSED)
        if same_kind or min(last.seconds, piece.seconds) < _SLIVER_SECONDS:
            self._open[-1] = Gap(
                started_at=last.started_at,
                seconds=round(last.seconds + piece.seconds, 3),
                reason=max(last, piece, key=lambda gap: gap.seconds).reason,
            )
        else:
            self._open.append(piece)


def _gap(begin: datetime, end: datetime, reason: GapReason) -> Gap:
    return Gap(started_at=begin, seconds=round((end - begin).total_seconds(), 3), reason=reason)


def _end_of(gap: Gap) -> datetime:
    return _whole(gap.started_at + timedelta(seconds=gap.seconds))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
