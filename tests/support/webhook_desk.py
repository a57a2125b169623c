"""In the reconciler's place beside a webhook sender: holds the statuses that are written, and a clock."""

from datetime import UTC, datetime, timedelta

from egress_api.status import EgressTaskStatus
from egress_operator.keys import TaskKey
from egress_operator.metrics import Metrics
from egress_operator.webhooks.outbox import with_events, with_progress
from egress_operator.webhooks.record import Subject
from egress_operator.webhooks.sender import Sender
from egress_operator.webhooks.settings import WebhookSettings
from support.operator_parts import status
from support.webhook_receiver import until


class Desk:
    """One sender, the statuses of its tasks, and when it rang."""

    def __init__(self, settings: WebhookSettings, *, try_seconds: float = 10) -> None:
        # Receivers check the time of a signature.
        self.now = datetime.now(UTC)
        self.metrics = Metrics()
        self.rung: list[tuple[TaskKey, float]] = []
        self.read: list[str] = []
        """Tasks that were looked at since a sender wanted their statuses."""
        self.subjects: dict[TaskKey, Subject] = {}
        self.settings = settings
        self.try_seconds = try_seconds
        self.sender = self.another()
        self.written: dict[str, EgressTaskStatus] = {}

    def another(self) -> Sender:
        """Return a sender that knows nothing yet, as a restart makes one."""
        return Sender(
            self.settings,
            ring=self.ring,
            metrics=self.metrics,
            clock=lambda: self.now,
            chance=lambda: 0,
            try_seconds=self.try_seconds,
        )

    def ring(self, key: TaskKey, seconds: float) -> None:
        """Bring a status that is asked for."""
        self.rung.append((key, seconds))
        if seconds == 0 and key in self._asked_for:
            self.read.append(key.name)
            self.sender.offer(self.subjects[key], self.written[key.name])

    @property
    def _asked_for(self) -> set[TaskKey]:
        return {key for line in self.sender._lines.values() for key in line.hand._asked}

    @property
    def held(self) -> int:
        return sum(len(line.hand) for line in self.sender._lines.values())

    def subject(self, name: str = "task", app_id: str = "demo") -> Subject:
        return Subject(key=TaskKey("media", name), uid=f"uid-{name}", app_id=app_id, request_id="r1")

    def change(self, name: str, new: EgressTaskStatus, app_id: str = "demo") -> None:
        """Write a new status."""
        old = self.written.get(name)
        if old is not None:
            new = new.model_copy(update={"webhooks": old.webhooks})
        subject = self.subject(name, app_id)
        self.subjects[subject.key] = subject
        endpoint = self.settings.of(app_id)
        assert endpoint is not None
        self.written[name] = with_events(old or status(), new, wanted=endpoint.events, now=self.now)
        self.sender.offer(subject, self.written[name])

    def write(self, name: str = "task") -> EgressTaskStatus:
        """Write how far the sender is."""
        subject = self.subject(name)
        progress = self.sender.progress(subject)
        assert progress is not None
        self.written[name] = with_progress(self.written[name], progress)
        self.sender.offer(subject, self.written[name])
        return self.written[name]

    def later(self, seconds: float, name: str = "task") -> None:
        self.now += timedelta(seconds=seconds)
        self.sender.offer(self.subject(name), self.written[name])

    async def idle(self) -> None:
        """Wait until the sender has nothing to do now."""
        queues = [line.queue for line in self.sender._lines.values()]
        await until("nothing to do", lambda: not any(queue.depth or queue._busy_since for queue in queues))

    def due(self, name: str = "task") -> float | None:
        return self.sender.seconds_to_write(TaskKey("media", name))

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"egress_operator_{name}", labels) or 0.0
