"""What is made of a recording once it has ended: its files, out of the segments in the store.

In: the book of a recording whose lists are closed. Out: an object of any size, streamed from store to store through the
child that does the work (`remux`), verified, and noted in the book. It leaves playlist and segments as they are: whatever
goes wrong here costs the file alone, and another attempt makes it anew from the same segments.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from egress_api.manifest import Segment
from egress_api.media import OutputFormat
from egress_api.status import FileKind, OutputFile
from egress_recorder.context import Context
from egress_recorder.errors import PackagingError, RecorderError, StoreUnreachableError
from egress_recorder.manifest_store import ManifestStore
from egress_recorder.recording import Recording, object_uri
from egress_recorder.store import Store

_CHILD: Final = (sys.executable, "-m", "egress_recorder.remux")
_KINDS: Final = {
    OutputFormat.MP4: (FileKind.VIDEO, "video/mp4"),
    OutputFormat.M4A: (FileKind.AUDIO, "audio/mp4"),
    OutputFormat.OGG: (FileKind.AUDIO, "audio/ogg"),
    OutputFormat.MP3: (FileKind.AUDIO, "audio/mpeg"),
}
"""What a file of each format is, and its content type."""
_CHUNK_BYTES: Final = 1 << 20
_AHEAD: Final = 3
"""Segments that are read from the store before the child wants them."""
_PROGRESS_SECONDS: Final = 10.0
_LONGEST_WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the first pass has found out, where there is one."""

    head: bytes = b""
    tail: bytes = b""
    first: int = 0
    end: int = 0

    @property
    def size(self) -> int:
        return len(self.head) + self.end - self.first + len(self.tail)


