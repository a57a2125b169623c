"""Write the fault table of docs/recordings.md from the tests' rows: `PYTHONPATH=tests python docs/generate_faults.py`.

In: the rows that the e2e tests hold (tests/support). Out: what stands between `<!-- faults:begin -->` and
`<!-- faults:end -->`; the rest of the page is written by hand. `--check` compares only.
"""  # noqa: INP001 - a script beside the page, not a package

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generated import filled, keep

from support import fault_rows, store_fault_rows
from support.faults import Expected, Fault

PAGE = Path(__file__).parent / "recordings.md"
GROUPS = {
    "The capture": fault_rows.CAPTURE,
    "The Pod": fault_rows.POD,
    "Its node": fault_rows.NODES,
    "Operator and gateway": fault_rows.PROGRAMS,
    "The channel": fault_rows.SOURCE,
    "The store": store_fault_rows.ROWS,
    "Pauses": fault_rows.PAUSES,
    "Ends": fault_rows.ENDS,
}


INTRODUCTION = """\
Each of these is made by a test on a real node (`make faults`), with segments of 2 s, and the recording is then held against what
stands here: the state, every gap by the playlist's clock and by a clock in the picture, every segment by its checksum,
and that all of it decodes. A fault of the Pod, its node or the capture may cost the more, the longer segments are."""


def table() -> Iterator[str]:
    """Give the table's lines."""
    yield INTRODUCTION
    yield ""
    yield "| what happens | lost at most | gaps | attempts | how it ends |"
    yield "|---|---|---|---|---|"
    for title, rows in GROUPS.items():
        for place, fault in enumerate(rows):
            yield _line(f"**{title}**: " if place == 0 else "", fault)


def _line(begin: str, fault: Fault) -> str:
    expected = fault.expected
    lost = f"{expected.lost_seconds:g} s" if expected.lost_seconds else "nothing"
    if expected.cut_short:
        lost = "what was not in the store"
    ending = f"{expected.state}, {expected.reason}" + ("" if expected.recording else ", no recording")
    return f"| {begin}{fault.says} | {lost} | {_gaps(expected)} | {expected.attempts} | {ending} |"


def _gaps(expected: Expected) -> str:
    if not expected.gaps:
        return "none"
    reasons = dict.fromkeys(expected.gaps)
    if expected.gaps_repeat:
        return " and ".join(f"`{reason}`, any number" for reason in reasons)
    told = ", ".join(
        f"`{reason}`" + (f" × {expected.gaps.count(reason)}" if expected.gaps.count(reason) > 1 else "")
        for reason in reasons
    )
    if expected.gaps_also:
        told += "".join(f", perhaps `{reason}`" for reason in expected.gaps_also)
    return f"{told} or none" if expected.gaps_maybe else told


def rendered(page: str) -> str:
    """Return the page with its table made anew."""
    return filled(PAGE, page, table(), begin="<!-- faults:begin -->", end="<!-- faults:end -->")


def main() -> None:
    """Write the page, or with `--check` fail where it is not what the rows say."""
    keep(
        PAGE,
        rendered(PAGE.read_text(encoding="utf-8")),
        run="PYTHONPATH=tests python docs/generate_faults.py",
    )


if __name__ == "__main__":
    main()
