"""A program that the bench runs, and what it has spent, as the kernel counts it.

In: a command. Out: a process that ends with the bench, by its own id, and its CPU seconds and memory from /proc.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.control_plane.figures import Usage
from egress_cluster.errors import ClusterError
from egress_cluster.run import wait_until

STOP_SECONDS = 30
_TICKS = os.sysconf("SC_CLK_TCK")


def usage(pid: int) -> Usage:
    """Read what a process has spent so far, all its threads together."""
    folder = Path("/proc") / str(pid)
    # Its name stands in parentheses and may hold anything; user and system time are the 12th and 13th field behind.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    memory = {
        name: int(value.split()[0]) * 1024
        for name, _, value in (line.partition(":") for line in (folder / "status").read_text().splitlines())
        if name in {"VmRSS", "VmHWM"}
    }
    return Usage(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        resident_bytes=memory["VmRSS"],
        highest_bytes=memory["VmHWM"],
    )


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to be run."""

    name: str
    command: list[str]
    folder: Path
    """Where its log goes."""
    environment: Mapping[str, str] | None = None


class Running:
    """A program that runs. A context manager: it ends with it."""

    def __init__(self, program: Program) -> None:
        """Start it; its output goes to a log of its own."""
        self.name = program.name
        self.log = program.folder / f"{program.name}.log"
        # A killed bench takes it along: the kernel ends it with its parent.
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        self.began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*guard, *program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if program.environment is None else dict(program.environment),
                cwd=program.folder,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        """Read what it has spent; a ClusterError with its last words where it has ended."""
        self.check()
        return usage(self.pid)

    def check(self) -> None:
        """Raise a ClusterError where it has ended."""
        if self._process.poll() is not None:
            words = self.log.read_text(errors="replace")[-1500:]
            raise ClusterError(
                f"{self.name} ended with code {self._process.returncode}:\n{words}", log=self.log
            )

    def until(self, what: str, test: Callable[[], bool], *, seconds: float) -> None:
        """Wait until a test of it holds; a ClusterError where it ends before, or the time is up."""

        def holds() -> bool:
            self.check()
            return test()

        wait_until(f"{self.name}: {what}", holds, seconds=seconds, log=self.log)

    def stop(self) -> None:
        """End it in order; after `STOP_SECONDS` at once."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=STOP_SECONDS)
