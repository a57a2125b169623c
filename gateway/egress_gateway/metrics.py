"""What Prometheus may read: requests by route, the cache, the build. No label has more than a handful of values."""

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Dense around 50 ms, the bound for a start."""


class Metrics:
    """The metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "egress_gateway_requests",
            "Requests answered.",
            ("method", "route", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "egress_gateway_request_duration_seconds",
            "From a request's head to its answer, less what the caller has asked to wait.",
            ("method", "route", "code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.cache_tasks = Gauge(
            "egress_gateway_cache_tasks", "Tasks in the watch cache.", registry=self.registry
        )
        self.cache_fresh = Gauge(
            "egress_gateway_cache_fresh",
            "1 while status calls are answered from the watch cache.",
            registry=self.registry,
        )
        self.watch_failures = Counter(
            "egress_gateway_watch_failures", "Times the watch on tasks broke.", registry=self.registry
        )
        self.replays = Counter(
            "egress_gateway_replayed_starts",
            "Starts that were answered with a task that existed.",
            registry=self.registry,
        )
        self.page_checks = Counter(
            "egress_gateway_page_checks",
            "Pages that were asked for: allowed, refused, or of a name that can't be resolved here.",
            ("outcome",),
            registry=self.registry,
        )
        self.auth_checks = Counter(
            "egress_gateway_auth_checks",
            "Callers who were asked who they are: allowed, forbidden, unauthenticated, or undecided.",
            ("outcome",),
            registry=self.registry,
        )
        self.rate_limited = Counter(
            "egress_gateway_rate_limited",
            "Requests refused because their app calls too often: starts, and other calls.",
            ("what",),
            registry=self.registry,
        )
        self.held_requests = Gauge(
            "egress_gateway_held_requests",
            "Requests that wait for changes of tasks: a status call, or a stream of events.",
            ("kind",),
            registry=self.registry,
        )
        self.slow_readers = Counter(
            "egress_gateway_slow_readers",
            "Streams of events that were cut since their reader was too slow.",
            registry=self.registry,
        )
        self.history_reads = Counter(
            "egress_gateway_history_reads",
            "Status calls about tasks that the cluster no longer has: found in the store, missing there, or failed.",
            ("outcome",),
            registry=self.registry,
        )
        Info("egress_gateway_build", "The running version.", registry=self.registry).info(
            {"version": version("egress-operator")}
        )

    def observe(self, *, method: str, route: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        labels = (method if method in _METHODS else "OTHER", route, str(code))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
