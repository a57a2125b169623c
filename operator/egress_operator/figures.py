"""Which of a running recorder's figures stand in a status: it is no counter, each write wakes every watcher.

In: what stands there and what the recorder says now. Out: what is to stand there. Pure; the reports' poller
asks the same functions whether there is news (live.py) as the draft that writes it.
"""

from typing import Final

from egress_api.states import GapReason
from egress_api.status import MAX_GAPS, Gap, OutputFile

FIGURES_SECONDS: Final = 30
"""Sizes and durations are written at most once per this many recorded seconds."""
BACKLOG_BYTES: Final = 1 << 20
"""Less than this waits in every healthy recorder: a segment on its way."""
BACKLOG_SECONDS: Final = 10.0
"""A backlog without a failed upload is news once it has lasted this long: a large segment comes and goes."""


def worth_writing(old: list[OutputFile], new: list[OutputFile]) -> bool:
    """Return whether files have changed by more than a little growth."""
    if [(file.name, file.uri, file.kind) for file in old] != [(f.name, f.uri, f.kind) for f in new]:
        return True
    return any(
        abs(after.duration_seconds - before.duration_seconds) >= FIGURES_SECONDS
        or after.sha256 != before.sha256
        for before, after in zip(old, new, strict=True)
    )


def merged_gaps(old: list[Gap], new: list[Gap]) -> list[Gap]:
    """Return all gaps that are known, the newest 50, in the order of time.

    A report lists the newest gaps, and of a termination message the oldest have been cut: what stood before
    its first one stays. From there on it is right, also where it lists fewer: a gap can grow over others.
    """
    if not new:
        return old
    earlier = [gap for gap in old if gap.started_at < new[0].started_at]
    return [*earlier, *new][-MAX_GAPS:]


def losses(gaps: list[Gap]) -> list[Gap]:
    """Return the gaps that nobody wanted."""
    return [gap for gap in gaps if gap.reason is not GapReason.PAUSED]


def gaps_to_write(old: list[Gap], new: list[Gap], *, old_lost: float, new_lost: float) -> bool:
    """Return whether gaps are news: another one at once, one that grows (a full spool) now and then."""
    if [(gap.started_at, gap.reason) for gap in old] != [(gap.started_at, gap.reason) for gap in new]:
        return True
    return abs(new_lost - old_lost) >= FIGURES_SECONDS


def pending_to_write(old: int, new: int, *, failing: bool, lasting: bool) -> int:
    """Return the pending bytes that are to stand in the status.

    Args:
        old: what stands there.
        new: what waits now.
        failing: whether the last try to upload failed.
        lasting: whether more than `BACKLOG_BYTES` have waited for `BACKLOG_SECONDS`.
    """
    waits = new if failing or (new >= BACKLOG_BYTES and (lasting or old > 0)) else 0
    if 0 in {waits, old} or waits >= 2 * old or 2 * waits <= old:
        return waits
    return old
