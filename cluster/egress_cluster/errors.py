"""Everything `egress_cluster` raises on purpose.

ClusterError            what is wrong, where, and what to do next; `log` names the file to read
└── CommandFailed       a program ended with a code other than 0, or ran out of its time
"""

from pathlib import Path


class ClusterError(Exception):
    """Say what is wrong and what to do next; the command line prints it without a stack trace."""

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(sentence)
        self.log = log

    def __str__(self) -> str:
        """Give the sentence and the log to read."""
        return f"{super().__str__()}\n  log: {self.log}" if self.log else super().__str__()


class CommandFailed(ClusterError):  # noqa: N818 - reads as what happened
    """A program failed: its words, its code (None when it ran out of time) and the end of its output."""

    def __init__(self, command: list[str], *, code: int | None, tail: str, log: Path | None = None) -> None:
        how = "ran out of its time" if code is None else f"ended with code {code}"
        shown = "\n".join(f"  | {line}" for line in tail.splitlines()[-12:])
        super().__init__(f"`{' '.join(command)}` {how}\n{shown}".rstrip(), log=log)
        self.command = command
        self.code = code
        self.tail = tail
