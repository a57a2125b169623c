"""How often an app may call: a token bucket per app, for starts and for everything else.

In: an app and a call. Out: nothing, or a ProblemError that says when to come again. An app's bucket is one number (the
moment at which it is full again, known as GCRA), and only the apps that called last are remembered: one that is
forgotten has a full bucket, so a flood of made-up app ids costs no memory and shuts nobody out. Each gateway counts for
itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

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
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, app_id: str) -> float:
        """Take one call out of an app's bucket and return 0; or return the seconds until there is one."""
        if not self.per_second:
            return 0
        now = self._clock()
        full_at = max(self._full_at.get(app_id, now), now) + 1 / self.per_second
        missing = full_at - now - self.burst / self.per_second
        if missing > 1e-9:  # noqa: PLR2004 - what floating point adds up to
            return missing
        self._full_at[app_id] = full_at
        self._full_at.move_to_end(app_id)
        if len(self._full_at) > self._apps:
            self._full_at.popitem(last=False)
        return 0


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
