"""What a part of the soak found: figures for the page, and what is worse than promised. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import document
from bench.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One part's result."""

    name: str
    title: str
    words: str
    rows: Sequence[tuple[str, str]]
    head: tuple[str, str] = ("what", "")
    failures: Sequence[str] = field(default_factory=list)
    """Sentences: each is something the project promises and this run did not keep."""

    def section(self, *, command: str, here: Machine, load_after: float) -> list[str]:
        """Write the part's section of docs/benchmarks.md."""
        kept = (
            [("kept", "everything")] if not self.failures else [("not kept", each) for each in self.failures]
        )
        return [
            f"## {self.title}",
            "",
            f"{here.sentence(command, load_after=load_after)} {self.words}",
            "",
            *document.table(self.head, [*self.rows, *kept]),
        ]
