"""What the scripts that write parts of pages share: a page's text between two markers, written or compared.

In: a page, its markers and the lines that belong between them. Out: the page; what people wrote around it stays.
"""  # noqa: INP001 - a script's helper beside the pages, not a package

import sys
from collections.abc import Iterable
from pathlib import Path


def filled(page: Path, text: str, lines: Iterable[str], *, begin: str, end: str) -> str:
    """Return a page's text with these lines between its markers.

    Args:
        page: for the message where the markers are missing.
        text: the page's, as it is.
        lines: what belongs there.
        begin: the first marker.
        end: the second.
    """
    before, found, rest = text.partition(f"{begin}\n")
    _, closed, after = rest.partition(end)
    if not (found and closed) or begin in after:
        raise SystemExit(f"{page}: the markers {begin} and {end} must stand there once, in this order")
    return "\n".join([f"{before}{begin}", "", *lines, "", f"{end}{after}"])


def table(page: Path, text: str, name: str, lines: Iterable[str]) -> str:
    """Return a page's text with these lines between `<!-- NAME -->` and `<!-- /NAME -->`."""
    return filled(page, text, lines, begin=f"<!-- {name} -->", end=f"<!-- /{name} -->")


def keep(page: Path, fresh: str, *, run: str) -> None:
    """Write a page, or with `--check` on the command line fail if it would change.

    Args:
        page: where.
        fresh: its text.
        run: the command that writes it, for the message.
    """
    if "--check" not in sys.argv[1:]:
        page.write_text(fresh, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != fresh:
        raise SystemExit(f"{page} is not what it is made of: run `{run}`")
