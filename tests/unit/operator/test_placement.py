"""Where a recorder may run: what the administrator opens, and what a task may choose of it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from egress_api.placement import Place, Placement
from egress_api.recorder import RecorderConfig
from egress_api.states import Reason
from egress_operator.placement import PlacementSettings, node_selector, refused, region_of, tolerations
from egress_operator.pods import build_pod, recorder_config, store_folder
from egress_operator.settings import Settings
from support.operator_parts import SETTINGS, task

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
MEDIA = {"key": "media", "operator": "Exists"}
REGIONS: dict[str, Any] = {
    "regions": {"eu": {"nodeSelector": {"pool": "eu"}, "tolerations": [MEDIA]}, "us": {}},
}
OPEN: dict[str, Any] = {"allowedNodeLabels": ["disk", "pool"], "allowedTaints": ["dedicated"]}
NODES = {"kind": "media"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked for under which rules, and what comes of it."""

    what: str
    asked: dict[str, Any] | None
    rules: dict[str, Any] = field(default_factory=dict)
    recorders: dict[str, str] = field(default_factory=lambda: NODES)
    selector: dict[str, str] = field(default_factory=dict)
    """Beside `NODES`; of a task that is refused, what it would keep to if it had been accepted before."""
    says: str | None = None
    """A part of the refusal."""


