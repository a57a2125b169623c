"""The capture child's process: stdin, stdout, signals; the work is `session.record`.

In: the config on the first line of stdin, then `{"command": …}` lines: `pause`, `resume`, `users`, `layout`, and `stop`, which end of
file, SIGTERM and SIGINT mean as well. Out: events on stdout, logs on stderr, an exit code (`errors.EndReason`). A second SIGTERM exits at once.
"""

import asyncio
import functools
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from egress_recorder.capture.choice import Choice, Users
from egress_recorder.capture.config import parse_config
from egress_recorder.capture.errors import CaptureError, EndReason
from egress_recorder.capture.events import Ended, EventWriter
from egress_recorder.capture.logs import log_to_stderr
from egress_recorder.capture.pauses import Pauses

log = logging.getLogger("egress_recorder.capture")

SECOND_SIGNAL_EXIT = 130


def main() -> None:
    """Run one capture and exit with its reason's code."""
    events = EventWriter(os.dup(1))
    os.dup2(2, 1)  # what libraries print must not get between the events
    log_to_stderr()
    stop_asked = threading.Event()
    on_stop: list[Callable[[], object]] = []

    def ask_stop(*_: object) -> None:
        if stop_asked.is_set() and _:
            os._exit(SECOND_SIGNAL_EXIT)
        stop_asked.set()
        for call in on_stop:
            call()

    signal.signal(signal.SIGTERM, ask_stop)
    signal.signal(signal.SIGINT, ask_stop)
    try:
        config = parse_config(sys.stdin.readline())
    except CaptureError as error:
        events.emit(Ended(reason=error.reason, message=error.message))
        sys.exit(error.reason.exit_code)

    # A page is shown before it is recorded; people are seen a moment after one has joined them.
    pauses = Pauses(paused=config.paused, empty=config.page is None)
    choice, arrangement = Choice(config.users), Choice(config.layout)

    async def run() -> EndReason:
        from egress_recorder.capture.session import record  # noqa: PLC0415 - GStreamer takes 0.2 s to import

        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        on_stop.append(functools.partial(loop.call_soon_threadsafe, stop.set))
        if stop_asked.is_set():
            stop.set()
        threading.Thread(
            target=_read_commands, args=(ask_stop, pauses, choice, arrangement), name="commands", daemon=True
        ).start()
        threading.Thread(target=_watch_writer, args=(events, ask_stop), name="writer", daemon=True).start()
        return await record(
            config, emit=events.emit, stop=stop, pauses=pauses, choice=choice, arrangement=arrangement
        )

    reason = asyncio.run(run())
    # the SDK's teardown at interpreter exit can panic while its threads still log; all that matters is closed
    sys.stderr.flush()
    os._exit(reason.exit_code)


def _read_commands(
    ask_stop: Callable[[], None], pauses: Pauses, choice: Choice[Users], arrangement: Choice[str]
) -> None:
    for line in sys.stdin:
        try:
            told = json.loads(line)
            command = told.get("command")
        except (ValueError, AttributeError):
            told, command = {}, None
        if command == "stop":
            break
        if command in {"pause", "resume"}:
            pauses.wish(command == "pause", at=time.monotonic_ns())
        elif command == "users":
            choice.choose(tuple(told.get("users") or ()))
        elif command == "layout":
            arrangement.choose(str(told.get("layout")))
        else:
            log.warning("not a command: %.100s", line.strip())
    ask_stop()


def _watch_writer(events: EventWriter, ask_stop: Callable[[], None]) -> None:
    events.broken.wait()
    log.error("nobody reads the events any more: stopping")
    ask_stop()


if __name__ == "__main__":
    main()
