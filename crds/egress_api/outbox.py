"""What stands in a status of the webhooks still to be sent: enough to make the same body again after any crash.

Events are numbered per task from 1. One is put here in the status write that tells of the change itself, and taken
out by a later one, once it is delivered or given up. The bodies are in webhooks.py.
"""

from enum import StrEnum
from typing import Final

from pydantic import Field

from egress_api.base import Moment, PreciseMoment, Tolerant
from egress_api.states import State

MAX_PENDING: Final = 32
"""Events kept in a status while a receiver doesn't take them."""
MAX_EVENT_MESSAGE: Final = 1024


class EventType(StrEnum):
    """What a webhook tells."""

    PROCESSING = "task.processing"
    FILE = "task.file"
    STOPPED = "task.stopped"
    FAILED = "task.failed"
    TIMEOUT = "task.timeout"

    @property
    def final(self) -> bool:
        """True for an event that is the last of its task."""
        return self in END_EVENTS.values()


END_EVENTS: Final = {
    State.STOPPED: EventType.STOPPED,
    State.FAILED: EventType.FAILED,
    State.TIMEOUT: EventType.TIMEOUT,
}


class PendingEvent(Tolerant):
    """An event that has not been delivered yet."""

    sequence: int = Field(description="Its number among the task's events, from 1.", ge=1)
    type: EventType = Field(description="What it tells.")
    at: PreciseMoment = Field(description="When it happened.")
    state: State = Field(description="The task's state then.")
    reason: str = Field("", description="The task's reason then.", max_length=64)
    message: str = Field("", description="The task's message then.", max_length=MAX_EVENT_MESSAGE)
    file: str = Field("", description="With task.file: the name of the file.", max_length=255)
    attempts: int = Field(0, description="Times it was sent, written with nextAttemptAt.", ge=0)
    next_attempt_at: Moment | None = Field(
        None, description="When it is sent again, where that is minutes away or more."
    )


class WebhookStatus(Tolerant):
    """The events of a task, of which the receiver has not taken all yet."""

    sequence: int = Field(0, description="Number of the task's last event.", ge=0)
    pending: list[PendingEvent] = Field(
        default_factory=list,
        description="Events not delivered yet, oldest first; they are sent in this order.",
        max_length=MAX_PENDING,
    )
    given_up: int = Field(
        0,
        description="Events given up: not taken in ten tries or four days, or no body can be made of them any more.",
        ge=0,
    )
    dropped: int = Field(0, description="Events of files left out, since too many were pending.", ge=0)
    message: str = Field(
        "", description="Why events wait, or were given up, as a sentence.", max_length=MAX_EVENT_MESSAGE
    )
