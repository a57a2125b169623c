from collections.abc import Iterator
from typing import Any

import yaml

from egress_api import crdgen

CRD = yaml.safe_load(crdgen.CRD_PATH.read_text(encoding="utf-8"))
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in node:
            yield from fields(node[inner], f"{path}[]")


def test_the_committed_file_is_what_the_models_generate() -> None:
    assert crdgen.CRD_PATH.read_text(encoding="utf-8") == crdgen.render()


def test_every_field_has_a_description() -> None:
    undescribed = [path for path, field in fields(SCHEMA) if not field.get("description")]
    assert undescribed == [".metadata"]  # the API server brings its own


def test_every_text_and_list_is_bounded() -> None:
    unbounded = [
        path
        for path, field in fields(SCHEMA)
        if (field["type"] == "string" and not {"maxLength", "enum", "format"} & set(field))
        or (field["type"] == "array" and "maxItems" not in field)
        or ("additionalProperties" in field and not _bounded_map(field))
    ]
    assert unbounded == [".apiVersion", ".kind"]


def _bounded_map(field: dict[str, Any]) -> bool:
    [rule] = field["x-kubernetes-validations"]
    return (
        "maxProperties" in field
        and "maxLength" in field["additionalProperties"]
        and "size(key)" in rule["rule"]
    )


def test_the_schema_is_structural() -> None:
    forbidden = {"$ref", "anyOf", "allOf", "oneOf", "propertyNames", "title", "const"}
    assert [path for path, field in fields(SCHEMA) if forbidden & set(field)] == []


def test_status_is_a_subresource_without_defaults() -> None:
    version = CRD["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    top = SCHEMA["properties"]["status"]["properties"]
    assert [name for name, field in top.items() if "default" in field] == []


def test_every_spec_field_but_users_priority_pause_and_stop_is_immutable() -> None:
    spec = SCHEMA["properties"]["spec"]
    messages = " ".join(rule["message"] for rule in spec["x-kubernetes-validations"])
    assert [f for f in spec["properties"] if f"spec.{f} can't be changed" not in messages] == [
        "users",
        "priority",
        "pause",
        "stop",
    ]