class Packaging:
    """The files that a recording is to have at its end."""

    def __init__(
        self, context: Context, *, store: Store, manifest: ManifestStore, recording: Recording
    ) -> None:
        self._clock = context.clock
        self._config = context.config
        self._log = context.log
        self._store = store
        self._manifest = manifest
        self._recording = recording
        self._children: list[_Child] = []
        self._fed, self._passes = 0, 1
        """Segments that the file being made has been fed, and how often it is fed each."""
        self._told_at = context.clock.monotonic()

    async def run(self) -> None:
        """Make what is missing; the book knows of it then.

        Raises:
            PackagingError: the segments can't be put into such a file.
            StoreError: the store failed; trying again is safe.
            FencedError: a later attempt has taken over.
        """
        try:
            await self._make()
        finally:
            # Who writes for the store may not hear that it was given up: the child's end ends that, too.
            for child in self._children:
                await child.close()
            self._children.clear()

    async def _make(self) -> None:
        for name, wanted in self._recording.unmade.items():
            began, self._fed = self._clock.monotonic(), 0
            self._passes = 2 if wanted.indexed else 1
            self._log.info("packaging", name=name, segments=self._recording.listed)
            if wanted is OutputFormat.THUMBNAILS:
                await self._draw(name)
            else:
                plan = await self._measure(name, wanted) if wanted.indexed else _Plan()
                size, sha256 = await self._write(name, wanted, plan)
                self._note(name, _KINDS[wanted][0], size=size, sha256=sha256)
            took = round(self._clock.monotonic() - began, 1)
            self._log.info("packaged", name=name, seconds=took)

    def _note(self, name: str, kind: FileKind, *, size: int, sha256: str) -> None:
        self._recording.mark_made(
            OutputFile(
                name=name,
                uri=object_uri(self._config, name),
                kind=kind,
                size_bytes=size,
                duration_seconds=round(self._recording.listed_seconds, 3),
                sha256=sha256,
            )
        )

    async def _draw(self, name: str) -> None:
        """Store the sheets of thumbnails, and the index last: what it names is there."""
        every, width = self._config.thumbnails
        sheets = self._recording.sheet_pattern
        number, last = 0, b""
        async with self._child("thumbnails", str(every), str(width), sheets) as child:
            while line := await child.stdout.readline():
                if last:
                    await self._put(sheets % number, last, FileKind.IMAGE, "image/jpeg")
                    number += 1
                last = await child.read(json.loads(line)["bytes"])
            await child.finished()
        await self._put(name, last, FileKind.THUMBNAILS, "text/vtt")

    async def _put(self, name: str, data: bytes, kind: FileKind, content_type: str) -> None:
        # A name has no condition here: is the folder still ours?
        await self._manifest.read()
        version = await self._store.put(name, data, content_type=content_type, lasting=True)
        await self._store.verify(name, data, version)
        self._note(name, kind, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    async def _measure(self, name: str, wanted: OutputFormat) -> "_Plan":
        async with self._child("measure", wanted.value) as child:
            line = await child.stdout.readline()
            said: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
            head = await child.read(said.get("head", 0))
            tail = await child.read(said.get("tail", 0))
            await child.finished()
        found = {key: said[key] for key in ("pictures", "sounds", "left_out")}
        self._log.info("measured", name=name, **found)
        return _Plan(head, tail, said["first"], said["end"])

    async def _write(self, name: str, wanted: OutputFormat, plan: "_Plan") -> tuple[int, str]:
        """Stream a file into the store; return its size and its SHA-256."""
        digest, size = hashlib.sha256(), 0

        def passing(data: bytes) -> bytes:
            nonlocal size
            digest.update(data)
            size += len(data)
            return data

        if wanted.indexed:
            work = ["write", wanted.value, str(plan.first), str(plan.end)]
        else:
            work = ["encode", wanted.value, str(self._config.audio.bitrate)]

        async def content() -> AsyncIterator[bytes]:
            if plan.head:
                yield passing(plan.head)
            async with self._child(*work) as child:
                while data := await child.stdout.read(_CHUNK_BYTES):
                    yield passing(data)
                await child.finished()
            # A name has no condition here: is the folder still ours?
            await self._manifest.read()
            if plan.tail:
                yield passing(plan.tail)

        # Of what is encoded nobody knows the size yet; it is never more than what it is made of.
        most = plan.size if wanted.indexed else self._recording.total_bytes
        _, content_type = _KINDS[wanted]
        await self._store.put_stream(name, content(), size=most, content_type=content_type, lasting=True)
        found = await self._store.sha256_of(name, size=size)
        if found != digest.hexdigest():
            raise StoreUnreachableError(f"{self._store.url} holds {name} with other bytes than were written.")
        return size, found

    @contextlib.asynccontextmanager
    async def _child(self, *arguments: str) -> AsyncIterator["_Child"]:
        process = await asyncio.create_subprocess_exec(
            *_CHILD, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        child = _Child(process, feed=self._feed)
        self._children.append(child)
        try:
            yield child
        finally:
            await child.close()

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        total = self._passes * self._recording.listed
        async with contextlib.aclosing(self._segments()) as segments:
            async for segment, data in segments:
                about = {
                    "bytes": len(data),
                    "seconds": segment.duration_seconds,
                    "jump": segment.discontinuity,
                }
                stdin.write(json.dumps(about).encode() + b"\n" + data)
                await stdin.drain()
                self._fed += 1
                now = self._clock.monotonic()
                if now - self._told_at >= _PROGRESS_SECONDS:
                    self._told_at = now
                    self._log.info("packaging-goes-on", percent=min(99, 100 * self._fed // total))

    async def _segments(self) -> AsyncGenerator[tuple[Segment, bytes]]:
        """Yield the listed segments with their content, a few read ahead."""
        waiting: list[tuple[Segment, asyncio.Task[bytes]]] = []
        try:
            for segment in self._recording.segments():
                waiting.append((segment, asyncio.create_task(self._segment(segment))))
                if len(waiting) > _AHEAD:
                    first, reading = waiting.pop(0)
                    yield first, await reading
            while waiting:
                first, reading = waiting.pop(0)
                yield first, await reading
        finally:
            for _, reading in waiting:
                reading.cancel()
            await asyncio.gather(*(reading for _, reading in waiting), return_exceptions=True)

    async def _segment(self, segment: Segment) -> bytes:
        found = await self._store.get(segment.name, size=segment.size_bytes)
        if found is None:
            raise PackagingError(f"{segment.name} is no longer in {self._store.url}.")
        if hashlib.sha256(found.data).hexdigest() != segment.sha256:
            raise PackagingError(f"{segment.name} in {self._store.url} is no longer what was recorded.")
        return found.data


class _Child:
    """A running `remux`, fed in the background."""

    def __init__(
        self, process: asyncio.subprocess.Process, *, feed: Callable[[asyncio.StreamWriter], Any]
    ) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("A child without pipes can't be talked to.")
        self._process = process
        self._stdin = process.stdin
        self._stderr = process.stderr
        self.stdout = process.stdout
        self._feeding = asyncio.create_task(self._feed(feed), name="feed-remux")

    async def _feed(self, feed: Callable[[asyncio.StreamWriter], Any]) -> None:
        try:
            await feed(self._stdin)
        except (BrokenPipeError, ConnectionResetError):
            return  # it has given up, and says why
        except RecorderError:
            # What it has got would look like all there is.
            self._process.kill()
            raise
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.close()
            await self._stdin.wait_closed()

    async def read(self, size: int) -> bytes:
        """Return so many bytes of what it says; less where it has ended."""
        try:
            return await self.stdout.readexactly(size)
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def finished(self) -> None:
        """Wait for its end.

        Raises:
            RecorderError: it could not be fed.
            PackagingError: it failed.
        """
        words = await self._stderr.read()
        await self._feeding
        code = await self._process.wait()
        if code != 0:
            said = words.decode(errors="replace").strip().rpartition("\n")[2]
            raise PackagingError(
                said[-_LONGEST_WORDS:] or f"The program that makes it ended with code {code}."
            )

    async def close(self) -> None:
        """End it, however far it is."""
        self._feeding.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        # What went wrong while feeding has been told by finished(), or is what ended all of it.
        await asyncio.gather(self._feeding, return_exceptions=True)
