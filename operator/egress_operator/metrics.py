"""What the operator counts, for Prometheus. A registry of its own: two operators in one process don't meet."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from egress_api.states import TERMINAL_STATES, WAITS_FOR_A_PLACE, Reason, State

_PREFIX: Final = "egress_operator"
_WAIT_BUCKETS: Final = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)
_START_BUCKETS: Final = (0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300)


class Metrics:
    """The operator's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = Counter(
            f"{_PREFIX}_reconciles", "Looks at a task.", ["result"], registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            f"{_PREFIX}_reconcile_seconds", "Time for one look at a task.", registry=self.registry
        )
        self.transitions = Counter(
            f"{_PREFIX}_transitions",
            "Changes of a task's state.",
            ["state", "reason"],
            registry=self.registry,
        )
        self.tasks_ended = Counter(
            f"{_PREFIX}_tasks_ended", "Tasks that have ended, by how.", ["state"], registry=self.registry
        )
        for state in TERMINAL_STATES:
            # A rate needs a point before the first one.
            self.tasks_ended.labels(state)
        self.start_seconds = Histogram(
            f"{_PREFIX}_start_seconds",
            "From a task's creation to its PROCESSING.",
            buckets=_START_BUCKETS,
            registry=self.registry,
        )
        self.pods_created = Counter(
            f"{_PREFIX}_pods_created", "Recorder Pods created.", registry=self.registry
        )
        self.live_failures = Counter(
            f"{_PREFIX}_live_failures", "Looks at a recorder's /status that failed.", registry=self.registry
        )
        self.orphans_released = Counter(
            f"{_PREFIX}_orphans_released", "Pods released whose task was gone.", registry=self.registry
        )
        self.tasks = Gauge(
            f"{_PREFIX}_tasks",
            "Tasks at the last resync.",
            # `namespace` is the scraped Pod's own.
            ["task_namespace", "state"],
            registry=self.registry,
        )
        self.tasks_deleted = Counter(
            f"{_PREFIX}_tasks_deleted",
            "Finished tasks deleted: ttl, ceiling (maxFinished), or untold (above twice that, with webhooks that waited).",
            ["reason"],
            registry=self.registry,
        )
        self.resync_seconds = Gauge(
            f"{_PREFIX}_resync_timestamp_seconds", "When the last resync ended.", registry=self.registry
        )
        Info(f"{_PREFIX}_build", "The running version.", registry=self.registry).info(
            {"version": version("egress-operator")}
        )

        self.places_granted = Counter(
            f"{_PREFIX}_places_granted",
            "Tasks whose turn has come, where a limit is set.",
            registry=self.registry,
        )
        self.place_wait_seconds = Histogram(
            f"{_PREFIX}_place_wait_seconds",
            "From a task's creation to its turn, where a limit is set.",
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            f"{_PREFIX}_queue_depth", "Tasks that wait for a worker.", registry=self.registry
        )
        self._queue_oldest = Gauge(
            f"{_PREFIX}_queue_oldest_seconds", "Age of the oldest task in the queue.", registry=self.registry
        )
        self._places_held = Gauge(
            f"{_PREFIX}_places_held",
            "Tasks that have a place, where a limit is set.",
            registry=self.registry,
        )
        self._places_waiting = Gauge(
            f"{_PREFIX}_places_waiting",
            "Tasks that wait for a place, by the limit.",
            ["reason"],
            registry=self.registry,
        )
        self.webhook_tries = Counter(
            f"{_PREFIX}_webhook_tries",
            "Tries to deliver a webhook: delivered, failed or gone (410).",
            ["outcome"],
            registry=self.registry,
        )
        self.webhooks_given_up = Counter(
            f"{_PREFIX}_webhooks_given_up", "Webhooks that nobody took.", registry=self.registry
        )
        self._webhook_oldest = Gauge(
            f"{_PREFIX}_webhook_oldest_seconds",
            "Age of the oldest webhook that waits to be delivered.",
            registry=self.registry,
        )

    # What is read whenever the metrics are. The last to be observed counts: the operator may begin anew.

    def observe_places(
        self, *, held: Callable[[], float], waiting: Callable[[], Mapping[Reason, float]]
    ) -> None:
        """Have the places that are taken, and who waits for which limit, read."""
        self._places_held.set_function(held)
        for reason in sorted(WAITS_FOR_A_PLACE):
            self._places_waiting.labels(reason).set_function(
                lambda reason=reason: waiting().get(reason, 0)  # type: ignore[misc]
            )

    def observe_webhooks(self, *, oldest: Callable[[], float]) -> None:
        """Have the age of the oldest webhook read."""
        self._webhook_oldest.set_function(oldest)

    def observe_queue(self, *, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Have the queue's depth and oldest age read."""
        self._queue_depth.set_function(depth)
        self._queue_oldest.set_function(oldest)

    def set_tasks(self, namespace: str, counts: dict[State, int]) -> None:
        """Set how many tasks of a namespace are in each state."""
        for state in State:
            self.tasks.labels(namespace, state).set(counts.get(state, 0))
