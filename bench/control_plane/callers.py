"""Whose calls the API server counts apart, and how: it has no metric by caller, but one by flow schema.

In: nothing. Out: the FlowSchemas to create; their names begin with `COUNTED`, then come the caller and what it calls. Pure.
"""

from dataclasses import dataclass
from typing import Any

from egress_api.constants import PLURAL

PROGRAMS = "bench-programs"
"""Namespace of the service accounts that gateway and operator run under."""
COUNTED = "bench."
_READS = ["get", "list", "watch"]
_WRITES = ["create", "update", "patch", "delete", "deletecollection"]


@dataclass(frozen=True, kw_only=True)
class _Caller:
    """Whose calls are counted: a service account."""

    name: str
    namespace: str
    level: str
    """The priority level that it has by default."""
    writes: tuple[str, ...]
    """The resources that it writes."""


_CALLERS = (
    _Caller(name="operator", namespace=PROGRAMS, level="workload-low", writes=(PLURAL, "pods", "events")),
    _Caller(name="gateway", namespace=PROGRAMS, level="workload-low", writes=(PLURAL, "secrets")),
    _Caller(
        name="job-controller",
        namespace="kube-system",
        level="workload-high",
        writes=("jobs", "pods", "events"),
    ),
)


def flow_schemas() -> list[dict[str, Any]]:
    """Return the FlowSchemas by which the API server counts: its own metrics don't tell callers apart.

    Each caller stays at the priority level that it has without them.
    """
    return [
        _flow_schema(caller, what, verbs=verbs, resources=resources, precedence=precedence)
        for caller in _CALLERS
        for what, verbs, resources, precedence in (
            *((resource, _WRITES, [resource, f"{resource}/status"], 500) for resource in caller.writes),
            ("reads", _READS, ["*"], 600),
            ("others", ["*"], ["*"], 700),
        )
    ]


def _flow_schema(
    caller: _Caller, what: str, *, verbs: list[str], resources: list[str], precedence: int
) -> dict[str, Any]:
    account = {
        "kind": "ServiceAccount",
        "serviceAccount": {"namespace": caller.namespace, "name": caller.name},
    }
    rule = {
        "verbs": verbs,
        "apiGroups": ["*"],
        "resources": resources,
        "namespaces": ["*"],
        "clusterScope": True,
    }
    return {
        "metadata": {"name": f"{COUNTED}{caller.name}.{what}"},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": caller.level},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [account], "resourceRules": [rule]}],
        },
    }
