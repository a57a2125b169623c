"""Events: what `kubectl describe egt NAME` tells of a task's life. Pure: one dict per change of state.

The words are the status's own: an Event says nothing that the status didn't.
"""

import os
import socket
from datetime import UTC, datetime
from typing import Any, Final

from egress_api.constants import API_VERSION, KIND, MANAGED_BY
from egress_api.states import State
from egress_api.status import EgressTaskStatus
from egress_api.task import Metadata

_MAX_NOTE: Final = 1024
_WARNINGS: Final = frozenset({State.FAILED, State.TIMEOUT})


def worth_an_event(old: EgressTaskStatus | None, new: EgressTaskStatus) -> bool:
    """Return whether a user should be told: a new state, or a new attempt."""
    return old is None or old.state is not new.state or (new.attempt > old.attempt > 0)


def build_event(metadata: Metadata, status: EgressTaskStatus, *, now: datetime) -> dict[str, Any]:
    """Return the Event (events.k8s.io/v1) that tells of a task's new state."""
    moment = now.astimezone(UTC)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{int(moment.timestamp() * 1_000_000):x}",
            "namespace": metadata.namespace,
        },
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if status.state in _WARNINGS else "Normal",
        "reason": status.reason or status.state,
        "action": status.state,
        "note": f"{status.state}: {status.message}"[:_MAX_NOTE],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
        "reportingController": MANAGED_BY,
        "reportingInstance": os.environ.get("HOSTNAME") or socket.gethostname(),
    }
