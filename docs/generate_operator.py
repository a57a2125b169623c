"""Write the tables of docs/operator.md from the code: `python docs/generate_operator.py`, `--check` to compare only.

In: the rows that the unit tests walk through, the rules for Pods that ended, the settings, the metrics and the
chart's rights. Out: what stands between the markers `<!-- NAME -->` and `<!-- /NAME -->`; the rest of the page is
written by hand.
"""  # noqa: INP001 - a script beside the page, not a package

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Metric
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "docs")]

from generated import keep, table  # noqa: E402

from egress_operator.failures import RULES  # noqa: E402
from egress_operator.metrics import Metrics  # noqa: E402
from egress_operator.pod_state import WAITING, Patience  # noqa: E402
from egress_operator.presets import BUILT_IN  # noqa: E402
from egress_operator.refusals import REFUSALS  # noqa: E402
from egress_operator.settings import Settings  # noqa: E402
from support.operator_rows import ROWS  # noqa: E402
from support.pod_cases import CASES  # noqa: E402

PAGE = Path(__file__).parent / "operator.md"
RIGHTS = ROOT / "charts" / "egress-operator" / "files" / "rights.yaml"


def state_rows() -> list[str]:
    """Return the table of states."""
    rows = ["| was | what is the case | becomes | reason | then |", "|---|---|---|---|---|"]
    for row in ROWS:
        then = row.does.replace(", ", ", then ") or "–"
        rows.append(f"| {row.was} | {row.when} | {row.state} | {row.reason or '(as before)'} | {then} |")
    return rows


def waiting_rows() -> list[str]:
    """Return the table of what the kubelet says of a container that waits."""
    rows = ["| the kubelet says | reason | how long it is waited for |", "|---|---|---|"]
    return rows + [
        f"| {word} | {reason} | {patience.value} |" for word, (reason, patience, _) in WAITING.items()
    ]


def failure_rows() -> list[str]:
    """Return the table of what an ended Pod means."""
    rows = ["| the Pod | reason | whose doing |", "|---|---|---|"]
    return rows + [
        f"| {rule.name} | {rule.reason} | {'the cluster' if rule.platform else 'the recorder'} |"
        for rule in RULES
    ]


def refusal_rows() -> list[str]:
    """Return the table of what it means that no Pod can be created."""
    rows = ["| the API server says | reason | how long it is waited for |", "|---|---|---|"]
    return rows + [
        f"| {rule.name} | {rule.reason} | {(Patience.ENQUEUE if rule.passes else Patience.NONE).value} |"
        for rule in REFUSALS
    ]


def case_rows() -> list[str]:
    """Return the table of everything that happens to Pods."""
    rows = ["| what has happened | in Kubernetes' words | reason | what follows |", "|---|---|---|---|"]
    return rows + [f"| {c.what} | {c.words} | {c.reason} | {c.follows.value} |" for c in CASES]


def setting_rows() -> list[str]:
    """Return the table of settings."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    return rows + [f"| `{name}` | {default} | {text} |" for name, default, text in _settings(Settings)]


def preset_rows() -> list[str]:
    """Return the table of the built-in presets."""
    rows = ["| layout | up to | requests | limits |", "|---|---|---|---|"]
    for preset in BUILT_IN:
        picture = f"{preset.up_to.width}x{preset.up_to.height} at {preset.up_to.frame_rate}"
        sizes = [
            ", ".join(f"{name} {size}" for name, size in preset.resources[kind].items())
            for kind in ("requests", "limits")
        ]
        rows.append(f"| {preset.layout} | {picture} | {' | '.join(sizes)} |")
    return rows


def metric_rows() -> list[str]:
    """Return the table of metrics."""
    rows = ["| metric | kind | meaning |", "|---|---|---|"]
    ours = [m for m in Metrics().registry.collect() if m.name.startswith("egress_")]
    return rows + [f"| `{_name(m)}` | {m.type} | {m.documentation} |" for m in ours]


def right_rows() -> list[str]:
    """Return the table of rights."""
    rows = ["| resource | verbs | why |", "|---|---|---|"]
    for rule in yaml.safe_load(RIGHTS.read_text(encoding="utf-8"))["operator"]:
        resources = ", ".join(f"`{resource}`" for resource in rule["resources"])
        rows.append(f"| {resources} | {', '.join(rule['verbs'])} | {rule['why']} |")
    return rows


TABLES = {
    "states": state_rows,
    "waiting": waiting_rows,
    "failures": failure_rows,
    "refusals": refusal_rows,
    "cases": case_rows,
    "rights": right_rows,
    "settings": setting_rows,
    "presets": preset_rows,
    "metrics": metric_rows,
}


def rendered(page: str) -> str:
    """Return the page with its tables made anew."""
    for name, rows in TABLES.items():
        page = table(PAGE, page, name, rows())
    return page


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _settings(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        here = f"{path}{to_camel(name)}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{here}.")
        else:
            yield here, _default(name, field.get_default(call_default_factory=True)), field.description or ""


def _default(name: str, default: Any) -> str:
    if name == "namespaces":
        return "the operator's own"
    if default is PydanticUndefined:
        return "needed"
    if default is None or (not default and isinstance(default, str | list | dict)):
        return "empty"
    return f"`{default}`"


def main() -> None:
    """Write the page, or with --check fail if it would change."""
    keep(PAGE, rendered(PAGE.read_text(encoding="utf-8")), run="python docs/generate_operator.py")


if __name__ == "__main__":
    main()
