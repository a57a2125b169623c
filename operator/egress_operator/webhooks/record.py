"""What the sender remembers of one task: its outbox as last written, how far it is, and what of that is not written.

No I/O. All of it may be lost at any time: the status says where to go on, and a repeat has the same id and body.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from egress_api.outbox import PendingEvent, WebhookStatus
from egress_api.status import EgressTaskStatus
from egress_api.webhooks import WebhookEvent, event_id
from egress_operator.keys import TaskKey
from egress_operator.webhooks.outbox import Progress

WRITTEN_AFTER_SECONDS: Final = 30.0
"""What is delivered waits this long for a status write that comes anyway, before it gets one of its own."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose events they are. Of a task that this version can't read, too."""

    key: TaskKey
    uid: str
    app_id: str
    request_id: str

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """Return the subject of a task as the API server gives it."""
        meta, spec = raw["metadata"], raw.get("spec") or {}
        return cls(
            key=TaskKey(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            app_id=str(spec.get("appId") or ""),
            request_id=str(spec.get("requestId") or ""),
        )


def as_read(status: EgressTaskStatus) -> EgressTaskStatus:
    """Return a status as it comes back from the API server: bodies are made of that, before a restart as after it."""
    return EgressTaskStatus.model_validate(status.model_dump(mode="json", by_alias=True, exclude_none=True))


@dataclass(kw_only=True)
class Record:
    """One task's events, and how far they are."""

    subject: Subject
    status: EgressTaskStatus
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

    def __post_init__(self) -> None:
        head = self.head
        if head is not None:
            self.attempts, self.next_at = head.attempts, head.next_attempt_at

    @property
    def webhooks(self) -> WebhookStatus:
        """The outbox as it is written."""
        return self.status.webhooks or WebhookStatus()

    @property
    def head(self) -> PendingEvent | None:
        """The event to be sent next."""
        return next((event for event in self.webhooks.pending if event.sequence > self.settled), None)

    @property
    def blocked(self) -> bool:
        """Whether an event was given up and this isn't written: the next would come before a repeat of that one."""
        return any(event.sequence in self.given_up for event in self.webhooks.pending)

    def event_id(self, event: PendingEvent) -> str:
        """Return an event's id."""
        return event_id(self.subject.uid, event.sequence)

    def body(self, event: PendingEvent) -> str:
        """Return an event's body.

        Raises:
            ValueError: when the status no longer says enough.
        """
        subject = self.subject
        ids = {"app_id": subject.app_id, "task_id": subject.key.name, "request_id": subject.request_id}
        return WebhookEvent.of(event, self.status, ids=ids).to_json()

    # What becomes of the head.

    def settle(self, event: PendingEvent, *, now: datetime, given_up: str = "") -> None:
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
        webhooks, head = self.webhooks, self.head
        if self.blocked:
            return 0.0
        if head is not None and self.to_write is not None and head.attempts != self.attempts:
            return 0.0
        if head is not None and self.problem is not None and webhooks.message != self.problem:
            return 0.0
        if not webhooks.pending or webhooks.pending[0].sequence > self.settled or self.settled_at is None:
            return None
        if head is None and self.status.state.terminal:
            return 0.0
        age = (now - self.settled_at).total_seconds()
        return max(WRITTEN_AFTER_SECONDS - age, 0.0)
