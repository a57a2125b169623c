"""The models of the contract as OpenAPI 3.1's schemas, which are JSON Schema 2020-12, as pydantic writes it.

In: models. Out: components by name. What is taken is closed (an unknown field is an error), and rules between fields
become variants; what is answered is open (a later version may say more), and says which fields are always there.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from egress_api.media import Layout
from egress_api.page import StartWhen
from egress_api.rest import FOREIGN_FIELDS, NEEDED_FIELDS, Problem
from egress_gateway.openapi.parts import Schema

REFERENCE: Final = "#/components/schemas/{model}"
_ANSWER_SUFFIX: Final = "Answer"
_SOMETIMES: Final = {(Problem.__name__, "errors")}
"""Fields of answers that are left out although they have a default other than null."""


def reference(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": REFERENCE.format(model=name)}


def components(*, taken: Iterable[type[BaseModel]], answered: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """Return the schemas of bodies and answers, and of all that they hold, by name."""
    bodies = _with_variants(_definitions(taken))
    answers = {name: _answered(name, schema) for name, schema in _definitions(answered).items()}
    # A model of both sides has two schemas where they differ, be it in what it refers to.
    differing: set[str] = set()
    while (
        found := {
            name
            for name in answers.keys() & bodies.keys()
            if _renamed(answers[name], differing) != bodies[name]
        }
        - differing
    ):
        differing |= found
    told = {
        name + _ANSWER_SUFFIX if name in differing else name: _renamed(schema, differing)
        for name, schema in answers.items()
    }
    return dict(sorted({**bodies, **told}.items()))


def _definitions(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    pairs: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    _, schema = models_json_schema(pairs, by_alias=True, ref_template=REFERENCE)
    found: dict[str, Schema] = schema["$defs"]
    return {name: _untitled(definition) for name, definition in found.items()}


def _untitled(node: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names."""
    match node:
        case {"properties": properties, **rest}:
            fields = {name: _untitled(field) for name, field in properties.items()}
            return {**_untitled(rest), "properties": fields}
        case dict():
            return {key: _untitled(value) for key, value in node.items() if key != "title"}
        case list():
            return [_untitled(value) for value in node]
        case _:
            return node


def _answered(name: str, schema: Schema) -> Schema:
    if "properties" not in schema:
        return schema
    schema = deepcopy(schema)
    schema.pop("additionalProperties", None)
    needed = set(schema.get("required", ()))
    for field, described in schema["properties"].items():
        if field in needed:
            continue
        if described.pop("default", ...) is not None and (name, field) not in _SOMETIMES:
            needed.add(field)
        _drop_null(described)
    schema["required"] = [field for field in schema["properties"] if field in needed]
    return schema


def _drop_null(field: Schema) -> None:
    """Take away null where a field without a value is absent."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del field["anyOf"]
        # What is said of the field counts more than what is said of its kind.
        field.update({**kinds[0], **field})


def _renamed(node: Any, names: set[str]) -> Any:
    match node:
        case {"$ref": str(target), **rest} if (name := target.rpartition("/")[2]) in names:
            return {**reference(name + _ANSWER_SUFFIX), **rest}
        case dict():
            return {key: _renamed(value, names) for key, value in node.items()}
        case list():
            return [_renamed(value, names) for value in node]
        case _:
            return node


def _with_variants(definitions: dict[str, Schema]) -> dict[str, Schema]:
    """Return the definitions with a schema for each form of those whose fields depend on one another."""
    payload, rule = definitions["StartPayload"], definitions["StartRule"]
    forms = {
        f"{layout.capitalize()}Payload": _variant(
            payload, "layout", [layout], needed=NEEDED_FIELDS[layout], foreign=FOREIGN_FIELDS[layout]
        )
        for layout in Layout
    }
    at_once = [when for when in StartWhen if when is not StartWhen.SELECTOR]
    rules = {
        "StartAtOnce": _variant(rule, "when", at_once, foreign=("selector",)),
        "StartAtSelector": _variant(rule, "when", [StartWhen.SELECTOR], needed=("when", "selector")),
    }
    return {
        **definitions,
        "StartPayload": {
            "description": payload["description"],
            "oneOf": [reference(name) for name in forms],
            "discriminator": {
                "propertyName": "layout",
                "mapping": {
                    form["properties"]["layout"]["const"]: reference(n)["$ref"] for n, form in forms.items()
                },
            },
        },
        "StartRule": {"description": rule["description"], "oneOf": [reference(name) for name in rules]},
        **forms,
        **rules,
    }


def _variant(
    schema: Schema,
    chooser: str,
    values: list[Any],
    *,
    needed: Iterable[str] = (),
    foreign: Iterable[str] = (),
) -> Schema:
    variant = deepcopy(schema)
    fields = variant["properties"]
    for name in foreign:
        del fields[name]
    for name in needed:
        fields[name].pop("default", None)
        _drop_null(fields[name])
    chosen = {key: value for key, value in fields[chooser].items() if key in {"description", "default"}}
    if chosen.get("default", values[0]) not in values:
        del chosen["default"]
    words = [str(value) for value in values]
    kind = {"const": words[0]} if len(words) == 1 else {"enum": words}
    fields[chooser] = {"type": "string", **kind, **chosen}
    required = {*variant.get("required", ()), *needed}
    variant["required"] = [name for name in fields if name in required]
    return variant
