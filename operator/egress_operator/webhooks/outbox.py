"""The outbox in a task's status: events go in with the change that they tell of, and out once they are settled. Pure.

In: a status as it was and as it will be, or how far the sender is. Out: the status with its outbox brought up to
date. A status is written whole or not at all, so no change is without its event and no event without its change.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from egress_api.outbox import (
    END_EVENTS,
    MAX_EVENT_MESSAGE,
    MAX_PENDING,
    EventType,
    PendingEvent,
    WebhookStatus,
)
from egress_api.states import State
from egress_api.status import EgressTaskStatus
from egress_operator.webhooks.schedule import LONGEST_SECONDS


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the sender is with a task's events."""

    settled: int = 0
    """Events up to this number are delivered or given up."""
    given_up: Mapping[int, str] = field(default_factory=dict)
    """Of these, the ones that nobody took, each with a sentence."""
    attempts: int = 0
    """Tries of the first event that is left."""
    next_attempt_at: datetime | None = None
    """When it is tried again, where that is worth writing."""
    problem: str | None = None
    """Why it waits; None where nothing has been found out."""


def with_events(
    old: EgressTaskStatus | None, new: EgressTaskStatus, *, wanted: Collection[EventType], now: datetime
) -> EgressTaskStatus:
    """Return `new` with an event for each change from `old` that the receiver wants to hear of."""
    happened = [(kind, name) for kind, name in _changes(old, new) if kind in wanted]
    if not happened:
        return new
    before = new.webhooks or WebhookStatus()
    added = [
        PendingEvent(
            sequence=before.sequence + number,
            type=kind,
            at=now,
            state=new.state,
            reason=new.reason,
            message=new.message[:MAX_EVENT_MESSAGE],
            file=name,
        )
        for number, (kind, name) in enumerate(happened, start=1)
    ]
    pending = [*before.pending, *added]
    kept = _bounded(pending)
    webhooks = before.model_copy(
        update={
            "sequence": before.sequence + len(added),
            "pending": kept,
            "dropped": before.dropped + len(pending) - len(kept),
        }
    )
    return new.model_copy(update={"webhooks": webhooks})


def _changes(old: EgressTaskStatus | None, new: EgressTaskStatus) -> list[tuple[EventType, str]]:
    before = old or EgressTaskStatus()
    found: list[tuple[EventType, str]] = []
    if new.state is State.PROCESSING is not before.state:
        found.append((EventType.PROCESSING, ""))
    known = {file.name for file in before.files}
    found += [(EventType.FILE, file.name) for file in new.files if file.name not in known]
    if new.state.terminal and not before.state.terminal:
        found.append((END_EVENTS[new.state], ""))
    return found


def _bounded(pending: list[PendingEvent]) -> list[PendingEvent]:
    # At most one event of a task says PROCESSING and one how it ended: files alone can be too many.
    too_many = len(pending) - MAX_PENDING
    kept = []
    for event in pending:
        if too_many > 0 and event.type is EventType.FILE:
            too_many -= 1
        else:
            kept.append(event)
    return kept


def with_progress(status: EgressTaskStatus, progress: Progress) -> EgressTaskStatus:
    """Return the status without the events that are settled, and with when the first of the others is tried again."""
    webhooks = status.webhooks
    if webhooks is None:
        return status
    done = [event for event in webhooks.pending if event.sequence <= progress.settled]
    left = [event for event in webhooks.pending if event.sequence > progress.settled]
    refused = [progress.given_up[event.sequence] for event in done if event.sequence in progress.given_up]
    message = webhooks.message
    if done:
        message = refused[-1] if refused else ""
    if left and progress.problem is not None:
        message = progress.problem
    if left and progress.next_attempt_at is not None:
        retry = {"attempts": progress.attempts, "next_attempt_at": progress.next_attempt_at}
        left[0] = left[0].model_copy(update=retry)
    changed = webhooks.model_copy(
        update={
            "pending": left,
            "given_up": webhooks.given_up + len(refused),
            "message": message[:MAX_EVENT_MESSAGE],
        }
    )
    return status.model_copy(update={"webhooks": changed})


def owed(*, pending: bool, configured: bool, stopped_at: datetime | None, now: datetime) -> bool:
    """Return whether a finished task must stay, for its receiver has not heard of it yet and still may.

    Args:
        pending: whether its outbox holds events.
        configured: whether its app has a receiver.
        stopped_at: when it ended.
        now: the clock.
    """
    if not (pending and configured) or stopped_at is None:
        return False
    return now - stopped_at <= timedelta(seconds=LONGEST_SECONDS)
