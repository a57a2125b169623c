"""How many threads media may use: the cgroup's quota, not the machine's cores.

x264 and the compositor count the visible cores; in a Pod with a limit of one CPU on a 24-core node that costs
a third more CPU (measured: threads=24 against threads=2). In: the cgroup files. Out: a number of CPUs.
"""

import math
import os
from pathlib import Path

MAX_THREADS = 4
"""More threads cost more than they give at the sizes we record."""


def available_cpus(*, limit: float | None, root: Path = Path("/sys/fs/cgroup")) -> float:
    """Give the CPUs this process may use: the limit if given, else the cgroup's quota, else the affinity mask."""
    visible = float(len(os.sched_getaffinity(0)))
    quota = limit if limit and limit > 0 else _quota(root)
    return min(quota, visible) if quota else visible


def threads(cpus: float) -> int:
    """Give the number of threads for a number of CPUs: at least one, at most MAX_THREADS."""
    return max(1, min(MAX_THREADS, math.ceil(cpus)))


def _quota(root: Path) -> float | None:
    """Read cgroup v2's cpu.max, else v1's cfs files; None when there is no quota."""
    for quota_file, period_file in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = (root / quota_file).read_text().split()
            if period_file:
                words += (root / period_file).read_text().split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # not this cgroup version, or "max"
            continue
        return quota / period if quota > 0 and period > 0 else None
    return None
