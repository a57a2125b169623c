"""What every part of an attempt shares."""

from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from egress_api.recorder import RecorderConfig
from egress_api.tracing.spans import NO_SPAN, OpenSpan
from egress_recorder.clock import Clock
from egress_recorder.live import Live
from egress_recorder.settings import Settings
from egress_recorder.stop_signal import StopSignal


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt: what to record, how to behave, what is known, and whether it is to end."""

    config: RecorderConfig
    settings: Settings
    clock: Clock
    live: Live
    stop: StopSignal
    log: FilteringBoundLogger
    span: OpenSpan = NO_SPAN
    """The attempt's, for others below it."""

    def beat(self) -> float:
        """Note that the flow moves, for /healthz; return monotonic seconds."""
        self.live.beat_at = self.clock.monotonic()
        return self.live.beat_at
