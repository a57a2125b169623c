"""How far in front each waiting task stands. Pure; it only reads the book.

In: the book of places. Out: a `Standing` for each task that waits. Numbering everybody costs O(n log n), so it is done for
all at once, and not again before some time has passed that grows with their number; who comes in between is given an
estimate. The operator's order is followed as if one place after the other came free; tasks of an app that is at its own
limit are numbered among themselves, for no place that another app gives up is theirs.
"""

import heapq
from typing import Final, NamedTuple

from egress_api.states import Reason
from egress_operator.keys import TaskKey
from egress_operator.places import Book, Entry

NUMBERED_PER_SECOND: Final = 5000
"""Tasks numbered per second at most: 10,000 take about 50 ms, every 2 s."""


class Standing(NamedTuple):
    """Where a task stands."""

    position: int
    of: int
    reason: Reason


class Positions:
    """The numbers of those who wait."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._numbers: dict[TaskKey, Standing] = {}
        self._version = -1
        self._again_at = float("-inf")

    def all(self, now: float) -> dict[TaskKey, Standing]:
        """Return where everybody stands, the first in front, maybe of a moment ago.

        Args:
            now: seconds of a clock that never goes back.
        """
        if self._version != self._book.version and now >= self._again_at:
            self._numbers = numbered(self._book)
            self._version = self._book.version
            self._again_at = now + len(self._numbers) / NUMBERED_PER_SECOND
        return self._numbers

    def of(self, entry: Entry, now: float) -> Standing:
        """Return where one that waits stands; an estimate where it came after the last numbering."""
        reason, known = self._book.why(entry.app), self.all(now).get(entry.key)
        if known is not None:
            return known._replace(reason=reason)
        before = self._book.at_least(entry.priority)
        return Standing(max(before, 1), max(self._book.waiting, 1), reason)


def numbered(book: Book) -> dict[TaskKey, Standing]:
    """Return where everybody stands now."""
    free: dict[str, list[Entry]] = {}
    limited: list[tuple[Entry, Standing]] = []
    for app, line in book.lines():
        if book.why(app) is Reason.APP_LIMIT_REACHED:
            limited += [
                (entry, Standing(number, len(line), Reason.APP_LIMIT_REACHED))
                for number, entry in enumerate(line, 1)
            ]
        else:
            free[app] = line
    total = sum(map(len, free.values()))
    numbers = {
        entry.key: Standing(number, total, book.why(entry.app))
        for number, entry in enumerate(_in_turn(book, free), 1)
    }
    limited.sort(key=lambda pair: pair[1].position)
    return numbers | {entry.key: standing for entry, standing in limited}


def _in_turn(book: Book, lines: dict[str, list[Entry]]) -> list[Entry]:
    heads = [_head(app, line, 0, book.places_of(app)) for app, line in lines.items()]
    heapq.heapify(heads)
    order = []
    while heads:
        _, places, _, _, app, index = heads[0]
        line = lines[app]
        order.append(line[index])
        if index + 1 < len(line):
            heapq.heapreplace(heads, _head(app, line, index + 1, places + 1))
        else:
            heapq.heappop(heads)
    return order


def _head(app: str, line: list[Entry], index: int, places: int) -> tuple[int, int, str, str, str, int]:
    entry = line[index]
    return -entry.priority, places, entry.created, entry.uid, app, index