CASES = [
    Case(what="nothing", asked=None),
    Case(what="nothing in many words", asked={}),
    Case(what="a region", asked={"region": "eu"}, selector={REGION: "eu"}),
    Case(what="a zone", asked={"zone": "eu-1a"}, selector={ZONE: "eu-1a"}),
    Case(
        what="both", asked={"region": "eu", "zone": "eu-1a"}, selector={REGION: "eu", ZONE: "eu-1a"}
    ),
    Case(what="a region with labels of its own", asked={"region": "eu"}, rules=REGIONS, selector={"pool": "eu"}),
    Case(what="a named region without labels", asked={"region": "us"}, rules=REGIONS, selector={REGION: "us"}),
    Case(
        what="a region that is not named",
        asked={"region": "mars"},
        rules=REGIONS,
        selector={REGION: "mars"},
        says="nothing is recorded in region mars here; the regions are eu, us (placement.regions)",
    ),
    Case(what="no region where regions are named", asked={"zone": "a"}, rules=REGIONS, selector={ZONE: "a"}),
    Case(what="an allowed label", asked={"nodeSelector": {"disk": "ssd"}}, rules=OPEN, selector={"disk": "ssd"}),
    Case(
        what="a label that is not allowed",
        asked={"nodeSelector": {"kubernetes.io/hostname": "db-1"}},
        rules=OPEN,
        selector={"kubernetes.io/hostname": "db-1"},
        says="asks for the node label kubernetes.io/hostname, which tasks may not choose here",
    ),
    Case(
        what="a label where none is allowed",
        asked={"nodeSelector": {"disk": "ssd"}},
        selector={"disk": "ssd"},
        says="added to the operator's placement.allowedNodeLabels",
    ),
    Case(
        what="a zone as a label that is not allowed",
        asked={"nodeSelector": {ZONE: "a"}},
        selector={ZONE: "a"},
        says=f"asks for the node label {ZONE}",
    ),
    Case(
        what="an allowed taint",
        asked={"tolerations": [{"key": "dedicated", "value": "media", "effect": "NoSchedule"}]},
        rules=OPEN,
    ),
    Case(
        what="a taint that is not allowed",
        asked={"tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
        rules=OPEN,
        says="names the taint node-role.kubernetes.io/control-plane, which tasks may not tolerate here",
    ),
    Case(
        what="an allowed label with another value than all recorders have",
        asked={"nodeSelector": {"pool": "gpu"}},
        rules=OPEN,
        recorders={**NODES, "pool": "media"},
        selector={"pool": "media"},
        says="spec.placement.nodeSelector asks for nodes with pool=gpu, but this recording may run on those with "
        "pool=media alone",
    ),
    Case(
        what="an allowed label with the value that all recorders have",
        asked={"nodeSelector": {"pool": "media"}},
        rules=OPEN,
        recorders={**NODES, "pool": "media"},
        selector={"pool": "media"},
    ),
    Case(
        what="an allowed label with another value than its region has",
        asked={"region": "eu", "nodeSelector": {"pool": "us"}},
        rules={**REGIONS, **OPEN},
        selector={"pool": "eu"},
        says="asks for nodes with pool=us",
    ),
    Case(
        what="another zone than that of all recorders",
        asked={"zone": "b"},
        recorders={**NODES, ZONE: "a"},
        selector={ZONE: "a"},
        says=f"spec.placement.zone asks for nodes with {ZONE}=b",
    ),
    Case(
        what="a zone and a label that contradict each other",
        asked={"zone": "b", "nodeSelector": {ZONE: "a"}},
        rules={"allowedNodeLabels": [ZONE]},
        selector={ZONE: "b"},
        says=f"spec.placement.zone asks for nodes with {ZONE}=b",
    ),
    Case(
        what="a region with another label than all recorders have: the region's holds",
        asked={"region": "eu"},
        rules=REGIONS,
        recorders={**NODES, "pool": "media"},
        selector={"pool": "eu"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_task_chooses_among_what_is_opened(case: Case) -> None:
    asked = None if case.asked is None else Placement.model_validate(case.asked)
    rules = PlacementSettings.model_validate(case.rules)

    refusal = refused(asked, rules=rules, recorders=case.recorders)
    assert node_selector(asked, rules=rules, recorders=case.recorders) == {**NODES, **case.selector}
    if case.says is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal[0] is Reason.PLACEMENT_NOT_ALLOWED
        assert case.says in refusal[1]


def test_what_the_administrator_has_set_always_holds() -> None:
    for case in CASES:
        asked = None if case.asked is None else Placement.model_validate(case.asked)
        rules = PlacementSettings.model_validate({**case.rules, "regions": {}})
        chosen = node_selector(asked, rules=rules, recorders=case.recorders)
        assert chosen.items() >= case.recorders.items(), case.what


def test_tolerations_add_up_in_the_order_of_who_asks() -> None:
    asked = Placement.model_validate(
        {"region": "eu", "tolerations": [{"key": "dedicated", "value": "media", "effect": "NoSchedule"}]}
    )
    rules = PlacementSettings.model_validate({**REGIONS, **OPEN})
    first = {"key": "first", "operator": "Exists"}

    assert tolerations(asked, rules=rules, recorders=[first]) == [
        first,
        MEDIA,
        {"key": "dedicated", "operator": "Equal", "value": "media", "effect": "NoSchedule"},
    ]


def test_the_tasks_region_comes_before_the_operators() -> None:
    assert region_of(None, default="local") == "local"
    assert region_of(Placement(zone="a"), default="local") == "local"
    assert region_of(Placement(region="eu"), default="local") == "eu"


def _settings(**changes: Any) -> Settings:
    return Settings(
        **{**SETTINGS.model_dump(), "region": "local", "placement": {**REGIONS, **OPEN}, **changes}
    )


def test_a_pods_place_is_the_tasks_beside_that_of_all_recorders() -> None:
    recorder = {**SETTINGS.recorder.model_dump(), "node_selector": NODES, "tolerations": [{"key": "all"}]}
    asked = task(placement={"region": "eu", "zone": "a", "node_selector": {"disk": "ssd"},
                            "tolerations": [{"key": "dedicated", "operator": "Exists"}]})  # fmt: skip
    placed, plain = (
        build_pod(one, attempt=1, settings=_settings(recorder=recorder))["spec"] for one in (asked, task())
    )

    assert placed["nodeSelector"] == {"kind": "media", "pool": "eu", ZONE: "a", "disk": "ssd"}
    assert placed["tolerations"] == [
        *plain["tolerations"],
        MEDIA,
        {"key": "dedicated", "operator": "Exists"},
    ]
    assert {key for key in placed if placed[key] != plain[key]} == {
        "nodeSelector",
        "tolerations",
        "containers",
    }
    told, plainly = (
        RecorderConfig.model_validate_json(spec["containers"][0]["env"][0]["value"])
        for spec in (placed, plain)
    )
    assert told.placement == Place(region="eu", zone="a")
    assert told.model_copy(update={"placement": None, "store": plainly.store}) == plainly


def test_region_stands_in_the_name_and_in_the_folder() -> None:
    store = {**SETTINGS.store.model_dump(), "folder": "{region}/{task_id}"}
    settings = _settings(store=store)
    asked = task(placement={"region": "eu"}, filename_pattern="{region}_{channel}")
    config = recorder_config(asked, attempt=1, settings=settings)

    assert config.output_name == "eu_room"
    assert config.store.url == store_folder(asked, settings) == "s3://recordings/eu/task/"
    assert store_folder(task(), settings) == "s3://recordings/local/task/"
