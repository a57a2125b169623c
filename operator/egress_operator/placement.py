"""Where a recorder's Pod may run: what the administrator has set, narrowed by what the task asks for. Pure.

In: a task's `spec.placement`, the settings. Out: the Pod's node selector and tolerations, the region for names and
folders, or a sentence that says what is not allowed. One rule holds everything: a task chooses among the places that
the administrator has opened, and gets to no node that is not meant for it. Refusing is for decide.py, before the
first attempt; a task that was accepted is not refused later, its next attempt goes where the settings of then say.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field

from egress_api.base import Strict
from egress_api.placement import Placement, Region
from egress_api.states import Reason

REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
NO_PLACEMENT: Final = Placement()


class RegionSettings(Strict):
    """The nodes of a region."""

    node_selector: dict[str, str] = Field(
        default_factory=dict,
        description=f"Labels of its nodes; empty is {REGION_LABEL} with the region's name.",
    )
    tolerations: list[dict[str, Any]] = Field(
        default_factory=list, description="Taints that recorders in this region tolerate."
    )


class PlacementSettings(Strict):
    """What tasks may ask for in spec.placement."""

    regions: dict[Region, RegionSettings] = Field(
        default_factory=dict,
        description="Regions that tasks may ask for, by name: {nodeSelector, tolerations} of their nodes. Empty: any, as "
        f"the label {REGION_LABEL}.",
    )
    allowed_node_labels: list[str] = Field(
        default_factory=list,
        description="Keys of node labels that spec.placement.nodeSelector may ask for.",
    )
    allowed_taints: list[str] = Field(
        default_factory=list, description="Keys of taints that spec.placement.tolerations may tolerate."
    )


def region_of(placement: Placement | None, *, default: str) -> str:
    """Return what `{region}` stands for: the task's own region, else the operator's."""
    return (placement.region if placement else None) or default


def refused(
    placement: Placement | None, *, rules: PlacementSettings, recorders: Mapping[str, str]
) -> tuple[Reason, str] | None:
    """Return why a task may not run where it asks to; None when it may.

    Args:
        placement: what is asked for.
        rules: what may be asked for.
        recorders: the node selector of all recorders, which always holds.
    """
    sentence = next(_faults(placement or NO_PLACEMENT, rules, recorders), None)
    return None if sentence is None else (Reason.PLACEMENT_NOT_ALLOWED, sentence)


def node_selector(
    placement: Placement | None, *, rules: PlacementSettings, recorders: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels that the node must have; the administrator's win."""
    asked = {key: value for _, key, value in _asked(placement or NO_PLACEMENT, rules)}
    return {**asked, **_held(placement or NO_PLACEMENT, rules, recorders)}


def tolerations(
    placement: Placement | None, *, rules: PlacementSettings, recorders: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the taints to tolerate: those of all recorders, the region's, and those that the task asks for."""
    asked = placement or NO_PLACEMENT
    region = _region(asked, rules)
    own = [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in asked.tolerations]
    return [*recorders, *(region.tolerations if region else ()), *own]


def _faults(placement: Placement, rules: PlacementSettings, recorders: Mapping[str, str]) -> Iterator[str]:
    if placement.region is not None and rules.regions and placement.region not in rules.regions:
        known = ", ".join(sorted(rules.regions))
        yield f"nothing is recorded in region {placement.region} here; the regions are {known} (placement.regions)"
    for key in placement.node_selector:
        if key not in rules.allowed_node_labels:
            yield (
                f"spec.placement.nodeSelector asks for the node label {key}, which tasks may not choose here: leave "
                "it out, or have it added to the operator's placement.allowedNodeLabels"
            )
    for toleration in placement.tolerations:
        if toleration.key not in rules.allowed_taints:
            yield (
                f"spec.placement.tolerations names the taint {toleration.key}, which tasks may not tolerate here: "
                "leave it out, or have it added to the operator's placement.allowedTaints"
            )
    held = {**_held(placement, rules, recorders)}
    for field, key, value in _asked(placement, rules):
        if held.setdefault(key, value) != value:
            yield (
                f"spec.placement.{field} asks for nodes with {key}={value}, but this recording may run on those with "
                f"{key}={held[key]} alone"
            )


def _asked(placement: Placement, rules: PlacementSettings) -> Iterator[tuple[str, str, str]]:
    """Yield the field, the label's key and its value of everything that only the task asks for."""
    for key, value in placement.node_selector.items():
        yield "nodeSelector", key, value
    if placement.zone is not None:
        yield "zone", ZONE_LABEL, placement.zone
    region = _region(placement, rules)
    if placement.region is not None and (region is None or not region.node_selector):
        yield "region", REGION_LABEL, placement.region


def _held(placement: Placement, rules: PlacementSettings, recorders: Mapping[str, str]) -> dict[str, str]:
    # A region's labels are the administrator's as well, and say more than those for all recorders.
    region = _region(placement, rules)
    return {**recorders, **(region.node_selector if region else {})}


def _region(placement: Placement, rules: PlacementSettings) -> RegionSettings | None:
    return rules.regions.get(placement.region) if placement.region is not None else None
