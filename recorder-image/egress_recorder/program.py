"""The recorder as a program: configuration in, last words and an exit code out.

In: `RecorderConfig` in the environment, secrets as files. Out: objects in the store, a termination message,
and an exit code: 0 when the recording ended as wanted, 1 when it did not (the message says why).
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn

import structlog
from pydantic import ValidationError

from egress_api.recorder import RecorderConfig
from egress_api.results import Outcome, TerminationSummary
from egress_recorder import logs
from egress_recorder.clock import Clock, SystemClock
from egress_recorder.ending import Ending
from egress_recorder.errors import ConfigurationError
from egress_recorder.settings import Settings, load_config
from egress_recorder.tracing import Tracing


def main() -> None:
    """Run one attempt and exit."""
    clock = SystemClock()
    began = clock.now()
    try:
        settings = Settings()
    except ValidationError as error:
        logs.configure("info")
        structlog.get_logger().error("settings-unusable", error=str(error))
        sys.exit(1)
    logs.configure(settings.log_level)
    try:
        config = load_config()
    except ConfigurationError as error:
        structlog.get_logger().error("configuration-unusable", error=str(error))
        say(_before_it_began(Ending.of_error(error), clock=clock), path=settings.termination_log)
        sys.exit(1)
    logs.configure(settings.log_level, task_id=config.task_id, attempt=config.attempt)
    try:
        tracing = Tracing(config, began=began)
    except ConfigurationError as error:
        structlog.get_logger().error("configuration-unusable", error=str(error))
        last_words = _before_it_began(Ending.of_error(error), clock=clock, attempt=config.attempt)
        say(last_words, path=settings.termination_log)
        sys.exit(1)
    asyncio.run(_attempt(config, settings, clock=clock, tracing=tracing))


def say(summary: TerminationSummary, *, path: Path) -> None:
    """Write the last words to where the kubelet reads them."""
    try:
        path.write_text(summary.to_message())
    except OSError as error:
        structlog.get_logger().error("termination-message-not-written", path=str(path), error=str(error))


async def _attempt(config: RecorderConfig, settings: Settings, *, clock: Clock, tracing: Tracing) -> NoReturn:
    # Imported here: the configuration is checked before 20 MB of libraries are loaded.
    from egress_recorder.supervisor import Supervisor  # noqa: PLC0415

    summary = await Supervisor(config, settings, clock=clock, span=tracing.span).run()
    # Within the loop: closing it gives SIGTERM back its default, and one that came then would end us without a word.
    say(summary, path=settings.termination_log)
    tracing.span.set({"egress.reason": summary.reason})
    tracing.span.end(error="" if summary.outcome is Outcome.STOPPED else summary.reason)
    await tracing.close()
    sys.stderr.flush()
    # Not sys.exit: obstore's threads may still answer a loop that is gone, and abort the process when they
    # meet an interpreter that shuts down (seen: one end in five with an unreachable store, exit code 134).
    os._exit(0 if summary.outcome is Outcome.STOPPED else 1)


def _before_it_began(ending: Ending, *, clock: Clock, attempt: int = 1) -> TerminationSummary:
    return TerminationSummary(
        attempt=attempt,
        message=ending.message,
        outcome=ending.outcome,
        reason=ending.reason,
        retryable=ending.retryable,
        uploaded=False,
        ended_at=clock.now(),
    )
