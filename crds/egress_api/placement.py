"""Where a recorder may run: what a task asks for. What of it is granted is the administrator's matter.

Region and zone are words that anybody may use; labels of nodes and taints are for who writes the resource, and then
only those that the operator's settings allow (placement.py of the operator).
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from egress_api.base import Strict, Tolerant
from egress_api.worded import LABEL_WORD, Worded

Region = Annotated[str, LABEL_WORD]
"""Also the text for `{region}`: safe as a folder's name."""
Zone = Annotated[str, LABEL_WORD]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[
    str,
    Worded(
        r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$",
        63,
        "must be the value of a label: at most 63 letters, digits, '_', '.' or '-', with a letter or digit at "
        "both ends",
    ),
]
TaintKey = Annotated[
    str,
    Worded(
        r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
        317,
        "must be the key of a taint, such as dedicated or example.com/media",
    ),
]


class TolerationOperator(StrEnum):
    """How a toleration compares: with its value, or whatever the taint's value is."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does to Pods that don't tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Strict):
    """A taint that the recorder's Pod tolerates; one with an empty key, which tolerates all, can't be asked for."""

    key: TaintKey = Field(description="Key of the taint.")
    operator: TolerationOperator = Field(
        TolerationOperator.EQUAL, description="Equal compares the value; Exists takes any."
    )
    value: LabelValue | None = Field(None, description="Value of the taint; with operator Equal.")
    effect: TaintEffect | None = Field(None, description="Effect of the taint; absent is every effect.")

    @model_validator(mode="after")
    def _value_with_equal_alone(self) -> Self:
        # The same rule stands as CEL in rules.py.
        if self.operator is TolerationOperator.EXISTS and self.value is not None:
            raise ValueError("operator Exists takes no value")
        return self


class Place(Tolerant):
    """The part of a placement that whoever asked for it is told again."""

    region: str | None = None
    zone: str | None = None

    @classmethod
    def of(cls, placement: "Placement | None") -> Self | None:
        """Return it; None where there is nothing to tell."""
        if placement is None or (placement.region is None and placement.zone is None):
            return None
        return cls(region=placement.region, zone=placement.zone)


class Placement(Strict):
    """Where a recorder may run. It narrows what the administrator has set and never widens it."""

    region: Region | None = Field(
        None, description="The region to record in; {region} in names and folders is this one then."
    )
    zone: Zone | None = Field(
        None, description="The zone to record in: topology.kubernetes.io/zone of the node."
    )
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = Field(
        {}, description="Labels that the node must have; only those that the operator allows."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        [], description="Taints that the recorder tolerates; only those that the operator allows."
    )
