"""Events: what `kubectl describe egt NAME` tells of a task's life beside its status. Pure: one dict for each.

The words are the status's own. A life that goes as asked (ENQUEUED, PROCESSING, STOPPING, STOPPED) has none: its steps
and their times stand in the status, for as long as the task is there, and an Event would repeat them for an hour. Told is
what a later status no longer says, and what somebody should look at.
"""

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from egress_api.base import to_rfc3339
from egress_api.constants import API_VERSION, KIND, MANAGED_BY
from egress_api.states import Reason, State
from egress_api.status import EgressTaskStatus
from egress_api.task import Metadata
from egress_operator.figures import losses

GAP_FOUND: Final = "GapFound"
WEBHOOK_GIVEN_UP: Final = "WebhookGivenUp"
_MAX_NOTE: Final = 1024
_WARNINGS: Final = frozenset({State.FAILED, State.TIMEOUT})


def events_of(
    metadata: Metadata, old: EgressTaskStatus | None, new: EgressTaskStatus, *, now: datetime
) -> list[dict[str, Any]]:
    """Return the Events (events.k8s.io/v1) that tell what has changed; in most lives there are none."""
    events = []
    if worth_an_event(old, new):
        events.append(
            _event(
                metadata,
                kind="Warning" if new.state in _WARNINGS else "Normal",
                reason=new.reason or new.state,
                action=new.state,
                note=f"{new.state}: {new.message}",
                now=now,
            )
        )
    known = {gap.started_at for gap in old.gaps} if old is not None else set()
    found = [gap for gap in losses(new.gaps) if gap.started_at not in known]
    if found:
        sentences = [f"{g.seconds:.1f} s from {to_rfc3339(g.started_at)} ({g.reason})" for g in found]
        note = f"missing in the recording: {', '.join(sentences)}"
        # Its name is its moment: two of one look must differ.
        later = now + timedelta(microseconds=len(events))
        event = _event(metadata, kind="Warning", reason=GAP_FOUND, action=GAP_FOUND, note=note, now=later)
        events.append(event)
    before = old.webhooks.given_up if old is not None and old.webhooks is not None else 0
    if new.webhooks is not None and new.webhooks.given_up > before:
        later = now + timedelta(microseconds=len(events))
        word = WEBHOOK_GIVEN_UP
        event = _event(
            metadata, kind="Warning", reason=word, action=word, note=new.webhooks.message, now=later
        )
        events.append(event)
    return events


def worth_a_line(old: EgressTaskStatus | None, new: EgressTaskStatus) -> bool:
    """Return whether the log is to tell it: a new state, or what is worth an Event."""
    return old is None or old.state is not new.state or worth_an_event(old, new)


def worth_an_event(old: EgressTaskStatus | None, new: EgressTaskStatus) -> bool:
    """Return whether it is told beside the status.

    A bad end, another attempt, a pause or its end, a playlist to be closed.
    """
    if new.state in _WARNINGS:
        return old is None or old.state is not new.state
    if old is None:
        return False
    if new.attempt > old.attempt > 0:
        return True
    if Reason.PAUSED in {old.reason, new.reason} and new.reason in {Reason.PAUSED, Reason.RECORDING}:
        return old.reason != new.reason
    return new.reason == Reason.CLOSING != old.reason


def _event(
    metadata: Metadata, *, kind: str, reason: str, action: str, note: str, now: datetime
) -> dict[str, Any]:
    moment = now.astimezone(UTC)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{int(moment.timestamp() * 1_000_000):x}",
            "namespace": metadata.namespace,
        },
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": kind,
        "reason": reason,
        "action": action,
        "note": note[:_MAX_NOTE],
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
