"""What is written twice is equal: definition, documentation, schema, versions, settings."""

import json
import subprocess
import sys
import tomllib
from ipaddress import ip_network
from typing import Any

import yaml

from egress_api import address_ranges
from egress_api.address_ranges import Network
from egress_operator.settings import Settings
from support.charts import CHART, REPOSITORY, render

SET_BY_TEMPLATES = {
    "namespaces",
    "region",
    "placement",
    "store",
    "sources",
    "pages",
    "webhooks",
    "tracing",
    "recorder",
    "metricsPort",
}
MOVED = {"recorder.webImage"}
"""Values that the schema still takes, so that a sentence can say where they are now."""
RECORDER_SET_BY_TEMPLATES = {"image", "imagePullPolicy", "imagePullSecrets", "serviceAccountName"}


def test_the_charts_definition_is_the_generated_one() -> None:
    ours, generated = CHART / "files" / "egresstasks.yaml", REPOSITORY / "crds" / "egresstasks.yaml"
    assert ours.read_bytes() == generated.read_bytes(), f"run: cp {generated} {ours}"


def test_the_rendered_definition_is_the_generated_one_with_helms_metadata() -> None:
    (rendered,) = render().all_of("CustomResourceDefinition")
    generated = yaml.safe_load((REPOSITORY / "crds" / "egresstasks.yaml").read_text())
    assert rendered["spec"] == generated["spec"]
    assert rendered["metadata"]["name"] == generated["metadata"]["name"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_page_shows_the_values_and_rights_of_the_chart() -> None:
    script = REPOSITORY / "charts" / "generate_docs.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_value_is_described() -> None:
    rows = subprocess.run(
        [sys.executable, "-c", _PRINT_ROWS], cwd=REPOSITORY / "charts", capture_output=True, text=True,
        timeout=30, check=True,
    ).stdout.split()  # fmt: skip
    undescribed = [
        leaf
        for leaf in _leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
        if not any(leaf == row or leaf.startswith(f"{row}.") for row in rows)
    ]
    assert undescribed == []


def test_the_schema_knows_the_values_and_no_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema["properties"].pop("global")  # Helm adds it by itself
    assert _schema_keys(schema, schema) == _value_keys(values, schema, schema) | MOVED


def test_the_charts_version_is_the_distributions() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == project["version"]


def test_every_setting_of_the_operator_can_be_set_by_a_value() -> None:
    schema = Settings.model_json_schema(by_alias=False)
    fields = {_camel(name) for name in schema["properties"]}
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert fields == SET_BY_TEMPLATES | set(values["operator"]["settings"])


def test_the_defaults_are_the_operators_own() -> None:
    settings = Settings(**_minimal())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    theirs = settings.model_dump(mode="json", by_alias=True)
    for name, value in values["operator"]["settings"].items():
        assert value == (theirs | _camel_keys(theirs))[name], name
    recorder = theirs["recorder"]
    for name in set(recorder) - RECORDER_SET_BY_TEMPLATES:
        assert values["recorder"][name] == recorder[name], name
    assert values["store"]["folder"] == theirs["store"]["folder"]
    assert {name: values["pages"][name] for name in theirs["pages"]} == theirs["pages"]
    assert values["placement"] == theirs["placement"]


def test_the_networks_closed_to_pages_are_those_that_the_recorder_refuses() -> None:
    blocks = yaml.safe_load((CHART / "files" / "special-networks.yaml").read_text())
    closed = [ip_network(text) for block in blocks.values() for text in block["except"]]
    open_to_pages = [ip_network(block["cidr"]) for block in blocks.values()]
    for special in address_ranges._SPECIAL:
        fenced = any(_within(special.network, network) for network in closed)
        outside = not any(
            special.network.overlaps(network)
            for network in open_to_pages
            if network.version == special.network.version
        )
        assert fenced or outside, special
    for network in closed:
        edges = network.network_address, network.broadcast_address
        assert all(address_ranges.special_range(edge) for edge in edges), network


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


_PRINT_ROWS = (
    "import generate_docs as g; print(*(r[0] for r in g.values_rows((g.CHART / 'values.yaml').read_text())))"
)


def _minimal() -> dict[str, Any]:
    return {"store": {"url": "s3://x"}, "recorder": {"image": "x"}}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def _camel_keys(fields: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): value for name, value in fields.items()}


def _leaves(values: dict[str, Any], prefix: str = "") -> list[str]:
    out = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        out += _leaves(value, f"{path}.") if isinstance(value, dict) and value else [path]
    return out


def _resolved(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["definitions"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part


def _schema_keys(part: dict[str, Any], root: dict[str, Any], prefix: str = "") -> set[str]:
    out = set()
    for key, inner in _resolved(part, root).get("properties", {}).items():
        out |= {f"{prefix}{key}"} | _schema_keys(inner, root, f"{prefix}{key}.")
    return {key for key in out if "resources." not in key}


def _value_keys(
    values: dict[str, Any], part: dict[str, Any], root: dict[str, Any], prefix: str = ""
) -> set[str]:
    out = set()
    for key, value in values.items():
        path = f"{prefix}{key}"
        inner = _resolved(_resolved(part, root).get("properties", {}).get(key, {}), root)
        out.add(path)
        if isinstance(value, dict) and "properties" in inner and key != "resources":
            out |= _value_keys(value, inner, root, f"{path}.")
    return out
