"""An EgressTask as it is read from the API server: the few metadata that we use, spec and status."""

from typing import Any, Self

from pydantic import Field

from egress_api.base import Moment, Tolerant
from egress_api.constants import API_VERSION, KIND
from egress_api.spec import EgressTaskSpec
from egress_api.status import EgressTaskStatus


class Metadata(Tolerant):
    """The part of `metav1.ObjectMeta` that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: Moment
    deletion_timestamp: Moment | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class EgressTask(Tolerant):
    """A task: what was asked for and what became of it."""

    metadata: Metadata
    spec: EgressTaskSpec
    status: EgressTaskStatus = Field(default_factory=EgressTaskStatus)

    @classmethod
    def from_resource(cls, resource: dict[str, Any]) -> Self:
        """Parse a resource as the API server gives it.

        Fields that this version doesn't know are left out: with a newer CRD, every task has them.

        Raises:
            pydantic.ValidationError: when spec or status don't fit this version's models.
        """
        return cls.model_validate(resource, extra="ignore")


def task_resource(
    spec: EgressTaskSpec,
    *,
    name: str,
    namespace: str,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the resource that creates a task.

    What is at its default is left out, and the API server fills it in: a CRD that is older than this version must not
    refuse a task for a field that nobody has asked for.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True),
    }
