"""The document tells of every route and is what the code says; its page needs nothing else."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from egress_api.rest import FOREIGN_FIELDS, StartRequest
from egress_gateway.auth.guard import OPEN_PATHS
from egress_gateway.errors import ProblemKind
from egress_gateway.openapi import examples
from egress_gateway.openapi.calls import CALLS
from egress_gateway.openapi.document import document, rendered
from egress_gateway.openapi.page import POLICY, STYLE, page
from egress_gateway.openapi.parameters import WAIT
from egress_gateway.polling import LONGEST_WAIT
from egress_gateway.query import seconds
from support.bad_starts import BAD_STARTS, BAD_UPDATES, START_FLAT, START_FREESTYLE
from support.rest_page import DOCS, starts
from support.rest_page import examples as told

Client = TestClient[Any, Any]

OPERATIONS = {
    operation["operationId"]: operation
    for path in document()["paths"].values()
    for operation in path.values()
}
BELOW_THE_CALLS = {ProblemKind.NO_SUCH_ROUTE, ProblemKind.METHOD_NOT_ALLOWED}
"""Told of once for all, in the document's own description."""


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks a value against a schema of the document."""
    whole = Resource.from_contents(document(), default_specification=DRAFT202012)
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(
        absolute, registry=Registry().with_resource("urn:document", whole), format_checker=checker
    )


def contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the (media type, content) of an operation's body and answers."""
    found = list(operation.get("requestBody", {}).get("content", {}).items())
    for answer in operation["responses"].values():
        found += answer.get("content", {}).items()
    return found


def test_it_is_valid_openapi_31() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_the_committed_document_is_what_the_code_says() -> None:
    committed = (DOCS / "openapi.json").read_text(encoding="utf-8")
    assert committed == rendered(), "run python docs/generate_openapi.py"


def test_every_process_writes_the_same_document() -> None:
    code = "import sys; from egress_gateway.openapi.document import rendered; sys.stdout.write(rendered())"
    fresh = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True
    )
    assert fresh.stdout == rendered()


async def test_it_tells_of_every_route_and_of_no_other(gateway: Client) -> None:
    assert gateway.app is not None
    routes = {
        (route.method, route.resource.canonical)
        for route in gateway.app.router.routes()
        if route.resource is not None and route.method != hdrs.METH_HEAD
    }
    assert {(call.method, call.path) for call in CALLS} == routes


def test_only_the_calls_of_apps_ask_who_calls() -> None:
    assert {call.path for call in CALLS if not call.of_app} == OPEN_PATHS
    for call in CALLS:
        assert bool(OPERATIONS[call.operation_id]["security"]) is call.of_app


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_told_in_words(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert operation["tags"]
    assert all(parameter["description"] for parameter in operation["parameters"])


def test_names_are_taken_once() -> None:
    names = [call.operation_id for call in CALLS]
    assert len(names) == len(set(names))


def test_every_kind_of_problem_stands_somewhere() -> None:
    named = set(re.findall(r"urn:egress-operator:problem:([a-z-]+)", rendered()))
    assert named == set(ProblemKind) - BELOW_THE_CALLS
    assert all(f"`{kind}`" in document()["info"]["description"] for kind in BELOW_THE_CALLS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_are_what_their_schemas_say(name: str) -> None:
    for media, content in contents(OPERATIONS[name]):
        check = validator(content["schema"])
        values = [example["value"] for example in content.get("examples", {}).values()]
        values += [content["example"]] if "example" in content else []
        for value in values:
            check.validate(value)
        if media == "application/json" and "$ref" in content["schema"]:
            assert values, f"no example of {content['schema']}"


def test_the_examples_are_the_contracts() -> None:
    assert (examples.START_CHANNEL, examples.START_PAGE) == (START_FLAT, START_FREESTYLE)
    page_of = told()
    assert page_of["Start a channel"][1] == examples.STARTED
    assert page_of["Status"] == [examples.STATUS]
    assert page_of["Stop"] == [examples.STOPPED]
    assert page_of["Pause"] == [examples.PAUSE]


@pytest.mark.parametrize("start", starts(), ids=lambda start: start["request_id"])
def test_the_schema_takes_good_starts(start: dict[str, Any]) -> None:
    validator({"$ref": "#/components/schemas/StartRequest"}).validate(start)


# In a schema `$` is the end; for the validator in Python it is also before a last newline.
@pytest.mark.parametrize(
    "bad", [bad for bad in BAD_STARTS if not bad.what.endswith("newline")], ids=lambda bad: bad.what
)
def test_the_schema_refuses_what_the_gateway_refuses(bad: Any) -> None:
    assert not validator({"$ref": "#/components/schemas/StartRequest"}).is_valid(bad.body())


@pytest.mark.parametrize("bad", BAD_UPDATES, ids=lambda bad: bad.what)
def test_the_schema_refuses_bad_updates(bad: Any) -> None:
    assert not validator({"$ref": "#/components/schemas/UpdateRequest"}).is_valid(bad.body)


@pytest.mark.parametrize("given", ["{}", "{}s", "0{}", "000000000{}s", "{}m", " {}", "-{}", "{}.0"])
def test_the_schema_of_wait_takes_what_the_gateway_takes(given: str) -> None:
    check = validator(WAIT.schema)
    for number in (*range(130), 600, 10**8, 10**9):
        value = given.format(number)
        try:
            seconds(LONGEST_WAIT)(value)
        except ValueError:
            assert not check.is_valid(value), value
        else:
            assert check.is_valid(value), value


def test_fields_of_one_layout_are_fields_of_the_payload() -> None:
    payload = StartRequest.model_json_schema()["$defs"]["StartPayload"]["properties"]
    assert {name for names in FOREIGN_FIELDS.values() for name in names} <= payload.keys()


async def test_the_document_is_served_to_everybody(make_gateway: Any, tmp_path: Any) -> None:
    gateway: Client = await make_gateway(
        auth={"modes": ["apiKeys"], "apiKeys": {"folder": str(tmp_path)}},
        calls_per_second=0.001,
        calls_burst=1,
    )
    for _ in range(2):
        answer = await gateway.get("/egress/v1/openapi.json")
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.text() == rendered()
    assert (await gateway.get("/egress/v1/demo/tasks")).status == 401


async def test_the_page_needs_nothing_else(gateway: Client) -> None:
    answer = await gateway.get("/egress/v1/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    text = await answer.text()
    assert text.count("<style>") == 1
    assert f"<style>{STYLE}</style>" in text
    targets = set(re.findall(r'(?:src|href|action|style)="?([^" >]*)', text))
    assert {target for target in targets if not target.startswith("#")} == {"openapi.json"}
    assert "<script" not in text


class _Page(HTMLParser):
    """Finds anchors, what links lead to, and elements that are left open."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.targets: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors += [str(values["id"])] if "id" in values else []
        self.targets += [str(values["href"])] if "href" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_has_all_of_the_document() -> None:
    read = _Page()
    read.feed(page(document()))
    assert read.open == []
    assert len(read.anchors) == len(set(read.anchors))
    assert {*OPERATIONS, *document()["components"]["schemas"]} <= set(read.anchors)
    assert {target.removeprefix("#") for target in read.targets} - {"openapi.json"} <= set(read.anchors)


def test_the_page_shows_texts_as_they_are() -> None:
    hostile = json.loads(json.dumps(document()).replace("Newest first", "<script>alert(1)</script> `<b>`"))
    shown = page(hostile)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <code>&lt;b&gt;</code>" in shown
