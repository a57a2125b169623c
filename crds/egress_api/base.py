"""The two kinds of model: ours to write (strict), and ours to read (tolerant of what a later version adds)."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def to_rfc3339(moment: datetime) -> str:
    """Write a moment as Kubernetes does: UTC, whole seconds, a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_rfc3339_millis(moment: datetime) -> str:
    """Write a moment in UTC with milliseconds, for what is finer than a status field."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


Moment = Annotated[AwareDatetime, PlainSerializer(to_rfc3339, return_type=str, when_used="json")]
"""A point in time, whole seconds: `metav1.Time`."""

PreciseMoment = Annotated[
    AwareDatetime, PlainSerializer(to_rfc3339_millis, return_type=str, when_used="json")
]
"""A point in time, milliseconds."""


class Strict(BaseModel):
    """A frozen camelCase model in which an unknown field is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Tolerant(BaseModel):
    """A frozen camelCase model that ignores what it doesn't know: a newer writer must not stop a reader."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")
