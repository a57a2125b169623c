"""What a recording costs by how many people are in it: the picture stays the same, their cells get smaller.

In: a cluster, numbers of people. Out: a `Cost` for each number. The people publish from the same machine, so that with many
of them it has less to spare: the recorder's own cgroup is read, and pictures that it left out are not hidden.
"""

import uuid
from collections.abc import Callable, Sequence

from bench import cost, document, tasks
from bench.cost import Cost
from support.publishers import publishing, user

SIZES = (1, 2, 4, 9)
AIM = (9, 2, 2.2)
"""So many people cost at most so much of what so many do."""
HEAD = ("people", "CPU", "of two people's", "memory without page cache, highest")
WORDS = (
    "People at 640x360 and 15 frames a second (VP8, one layer) into a 1280x720 grid at 30 frames a second, H.264 and AAC, HLS of\n"
    "4 s. CPU and memory are the recorder container's own cgroup's."
)


def measure(*, seconds: float, say: Callable[[str], None], sizes: Sequence[int] = SIZES) -> dict[int, Cost]:
    """Record a channel of each size for so long."""
    found = {}
    for size in sizes:
        people = [
            user(f"user{number}", hue=40 * number % 360, tone=300 + 60 * number) for number in range(size)
        ]
        channel = f"bench-{uuid.uuid4().hex[:8]}"
        say(f"{size} people in channel {channel} …")
        with publishing(channel, people, duration_seconds=3600, timeout_seconds=120):
            found[size] = cost.measure(tasks.channel(channel), seconds=seconds, say=say)
    return found


def rows(costs: dict[int, Cost]) -> list[tuple[str, ...]]:
    """Return what a table says."""
    two = costs[2].cores if 2 in costs else None
    return [
        (
            str(size),
            f"{found.cores:.2f} cores",
            f"{found.cores / two:.2f}" if two else "",
            f"{found.resident_bytes / 1e6:.0f} MB",
        )
        for size, found in costs.items()
    ]


def section(costs: dict[int, Cost], *, made: str) -> list[str]:
    """Write the section of docs/benchmarks.md; `made` says by what, when and where."""
    many, few, most = AIM
    aim = f"The aim: {many} people cost at most {most} of what {few} do."
    return ["## One recording, by people", "", made, WORDS, aim, "", *document.table(HEAD, rows(costs))]
