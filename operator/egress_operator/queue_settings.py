"""How many tasks may record at once, how many may begin in a second, and which go through Kueue: settings.

Part of settings.py, which has the rest and says how they are read. Pure data.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from egress_api.worded import Worded

_QueueName = Annotated[
    str,
    Worded(
        r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$",
        63,
        "must be the name of a LocalQueue (1 to 63 small letters, digits or '-', with a letter or digit at both ends), or "
        "empty for none",
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class AppQueue(_Part):
    """What is different for one app."""

    max_tasks: int | None = Field(None, ge=0)
    max_priority: int | None = Field(None, ge=-1000, le=1000)
    queue_name: _QueueName = ""


class QueueSettings(_Part):
    """Who waits, and for what."""

    max_tasks: int = Field(
        0,
        ge=0,
        description="Tasks that may have a recorder at once; the others wait in ENQUEUED, QueueFull. 0 is no limit.",
    )
    max_tasks_per_app: int = Field(
        0,
        ge=0,
        description="Tasks of one app that may have a recorder at once; the others wait in ENQUEUED, AppLimitReached. "
        "0 is no limit.",
    )
    starts_per_second: float = Field(
        0,
        ge=0,
        description="Tasks that may begin in a second, on average; the others wait in ENQUEUED, StartRateLimited. 0 is no "
        "limit.",
    )
    starts_burst: int = Field(10, ge=1, description="Tasks that may begin at once, after a quiet time.")
    max_priority: int = Field(
        1000,
        ge=-1000,
        le=1000,
        description="Highest priority that counts: a task's that is above it counts as this.",
    )
    queue_name: _QueueName = Field(
        "",
        description="Kueue's LocalQueue for the recorders of tasks that name none; without one, Kueue has nothing to say.",
    )
    apps: dict[str, AppQueue] = Field(
        default_factory=dict,
        description="What is different by app id: {my-app: {maxTasks: 5, maxPriority: 0, queueName: team-a}}; maxTasks 0 is "
        "no limit.",
    )

    @property
    def limited(self) -> bool:
        """Whether any task may ever have to wait."""
        return bool(
            self.max_tasks
            or self.max_tasks_per_app
            or self.starts_per_second
            or any(app.max_tasks for app in self.apps.values())
        )

    def limit_of(self, app_id: str) -> int:
        """Return how many tasks of an app may have a recorder at once; 0 is no limit."""
        own = self.apps.get(app_id)
        return own.max_tasks if own is not None and own.max_tasks is not None else self.max_tasks_per_app

    def priority_of(self, app_id: str, *, asked: int) -> int:
        """Return the priority that counts for an app's task that asks for one."""
        own = self.apps.get(app_id)
        most = own.max_priority if own is not None and own.max_priority is not None else self.max_priority
        return min(asked, most)

    def queue_of(self, app_id: str, *, asked: str | None) -> str:
        """Return the LocalQueue for an app's recorder: the one that its task asks for, the app's, everybody's, or none."""
        own = self.apps.get(app_id)
        return asked or (own.queue_name if own is not None else "") or self.queue_name
