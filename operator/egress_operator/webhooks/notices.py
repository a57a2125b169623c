"""What the reconciler sees of webhooks: three calls around a status write, none of which waits for anything.

`updated` before it, `written` after it or when there was nothing to write, `gone` when the task is no more.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from egress_api.status import EgressTaskStatus
from egress_operator.draft import status_patch
from egress_operator.keys import TaskKey
from egress_operator.webhooks.outbox import with_events, with_progress
from egress_operator.webhooks.record import Subject
from egress_operator.webhooks.sender import Sender
from egress_operator.webhooks.settings import WebhookSettings

logger = structlog.get_logger(__name__)


class Notices:
    """Notes events in statuses, and has them sent."""

    def __init__(self, settings: WebhookSettings, *, sender: Sender, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._sender = sender
        self._clock = clock

    def updated(
        self, raw: dict[str, Any], old: EgressTaskStatus | None, new: EgressTaskStatus
    ) -> EgressTaskStatus:
        """Return `new` with the events of what has changed, and without those that are delivered.

        Args:
            raw: the task.
            old: its status as read.
            new: its status as decided.
        """
        subject = Subject.of(raw)
        endpoint = self._settings.of(subject.app_id)
        if endpoint is None:
            return new
        new = with_events(old, new, wanted=endpoint.events, now=self._clock())
        progress = self._sender.progress(subject)
        # What is delivered alone is no reason to write, until it has waited for a while.
        due = self._sender.seconds_to_write(subject.key) == 0
        if progress is None or not (due or status_patch(old, new)):
            return new
        return with_progress(new, progress)

    def written(
        self, raw: dict[str, Any], status: EgressTaskStatus, *, answer: dict[str, Any] | None
    ) -> None:
        """Have sent what stands in a task's status now.

        Args:
            raw: the task.
            status: as decided.
            answer: the API server's to the write; None where there was nothing to write.
        """
        kept = answer is None or "webhooks" in (answer.get("status") or {})
        if status.webhooks is not None and not kept:
            # Numbers would begin anew with each look: one id for several events.
            logger.error(
                "Webhooks are not sent: the EgressTask definition is older than the operator, and keeps no outbox. "
                "Apply crds/egresstasks.yaml",
                task=raw["metadata"]["name"],
            )
            return
        self._sender.offer(Subject.of(raw), status)

    def gone(self, key: TaskKey) -> None:
        """Forget a task that is no more."""
        self._sender.drop(key)

    def look_again(self, key: TaskKey, otherwise: float | None) -> float | None:
        """Return in how many seconds to look at a task again, with what the operator itself waits for."""
        waits = [
            seconds for seconds in (self._sender.seconds_to_write(key), otherwise) if seconds is not None
        ]
        return min(waits, default=None)
