"""How often an app may call: a token bucket per app, for starts and for everything else.

In: an app and a call. Out: nothing, or a ProblemError that says when to come again. Only the apps that called last are
remembered: one that is forgotten has a full bucket, so a flood of made-up app ids costs no memory and shuts nobody out.
Each gateway counts for itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from egress_api.bucket import Bucket
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.metrics import Metrics
from egress_gateway.settings import Settings

MAX_APPS: Final = 10_000


class Buckets:
    """A bucket per app.

    Args:
        per_second: how many calls flow in; 0 is no limit.
        burst: how many a full bucket holds.
        clock: seconds from any origin, never going back.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        apps: int = MAX_APPS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_second = per_second
        self.burst = burst
        self._apps = apps
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, app_id: str) -> float:
        """Take one call out of an app's bucket and return 0; or return the seconds until there is one."""
        if not self.per_second:
            return 0
        bucket = self._buckets.get(app_id)
        if bucket is None:
            bucket = self._buckets[app_id] = Bucket(per_second=self.per_second, burst=self.burst)
            if len(self._buckets) > self._apps:
                self._buckets.popitem(last=False)
        missing = bucket.take(self._clock())
        if not missing:
            self._buckets.move_to_end(app_id)
        return missing


class Limits:
    """The limits of one gateway."""

    def __init__(
        self, settings: Settings, *, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._starts = Buckets(settings.starts_per_second, settings.starts_burst, clock=clock)
        self._calls = Buckets(settings.calls_per_second, settings.calls_burst, clock=clock)
        self._metrics = metrics

    def check(self, app_id: str, *, start: bool) -> None:
        """Count a call.

        Raises:
            ProblemError: when the app has called too often; `Retry-After` says when it may again.
        """
        buckets, what = (self._starts, "starts") if start else (self._calls, "calls")
        missing = buckets.take(app_id)
        if not missing:
            return
        self._metrics.rate_limited.labels(what).inc()
        seconds = max(1, math.ceil(missing))
        again = ", with the same request_id: it never makes a second task" if start else ""
        raise ProblemError(
            ProblemKind.RATE_LIMITED,
            f"app {app_id} may make {buckets.per_second:g} {what} a second, and {buckets.burst} at once: send the "
            f"same request again in {seconds} s{again}",
            headers={"Retry-After": str(seconds)},
        )
