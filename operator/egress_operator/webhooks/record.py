"""What the sender remembers of one task: which events wait, how far it is, and what of that is not written.

No I/O, and no status: where a receiver is dead there are tens of thousands of these, for days. All of it may be lost at
any time: the status says where to go on, and a repeat has the same id and body.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from egress_api.constants import TRACEPARENT_ANNOTATION
from egress_api.outbox import EventType, PendingEvent, WebhookStatus
from egress_api.status import EgressTaskStatus
from egress_api.webhooks import WebhookEvent, event_id
from egress_operator.keys import TaskKey
from egress_operator.webhooks.outbox import Progress

WRITTEN_AFTER_SECONDS: Final = 30.0
"""What is delivered waits this long for a status write that comes anyway, before it gets one of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Whose events they are. Of a task that this version can't read, too."""

    key: TaskKey
    uid: str
    app_id: str
    request_id: str
    traceparent: str = ""
    """The task's annotation, whatever it says."""

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """Return the subject of a task as the API server gives it."""
        meta, spec = raw["metadata"], raw.get("spec") or {}
        return cls(
            key=TaskKey(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            app_id=str(spec.get("appId") or ""),
            request_id=str(spec.get("requestId") or ""),
            traceparent=(meta.get("annotations") or {}).get(TRACEPARENT_ANNOTATION, ""),
        )

    def event_id(self, sequence: int) -> str:
        """Return the id of an event by its number."""
        return event_id(self.uid, sequence)

    def body(self, status: EgressTaskStatus, sequence: int) -> str:
        """Return the body of an event by its number.

        Args:
            status: of the task, as read.
            sequence: the event's.

        Raises:
            ValueError: when the status no longer says enough.
        """
        pending = status.webhooks.pending if status.webhooks is not None else []
        event = next((event for event in pending if event.sequence == sequence), None)
        if event is None:
            raise ValueError("the task's status no longer lists it")
        ids = {"app_id": self.app_id, "task_id": self.key.name, "request_id": self.request_id}
        return WebhookEvent.of(event, status, ids=ids).to_json()


def as_read(status: EgressTaskStatus) -> EgressTaskStatus:
    """Return a status as it comes back from the API server: bodies are made of that, before a restart as after it."""
    return EgressTaskStatus.model_validate(status.model_dump(mode="json", by_alias=True, exclude_none=True))


class Waiting(NamedTuple):
    """What matters of an event while it waits."""

    sequence: int
    type: EventType
    at: datetime
    attempts: int
    """As written."""
    next_attempt_at: datetime | None
    """As written."""

    @classmethod
    def of(cls, event: PendingEvent) -> Self:
        """Return it of an event in an outbox."""
        return cls(event.sequence, event.type, event.at, event.attempts, event.next_attempt_at)

    @property
    def name(self) -> str:
        """How sentences call it."""
        return f"event {self.sequence} ({self.type})"


@dataclass(kw_only=True, slots=True)
class Record:
    """One task's events, and how far they are."""

    subject: Subject
    waiting: tuple[Waiting, ...] = ()
    """The outbox as it is written, oldest first."""
    message: str = ""
    """Why they wait, as it is written."""
    ended: bool = False
    settled: int = 0
    given_up: dict[int, str] = field(default_factory=dict)
    attempts: int = 0
    """Tries of the head."""
    next_at: datetime | None = None
    """When the head is tried again."""
    to_write: datetime | None = None
    """The same, where it is worth writing."""
    problem: str | None = None
    settled_at: datetime | None = None

    def read(self, status: EgressTaskStatus) -> None:
        """Take in what stands in the API server now."""
        webhooks, before = status.webhooks or WebhookStatus(), self.head
        self.waiting = tuple(Waiting.of(event) for event in webhooks.pending)
        self.message, self.ended = webhooks.message, status.state.terminal
        head = self.head
        if head is not None and (before is None or before.sequence != head.sequence):
            # The one before may have been left out for want of room: its tries and its pause were its own.
            self.attempts, self.next_at = head.attempts, head.next_attempt_at
            self.to_write, self.problem = None, None

    @property
    def head(self) -> Waiting | None:
        """The event to be sent next."""
        return next((event for event in self.waiting if event.sequence > self.settled), None)

    @property
    def blocked(self) -> bool:
        """Whether an event was given up and this isn't written: the next would come before a repeat of that one."""
        return any(event.sequence in self.given_up for event in self.waiting)

    # What becomes of the head.

    def settle(self, event: Waiting, *, now: datetime, given_up: str = "") -> None:
        """Go on to the next event; say why, where nobody took this one."""
        if given_up:
            self.given_up[event.sequence] = given_up
        self.settled, self.settled_at = event.sequence, now
        self.attempts, self.next_at, self.to_write, self.problem = 0, None, None, None

    def wait(self, *, until: datetime, problem: str, write: bool) -> None:
        """Try the head again later."""
        self.attempts += 1
        self.next_at = until
        self.to_write, self.problem = (until, problem) if write else (None, None)

    # What of it is to be written.

    def progress(self) -> Progress:
        """Return how far it is."""
        return Progress(
            settled=self.settled,
            given_up=dict(self.given_up),
            attempts=self.attempts,
            next_attempt_at=self.to_write,
            problem=self.problem,
        )

    def seconds_to_write(self, now: datetime) -> float | None:
        """Return in how many seconds the status should say how far it is; None when it does."""
        head = self.head
        if self.blocked:
            return 0.0
        if head is not None and self.to_write is not None and head.attempts != self.attempts:
            return 0.0
        if head is not None and self.problem is not None and self.message != self.problem:
            return 0.0
        if not self.waiting or self.waiting[0].sequence > self.settled or self.settled_at is None:
            return None
        if head is None and self.ended:
            return 0.0
        age = (now - self.settled_at).total_seconds()
        return max(WRITTEN_AFTER_SECONDS - age, 0.0)
