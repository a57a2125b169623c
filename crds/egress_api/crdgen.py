"""Generate crds/egresstasks.yaml from the models: `python -m egress_api.crdgen [--check]`.

pydantic's JSON Schema is made structural, as the API server wants it: references inlined, null unions
flattened, titles and additionalProperties dropped, texts explained by a CEL rule instead of a bare
expression. Written by hand because the packages that do this leave out maxLength, list types or nullable.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from egress_api import constants as c
from egress_api.rules import ROOT_RULES, spec_rules
from egress_api.spec import EgressTaskSpec
from egress_api.status import EgressTaskStatus
from egress_api.worded import SENTENCE_KEY

CRD_PATH: Final = Path(__file__).resolve().parent.parent / "egresstasks.yaml"
HEADER: Final = "# Generated from crds/egress_api by `make generate`; don't edit.\n"

Schema = dict[str, Any]


def openapi_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _structural({**target, **_without(node, "$ref")}, definitions)
    if "anyOf" in node:
        # Optional[X]: a missing field says the same as null.
        (only,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _structural({**only, **_without(node, "anyOf", "default")}, definitions)
    out: Schema = {key: node[key] for key in _COPIED if key in node} | _text_rule(node)
    if "const" in node:
        out["enum"] = [node["const"]]
    if out.get("type") == "integer":
        out["format"] = "int64"
    if "items" in node:
        out["items"] = _structural(node["items"], definitions)
        out["x-kubernetes-list-type"] = "atomic"
    if "properties" in node:
        out |= _object(node, definitions)
    elif isinstance(node.get("additionalProperties"), dict):
        out |= _map(node, definitions)
    return out


def _map(node: Schema, definitions: dict[str, Schema]) -> Schema:
    values = _structural(node["additionalProperties"], definitions)
    shortest, longest = (node["propertyNames"][bound] for bound in ("minLength", "maxLength"))
    # Lengths alone: how much an expression on a map's keys costs has no bound that the API server would take.
    rule = {
        "rule": f"self.all(key, size(key) >= {shortest} && size(key) <= {longest})",
        "message": f"each key must be {shortest} to {longest} characters long",
    }
    return {"additionalProperties": values, "x-kubernetes-validations": [rule]}


def _object(node: Schema, definitions: dict[str, Schema]) -> Schema:
    properties = {name: _structural(child, definitions) for name, child in node["properties"].items()}
    for name, child in properties.items():
        optional = "anyOf" in node["properties"][name]
        if child["type"] == "object" and "required" not in child and not optional:
            # So that the defaults inside it are seen when the whole object is left out.
            child["default"] = {}
    required = {"required": node["required"]} if node.get("required") else {}
    return {"properties": properties, **required}


def _text_rule(node: Schema) -> Schema:
    if SENTENCE_KEY not in node:
        return {"pattern": node["pattern"]} if "pattern" in node else {}
    # A raw string: the expression's backslashes are its own.
    rule = {"rule": f"self.matches(r'{node['pattern']}')", "message": node[SENTENCE_KEY]}
    return {"x-kubernetes-validations": [rule]}


def _without(node: Schema, *keys: str) -> Schema:
    return {key: value for key, value in node.items() if key not in keys}


_COPIED: Final = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
)


def _column(name: str, path: str, *, kind: str = "string", wide: bool = False, about: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": about}
    return {**column, "priority": 1} if wide else column


def _list_map(key: str) -> Schema:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def custom_resource_definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition as a dict."""
    spec = openapi_schema(EgressTaskSpec)
    spec["x-kubernetes-validations"] = spec_rules()
    spec["properties"]["outputs"] |= _list_map("format")
    status = openapi_schema(EgressTaskStatus)
    # The operator writes status whole; defaults there would show a task as ENQUEUED before anyone saw it.
    for field in status["properties"].values():
        field.pop("default", None)
    status["properties"]["conditions"] |= _list_map("type")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{c.PLURAL}.{c.GROUP}"},
        "spec": {
            "group": c.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": c.KIND,
                "listKind": f"{c.KIND}List",
                "plural": c.PLURAL,
                "singular": c.SINGULAR,
                "shortNames": [c.SHORT_NAME],
                "categories": [c.CATEGORY],
            },
            "versions": [
                {
                    "name": c.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "selectableFields": [{"jsonPath": ".spec.appId"}, {"jsonPath": ".status.state"}],
                    "additionalPrinterColumns": [
                        _column("App", ".spec.appId", about="The application."),
                        _column("Source", ".status.source", about="The channel, or the page's host."),
                        _column("State", ".status.state", about="Where the task is."),
                        _column("Files", ".status.filesTotal", kind="integer", about="Outputs so far."),
                        _column("Age", ".metadata.creationTimestamp", kind="date", about="Since creation."),
                        _column("Reason", ".status.reason", wide=True, about="Why it is there."),
                        _column(
                            "Position",
                            ".status.queuePosition",
                            kind="integer",
                            wide=True,
                            about="In the queue, while it waits.",
                        ),
                        _column("Pod", ".status.podName", wide=True, about="The recorder Pod."),
                        _column("Node", ".status.nodeName", wide=True, about="Where the Pod runs."),
                        _column(
                            "Lost", ".status.lostSeconds", kind="number", wide=True, about="Seconds missing."
                        ),
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": "A recording: what to record (spec) and what became of it (status).",
                            "required": ["spec"],
                            "x-kubernetes-validations": ROOT_RULES,
                            "properties": {
                                "apiVersion": {"type": "string", "description": "Version of this schema."},
                                "kind": {"type": "string", "description": c.KIND},
                                # The API server takes no description here: metadata's is its own.
                                "metadata": {"type": "object"},
                                "spec": spec,
                                "status": status,
                            },
                        }
                    },
                }
            ],
        },
    }


def render() -> str:
    """Return the text of crds/egresstasks.yaml."""
    return HEADER + yaml.dump(
        custom_resource_definition(),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )


class _Dumper(yaml.SafeDumper):
    """Quotes what Kubernetes' own YAML takes for true or false, and PyYAML does not."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if text in {"y", "n"} else None)


_Dumper.add_representer(str, _text)


def main() -> int:
    """Write the file, or with --check only say whether it is up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the file is out of date"
    )
    check = parser.parse_args().check
    text = render()
    if not check:
        CRD_PATH.write_text(text, encoding="utf-8")
        return 0
    if CRD_PATH.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{CRD_PATH} is out of date: run `make generate` and commit it\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
