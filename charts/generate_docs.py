"""Writes the tables of docs/install.md from the chart: the values, and the rights of each program.

In: values.yaml, where `# --` opens the description of the key below, and files/rights.yaml. Out: the text between
the markers in docs/install.md; what people wrote around it stays. `--check` writes nothing and fails on a difference.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parent / "egress-operator"
PAGE: Final = CHART.parent.parent / "docs" / "install.md"
sys.path.insert(0, str(PAGE.parent))

from generated import filled, keep  # noqa: E402

_KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):")
_HOLDERS: Final = {
    "operator": "operator, in every watched namespace",
    "gateway": "gateway, in `gateway.namespace`",
    "gatewayWithTokenRefresh": "gateway with `gateway.tokenRefresh.enabled`, in `gateway.namespace`",
    "gatewayWithKubernetesAuth": "gateway with auth mode `kubernetes`, in `gateway.namespace`",
    "gatewayWithKubernetesAuthInTheCluster": "gateway with auth mode `kubernetes`, in the whole cluster",
    "uninstall": "uninstall Job, in every watched namespace, during `helm uninstall` alone",
}


def values_rows(text: str) -> list[tuple[str, str, str]]:
    """Return (path, default, description) of every value with a `# --` comment, in the file's order."""
    values = yaml.safe_load(text)
    rows: list[tuple[str, str, str]] = []
    path: list[tuple[int, str]] = []
    described = ""
    for line in text.splitlines():
        comment = line.strip()
        if comment.startswith("# -- "):
            described = comment.removeprefix("# -- ")
        elif match := _KEY.match(line):
            indent = len(match["indent"])
            path = [*(step for step in path if step[0] < indent), (indent, match["key"])]
            if described:
                keys = [key for _, key in path]
                rows.append((".".join(keys), json.dumps(_value(values, keys)), described))
                described = ""
    return rows


def rights_rows(text: str) -> list[tuple[str, str, str, str]]:
    """Return (holder, resource, verbs, reason) of every rule, in the file's order."""
    rights = yaml.safe_load(text)
    return [
        (title, ", ".join(f"`{name}`" for name in rule["resources"]), ", ".join(rule["verbs"]), rule["why"])
        for holder, title in _HOLDERS.items()
        for rule in rights[holder]
    ]


def page(text: str) -> str:
    """Return the page with both tables as the chart has them now."""
    values = [
        "| value | default | what it is |",
        "| --- | --- | --- |",
        *(
            f"| `{path}` | `{default}` | {what} |"
            for path, default, what in values_rows((CHART / "values.yaml").read_text())
        ),
    ]
    rights = [
        "| who | resource | verbs | why |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in rights_rows((CHART / "files" / "rights.yaml").read_text())),
    ]
    return _between("rights", rights, _between("values", values, text))


def _value(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values[key]
    return values


def _between(name: str, lines: list[str], text: str) -> str:
    begin, end = f"<!-- {name}: written by charts/generate_docs.py -->", f"<!-- {name}: end -->"
    return filled(PAGE, text, lines, begin=begin, end=end)


def main() -> None:
    """Write the page, or with `--check` say whether it is up to date."""
    keep(PAGE, page(PAGE.read_text(encoding="utf-8")), run="python charts/generate_docs.py")


if __name__ == "__main__":
    main()
