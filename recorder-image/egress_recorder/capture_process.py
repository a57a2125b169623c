"""The capture child as a process: started, listened to, asked to stop, killed with all it started.

In: a `CaptureConfig`. Out: its events, in order, then one `Exited`. It runs in its own session, so that a
signal for us is never one for it; its standard error is passed through as log lines. What to do about
what it says is decided in capturing.py.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self

from structlog.typing import FilteringBoundLogger

from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.events import Event, parse_event

_LONGEST_LINE: Final = 1 << 18
_LAST_WORDS_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Exited:
    """The process is gone; `code` is negative for a signal, as in subprocess."""

    code: int


class CaptureProcess:
    """A running capture; made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, log: FilteringBoundLogger) -> None:
        self._process = process
        self._log = log
        self._inbox: asyncio.Queue[Event | Exited] = asyncio.Queue()
        self._buried = False
        self._watcher = asyncio.create_task(self._watch(), name="capture-watcher")

    @classmethod
    async def start(cls, command: Sequence[str], config: CaptureConfig, *, log: FilteringBoundLogger) -> Self:
        """Start a capture.

        Raises:
            OSError: when the program can't be started.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        capture = cls(process, log)
        await capture._write(json.dumps(asdict(config)).encode() + b"\n")
        return capture

    @property
    def pid(self) -> int:
        """The process id, also that of its group."""
        return self._process.pid

    async def next(self, *, timeout: float) -> Event | Exited | None:  # noqa: ASYNC109 - a tick, not a limit
        """Return what comes next, or None when nothing came for `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await self._inbox.get()
        return None

    async def stop(self) -> None:
        """Ask it to close its last segment and end."""
        await self._write(_line("stop"))

    async def pause(self) -> None:
        """Ask it to leave out what comes from now on."""
        await self._write(_line("pause"))

    async def resume(self) -> None:
        """Ask it to record again."""
        await self._write(_line("resume"))

    async def choose(self, users: tuple[str, ...]) -> None:
        """Ask it to record these from now on; none is everyone."""
        await self._write(_line("users", users=users))

    async def arrange(self, layout: str) -> None:
        """Ask it to lay the channel out like this from now on."""
        await self._write(_line("layout", layout=layout))

    def kill(self) -> None:
        """End it and everything it started, at once; once it is gone this does nothing."""
        if self._buried:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None:
            return
        # A child that is gone can't be told anything; its exit says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(line)
            await stdin.drain()

    async def _watch(self) -> None:
        readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_log())]
        await self._gone()
        # Whatever it started would hold the pipes, the spool and the processor.
        self.kill()
        _, unfinished = await asyncio.wait(readers, timeout=_LAST_WORDS_SECONDS)
        for reader in unfinished:
            reader.cancel()
        code = await self._process.wait()
        self._buried = True
        self._inbox.put_nowait(Exited(code))

    async def _gone(self) -> None:
        """Wait for the process alone: asyncio's own wait() also waits for pipes that its children hold."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)

    async def _read_events(self) -> None:
        async for line in _lines(self._process.stdout):
            try:
                event = parse_event(line)
            except (ValueError, TypeError):
                # A library that prints, or an event of a later version: neither ends a recording.
                self._log.warning("capture-output", line=_text(line))
                continue
            self._inbox.put_nowait(event)

    async def _read_log(self) -> None:
        async for line in _lines(self._process.stderr):
            level, message, fields = _log_entry(line)
            self._log.log(level, message, **fields)


def _line(command: str, **more: object) -> bytes:
    return json.dumps({"command": command, **more}).encode() + b"\n"


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    if stream is None:
        return
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # Longer than the limit: asyncio has dropped it, the next one may be whole.
            continue
        if not line:
            return
        if line.strip():
            yield line


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()[:2000]


def _log_entry(line: bytes) -> tuple[int, str, dict[str, object]]:
    """Take a line of the child's log apart; what is not JSON (a crash's last words) is a warning."""
    try:
        entry = json.loads(line)
        message = str(entry["event"])
    except (ValueError, TypeError, KeyError):
        return logging.WARNING, _text(line), {"logger": "capture"}
    level = logging.getLevelNamesMapping().get(str(entry.get("level")).upper(), logging.INFO)
    fields = {key: entry[key] for key in ("logger", "exception") if key in entry}
    return level, message, {"logger": "capture", **fields}
