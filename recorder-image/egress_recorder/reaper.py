"""The first process's duty in a container: bury children that lost their parent.

What the capture started becomes our child when the capture dies. Only processes that nobody waits for are
taken: asyncio waits for its own.
"""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path


def reap_orphans(*, except_for: Collection[int]) -> int:
    """Collect ended children that are not in `except_for`; return how many there were."""
    reaped = 0
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return 0
    for pid in map(int, children):
        if pid in except_for:
            continue
        with contextlib.suppress(ChildProcessError):
            reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
    return reaped
