"""The programs a page needs beside us: started, listened to, ended.

In: a program and its arguments. Out: a `Child` whose end is seen, its words in our log. They belong to the capture's
process group, so that whoever kills the capture ends them too. Must not: start anything again; that is decided above.
"""

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Sequence

from egress_recorder.capture.errors import PipelineError

log = logging.getLogger(__name__)

END_SECONDS = 2.0
_WORDS_KEPT = 20
_LONGEST_LINE = 1 << 16


class Child:
    """A running program."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.words: deque[str] = deque(maxlen=_WORDS_KEPT)
        """The last lines it wrote."""
        self._reader = asyncio.ensure_future(self._read())
        self.ended = asyncio.ensure_future(self._wait())
        """Done when it has ended, with its exit code."""

    def kill(self) -> None:
        """Make it end, at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Ask it to end, and make it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), END_SECONDS)
                return
            self.process.kill()
            await self.ended

    def last_words(self) -> str:
        """Say how it ended, with what it wrote last."""
        code = self.process.returncode
        how = "runs" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        said = self.words[-1][:200] if self.words else "it said nothing"
        return f"{how}; {said}"

    async def _wait(self) -> int:
        code = await self.process.wait()
        await asyncio.wait({self._reader}, timeout=END_SECONDS)
        self._reader.cancel()  # a program that it started may still hold its end
        return code

    async def _read(self) -> None:
        stream = self.process.stderr
        while stream is not None:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the limit: asyncio has dropped it
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self.words.append(text)
            log.debug("%s: %.300s", self.name, text)


async def start_child(
    name: str,
    arguments: Sequence[str],
    *,
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
    stdout: int | None = None,
) -> Child:
    """Start a program with a small environment of its own: no setting or secret of ours is handed on.

    Raises:
        PipelineError: when it can't be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            name,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL if stdout is None else stdout,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC", **environment},
            pass_fds=tuple(pass_fds),
            limit=_LONGEST_LINE,
        )
    except OSError as error:
        raise PipelineError(f"{name} can't be started: {error}.") from error
    return Child(name, process)
