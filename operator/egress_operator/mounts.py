"""Why a Pod's volumes can't be mounted, or its sandbox not be made: only the kubelet's Events say so, never its status.

Reading Events needs no right on Secrets at all: the operator can say which one is missing without being
able to read any. Pure: Events in, `Blocked` out.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from egress_api.states import Reason
from egress_operator.pod_state import Blocked

FAILED_MOUNT: Final = "FailedMount"
FAILED_ATTACH: Final = "FailedAttachVolume"
FAILED_SANDBOX: Final = "FailedCreatePodSandBox"
"""Also where a node's runtime has no user namespaces (hostUsers: false) or no such runtime class."""
_NO_SECRET: Final = re.compile(r'secret "([^"]+)" not found')
_NO_KEY: Final = re.compile(r"references non-existent secret key: (\S+)")


def mount_problem(events: Iterable[dict[str, Any]]) -> Blocked | None:
    """Return what the latest of these Events says, or None when there is none.

    Args:
        events: of one Pod, all of them, in any order.
    """
    events = list(events)
    sandbox = sorted((e for e in events if e.get("reason") == FAILED_SANDBOX), key=_moment)
    if sandbox:
        return Blocked(
            reason=Reason.CONFIG_ERROR, message=f"the Pod can't be set up on its node: {_text(sandbox[-1])}"
        )
    found = sorted((e for e in events if e.get("reason") == FAILED_MOUNT), key=_moment)
    # The kubelet also says "timed out waiting for the condition", which explains nothing.
    for event in reversed(found):
        text = _text(event)
        secret, key = _NO_SECRET.search(text), _NO_KEY.search(text)
        if secret is not None:
            message = f"Secret {secret.group(1)} does not exist in the task's namespace"
            return Blocked(reason=Reason.SECRET_MISSING, message=message)
        if key is not None:
            message = f"the Secret has no key {key.group(1)}"
            return Blocked(reason=Reason.SECRET_MISSING, message=message)
    # What isn't attached can't be mounted, which the kubelet then says, too.
    attach = sorted((e for e in events if e.get("reason") == FAILED_ATTACH), key=_moment)
    if attach:
        message = f"a volume can't be attached to the node: {_text(attach[-1])}"
        return Blocked(reason=Reason.CONFIG_ERROR, message=message)
    if not found:
        return None
    return Blocked(reason=Reason.CONFIG_ERROR, message=f"a volume can't be mounted: {_text(found[-1])}")


def _text(event: dict[str, Any]) -> str:
    return event.get("message") or event.get("note") or "no reason given"


def _moment(event: dict[str, Any]) -> str:
    series = event.get("series") or {}
    return (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("metadata", {}).get("creationTimestamp")
        or ""
    )
