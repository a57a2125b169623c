"""Write the tables of docs/rest.md from the code: `python docs/generate_rest.py`, `--check` to compare only.

In: the models of `egress_api.rest`, the gateway's kinds of problem and its settings. Out: what stands between
the markers `<!-- NAME -->` and `<!-- /NAME -->`; the rest of the page is written by hand.
"""  # noqa: INP001 - a script beside the page, not a package

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generated import keep, table

from egress_api.rest import StartRequest
from egress_gateway.auth.settings import AuthSettings
from egress_gateway.errors import ProblemKind
from egress_gateway.history.settings import HistorySettings
from egress_gateway.links.settings import LinksSettings
from egress_gateway.settings import Settings
from egress_gateway.stores import StoreSettings

PAGE = Path(__file__).parent / "rest.md"
_OBJECTS = {"auth": "mode `none`", "history": "none", "links": "none", "pages": "no rules", "tracing": "none"}
"""Defaults of settings that are JSON objects."""


def field_rows() -> list[str]:
    """Return the table of a start's fields."""
    schema = StartRequest.model_json_schema(by_alias=True)
    rows = ["| Field | What may stand there | Default | Meaning |", "|---|---|---|---|"]
    for path, field, needed in _leaves(schema, schema["$defs"]):
        default = "needed" if needed else _default(field)
        rows.append(f"| `{path}` | {_bounds(field)} | {default} | {field.get('description', '')} |")
    return rows


def problem_rows() -> list[str]:
    """Return the table of the kinds of problem."""
    rows = ["| Kind | Status | What it means, and what to do |", "|---|---|---|"]
    for kind in ProblemKind:
        status = "4xx" if kind is ProblemKind.HTTP else kind.status
        rows.append(f"| `{kind}` | {status} | {kind.advice} |")
    return rows


def setting_rows() -> list[str]:
    """Return the table of the gateway's settings."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _OBJECTS.get(name) or str(field.default) or "empty"
        rows.append(f"| `EGRESS_GATEWAY_{name.upper()}` | {default} | {field.description} |")
    return rows


def auth_rows() -> list[str]:
    """Return the table of what stands in EGRESS_GATEWAY_AUTH."""
    rows = ["| In the object | Default | Meaning |", "|---|---|---|"]
    defaults = AuthSettings().model_dump(mode="json", by_alias=True)
    schema = AuthSettings.model_json_schema(by_alias=True)
    for name, field in schema["properties"].items():
        part = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2])
        for key, inner in part["properties"].items() if part else [("", field)]:
            default = json.dumps(defaults[name][key] if key else defaults[name]).removesuffix(".0")
            rows.append(f"| `{name}{'.' if key else ''}{key}` | `{default}` | {inner['description']} |")
    return rows


def object_rows(kind: type[StoreSettings]) -> list[str]:
    """Return the table of what stands in EGRESS_GATEWAY_HISTORY or EGRESS_GATEWAY_LINKS."""
    rows = ["| In the object | Default | Meaning |", "|---|---|---|"]
    defaults = kind().model_dump(mode="json", by_alias=True)
    schema = kind.model_json_schema(by_alias=True)
    for name, field in schema["properties"].items():
        rows.append(
            f"| `{name}` | `{json.dumps(defaults[name]).removesuffix('.0')}` | {field['description']} |"
        )
    return rows


def rendered(page: str) -> str:
    """Return the page with its tables made anew."""
    tables = {
        "fields": field_rows(),
        "problems": problem_rows(),
        "settings": setting_rows(),
        "auth": auth_rows(),
        "history": object_rows(HistorySettings),
        "links": object_rows(LinksSettings),
    }
    for name, rows in tables.items():
        page = table(PAGE, page, name, rows)
    return page


def _leaves(
    node: dict[str, Any], definitions: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, field in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        # Optional[X] is X or null: a missing field says the same as null.
        chosen = next((kind for kind in field.get("anyOf", ()) if kind.get("type") != "null"), {})
        reference = field.get("$ref") or chosen.get("$ref", "")
        target = definitions[reference.rpartition("/")[2]] if reference else {}
        items_of = {**chosen, **field}.get("items", {})
        items = definitions.get(items_of.get("$ref", "").rpartition("/")[2], {})
        if items.get("type") == "object":
            yield here, {**chosen, **field, "items": items}, name in node.get("required", ())
            yield from _leaves(items, definitions, f"{here}[]")
        elif target.get("type") == "object":
            yield from _leaves(target, definitions, here)
        else:
            yield here, {**target, **chosen, **field}, name in node.get("required", ())


def _bounds(field: dict[str, Any]) -> str:
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "x-sentence" in field:
        return str(field["x-sentence"]).removeprefix("must be ").replace("|", "\\|")
    match field.get("type"):
        case "integer":
            step = ", even" if field.get("multipleOf") == 2 else ""  # noqa: PLR2004 - the one step there is
            return f"{field['minimum']} to {field['maximum']}{step}"
        case "string":
            return f"{field.get('minLength', 0)} to {field['maxLength']} characters"
        case "array":
            return f"at most {field['maxItems']}; each {_bounds(field['items'])}"
        case "boolean" | "object" as kind:
            return {"boolean": "`true`, `false`", "object": "an object"}[kind]
        case kind:
            raise SystemExit(f"no words for a field of type {kind}")


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "" if default is None else f"`{default}`"


def main() -> None:
    """Write the page, or with --check fail if it would change."""
    keep(PAGE, rendered(PAGE.read_text(encoding="utf-8")), run="python docs/generate_rest.py")


if __name__ == "__main__":
    main()
