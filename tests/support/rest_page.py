"""The examples of docs/rest.md, by the heading under which they stand."""

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "rest.md").read_text(encoding="utf-8")

Example = dict[str, Any]


def examples() -> dict[str, list[Example]]:
    """Return the JSON blocks of each section that has some."""
    found: dict[str, list[Example]] = {}
    for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE):
        heading, _, text = section.partition("\n")
        blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
        if blocks:
            found[heading] = blocks
    return found


def starts() -> list[Example]:
    """Return the bodies of start calls."""
    return [example for blocks in examples().values() for example in blocks if "cmd" in example]
