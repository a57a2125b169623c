"""Write the table of docs/alerts.md from the chart's alert rules.

In: charts/egress-operator/files/*alerts.yaml. Out: what stands between the markers; the rest of the page is written by
hand. `--check` compares only.
"""  # noqa: INP001 - a script beside the page, not a package

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from generated import keep, table

PAGE: Final = Path(__file__).parent / "alerts.md"
_FILES: Final = PAGE.parent.parent / "charts" / "egress-operator" / "files"
_TEMPLATE: Final = re.compile(r"\{\{ *\$(labels\.)?(?P<word>\w+)( \| \w+)? *\}\}")


def rules() -> Iterator[dict[str, Any]]:
    """Give every alert, those of the gateway last."""
    for name in ("alerts.yaml", "gateway-alerts.yaml"):
        for group in yaml.safe_load((_FILES / name).read_text())["groups"]:
            yield from group["rules"]


def rows() -> list[str]:
    """Return the table's lines."""
    lines = ["| alert | severity | when | what to do |", "|---|---|---|---|"]
    for rule in rules():
        said = _TEMPLATE.sub(lambda found: f"*{found['word']}*", rule["annotations"]["summary"])
        lasting = f" For {rule['for']}: " if "for" in rule else " "
        query = " ".join(rule["expr"].split()).replace("|", "\\|")
        lines.append(
            f"| {rule['alert']} | {rule['labels']['severity']} | {said}{lasting}`{query}` "
            f"| {rule['annotations']['description']} |"
        )
    return lines


def main() -> None:
    """Write the page, or with `--check` exit with 1 where it differs."""
    keep(PAGE, table(PAGE, PAGE.read_text(encoding="utf-8"), "alerts", rows()), run="make generate")


if __name__ == "__main__":
    main()
