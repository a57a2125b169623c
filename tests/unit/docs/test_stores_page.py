"""docs/stores.md says what the tests and the settings do: what is run against what, its values, its options."""

import json
import re
from pathlib import Path

import pytest
import yaml
from obstore.store import from_url

from egress_cluster.settings import CLUSTER_FOLDER
from egress_gateway.links.settings import LinksSettings
from egress_operator.store_settings import StoreSettings
from support.azurite_server import PINNED
from support.charts import CHART, render
from support.store_backends import KINDS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "stores.md").read_text(encoding="utf-8")
VALUES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def rows(heading: str, *, cell: str) -> dict[str, list[str]]:
    """Return the cells of a section's table that begins with this cell, by the first one."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = section.partition(f"| {cell} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[part.strip() for part in line.strip("| ").split("|")] for line in table]
    return {first: rest for first, *rest in cells}


def test_what_is_said_to_be_tried_is_what_the_tests_run_against() -> None:
    told = rows("What was tried against what", cell="`store.url`")
    assert told.keys() == {f"`{kind}://`" for kind in (*KINDS, "file")}
    modules = (CLUSTER_FOLDER / "tools" / "versitygw" / "go.mod").read_text()
    versitygw = re.search(r"github\.com/versity/versitygw (v\S+)", modules)
    assert versitygw is not None
    assert f"versitygw {versitygw[1]}," in told["`s3://`"][0]
    azurite = json.loads((PINNED / "package.json").read_text())["dependencies"]["azurite"]
    assert f"Azurite {azurite}," in told["`az://`"][0]
    assert told["`gs://`"][-1].startswith("Not tried")


def test_the_lock_of_the_emulator_is_of_the_version_that_is_named_and_pins_every_package() -> None:
    lock = json.loads((PINNED / "package-lock.json").read_text())["packages"]
    named = json.loads((PINNED / "package.json").read_text())["dependencies"]
    assert lock[""]["dependencies"] == named
    assert lock["node_modules/azurite"]["version"] == named["azurite"]
    assert all(package["integrity"].startswith("sha512-") for name, package in lock.items() if name)


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_the_values_are_values_of_the_chart(number: int) -> None:
    render(VALUES[number])
    if "url" in VALUES[number].get("store", {}):
        StoreSettings.model_validate(VALUES[number]["store"])


@pytest.mark.parametrize("option", rows("Encryption", cell="`store.options`"))
def test_the_options_for_encryption_are_options_of_obstore(option: str) -> None:
    value = "true" if option.strip("`").endswith("enabled") else "aws:kms"
    from_url("s3://b", config={"region": "x", option.strip("`"): value})  # type: ignore[misc]


def test_the_default_of_links_is_the_charts() -> None:
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    told = VALUES[-1]["gateway"]["links"]["ttlSeconds"]
    assert told == chart["gateway"]["links"]["ttlSeconds"] == LinksSettings().ttl_seconds
