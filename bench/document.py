"""docs/benchmarks.md, a section at a time: each command replaces what stands between its own markers.

In: the page's text, a section's name and its lines. Out: the page's new text. Pure but for `write`.
"""

from collections.abc import Sequence

from bench import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
Row = tuple[str, ...]


def replaced(page: str, name: str, lines: Sequence[str]) -> str:
    """Put `lines` between the section's markers; a section that is not there yet comes last."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    section = "\n".join([begin, *lines, end])
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{section}\n"
    _, closed, after = rest.partition(end)
    if not closed:
        raise ValueError(f"{PAGE.name} has {begin} without {end}: put it back, or take both away")
    return before + section + after


def write(name: str, lines: Sequence[str]) -> None:
    """Replace a section of the page."""
    PAGE.write_text(replaced(PAGE.read_text(), name, lines))


def table(head: Row, rows: Sequence[Row]) -> list[str]:
    """Make a table of Markdown."""
    every = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(cell.strip() for cell in row)} |" for row in every]
