"""A proxy before an S3 server that does to requests what it is told: one of `FAULTS`, for those that match.

In: requests, and rules from the test. Out: the real server's answers, or trouble. The Host header goes through
as it is, so that signatures hold; bodies are streamed; each connection carries one request.

It runs inside a test (`Proxy`) and, for the tests on the cluster, alone in a Pod:
`store_faults_server.py PORT CONTROL_PORT UPSTREAM_HOST:PORT`. There the control port takes `/rules?set=[…]` and tells
at `/state` what it has seen. Only the standard library.
"""

import asyncio
import contextlib
import json
import re
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

FAULTS = {
    "down": "nobody listens: connections are refused, those that are open are reset; for everything",
    "close": "the connection is reset when the request's head has come",
    "reset": "half of the upload goes through, or half of the answer comes back, then the connection is reset",
    "lost-answer": "the server does what was asked, and the connection is reset instead of its answer",
    "black-hole": "the request is taken and never answered",
    "delay": "the answer comes `seconds` late",
    "slow": "bodies pass at `bytes_per_second`, in both directions",
    "status": "the server isn't asked; the answer is `status` with the XML error `code` and `message`",
    "corrupt": "one byte of the upload is flipped on its way",
    "wrong-etag": "the answer says another ETag than the server said",
}
HEAD_LIMIT = 65_536
CHUNK = 65_536
KEPT = 20_000


@dataclass(frozen=True)
class Rule:
    """One fault and what it is for; the first that matches a request counts."""

    fault: str
    methods: tuple[str, ...] = ()
    """All when empty."""
    key: str = ""
    """A pattern to be found in the path with its query."""
    times: int | None = None
    """For so many requests, then never again."""
    status: int = 503
    code: str = "SlowDown"
    message: str = "Please reduce your request rate."
    seconds: float = 1.0
    bytes_per_second: int = 50_000

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"{self.fault} is none of {', '.join(FAULTS)}")
        if self.fault == "down" and (self.methods or self.key or self.times is not None):
            raise ValueError("a server is down for everything, until it is told otherwise")

    def matches(self, method: str, path: str) -> bool:
        return (not self.methods or method in self.methods) and re.search(self.key, path) is not None


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    at: float
    """Seconds since the epoch."""
    method: str
    path: str
    size: int
    fault: str
    """What was done to it, empty for nothing."""


@dataclass(frozen=True)
class _Head:
    lines: list[bytes]

    @classmethod
    def parse(cls, text: bytes) -> "_Head":
        return cls(text.rstrip(b"\r\n").split(b"\r\n"))

    def get(self, name: bytes) -> bytes:
        found = (line.partition(b":") for line in self.lines[1:])
        return next((value.strip() for key, _, value in found if key.strip().lower() == name), b"")

    def replace(self, **headers: bytes) -> "_Head":
        """Return a head with these headers, `_` for `-`, in place of those of the same name; empty ones go."""
        given = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        kept = [line for line in self.lines if line.partition(b":")[0].strip().lower() not in given]
        return _Head([*kept, *(name + b": " + value for name, value in given.items() if value)])

    def encode(self) -> bytes:
        return b"\r\n".join(self.lines) + b"\r\n\r\n"


class Proxy:
    """The proxy; `start` it in a running loop."""

    def __init__(self, upstream: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.port = port
        self.seen: list[Seen] = []
        self._upstream = upstream
        self._host = host
        self._rules: list[tuple[Rule, int | None]] = []
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a port of 0 becomes a free one and stays the same from then on."""
        self._server = await asyncio.start_server(
            self._on_connection, self._host, self.port, limit=HEAD_LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and reset every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        open_now = [task for task in self._open if task is not asyncio.current_task()]
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)

    async def set(self, *rules: Rule) -> None:
        """Go by these rules from now on, by none when there are none; held requests are reset."""
        self._rules = [(rule, rule.times) for rule in rules]
        self._changed.set()
        self._changed = asyncio.Event()
        down = any(rule.fault == "down" for rule in rules)
        if down and self._server is not None:
            await self.stop()
        elif not down and self._server is None:
            await self.start()

    async def until_seen(self, number: int) -> None:
        """Wait until so many requests have come."""
        while len(self.seen) < number:
            self._arrived.clear()
            await self._arrived.wait()

    @property
    def rules(self) -> list[Rule]:
        """The rules that still have requests to come."""
        return [rule for rule, left in self._rules if left is None or left > 0]

    def _choose(self, method: str, path: str) -> Rule | None:
        for number, (rule, left) in enumerate(self._rules):
            if (left is None or left > 0) and rule.matches(method, path):
                self._rules[number] = (rule, None if left is None else left - 1)
                return rule
        return None

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._open.discard(task)
            if task.cancelled():  # before its first step: nobody else closes the connection then
                abort(writer)

        task = asyncio.create_task(self._converse(reader, writer))
        self._open.add(task)
        task.add_done_callback(ended)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
            writer.close()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            abort(writer)
        except asyncio.CancelledError:  # by `stop`
            abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = _Head.parse(await reader.readuntil(b"\r\n\r\n"))
        method, path = head.lines[0].decode("latin-1").split(" ")[:2]
        size = int(head.get(b"content-length") or b"0")
        rule = self._choose(method, unquote(path))
        fault = rule.fault if rule else ""
        self.seen = [*self.seen[-KEPT:], Seen(time.time(), method, unquote(path), size, fault)]
        self._arrived.set()
        if head.get(b"expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "close":
            abort(writer)
        elif rule is not None and fault in {"black-hole", "status"}:
            await self._refuse(rule, reader, writer, size=size, method=method)
        else:
            await self._forward(rule, head.replace(connection=b"close", expect=b""), reader, writer, size)

    async def _refuse(
        self,
        rule: Rule,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        size: int,
        method: str,
    ) -> None:
        """Take the whole request, and say no or nothing."""
        changed = self._changed
        async for _ in pieces(reader, size):
            pass
        if rule.fault == "black-hole":
            await changed.wait()
            abort(writer)
            return
        text = (
            f'<?xml version="1.0"?>\n<Error><Code>{rule.code}</Code><Message>{rule.message}</Message></Error>'
        )
        body = text.encode() if method != "HEAD" else b""
        writer.write(
            f"HTTP/1.1 {rule.status} {rule.code}\r\nConnection: close\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(text)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    async def _forward(
        self,
        rule: Rule | None,
        head: _Head,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        size: int,
    ) -> None:
        fault = rule.fault if rule else ""
        rate = rule.bytes_per_second if rule and fault == "slow" else 0
        there, up = await asyncio.open_connection(*self._upstream, limit=HEAD_LIMIT)
        try:
            up.write(head.encode())
            sent = 0
            async for piece in pieces(reader, size, rate=rate):
                passing = piece
                if fault == "corrupt" and sent <= size // 2 < sent + len(piece):
                    passing = flipped(piece, at=size // 2 - sent)
                sent += len(piece)
                up.write(passing[: len(passing) // 2] if fault == "reset" and sent == size else passing)
                await up.drain()
            if fault == "reset" and size:
                abort(writer)
                return
            answer = _Head.parse(await there.readuntil(b"\r\n\r\n"))
            if rule is not None and fault == "delay":
                await asyncio.sleep(rule.seconds)
            if fault == "lost-answer":
                abort(writer)
                return
            if fault == "wrong-etag" and answer.get(b"etag"):
                answer = answer.replace(etag=b'"0123456789abcdef0123456789abcdef"')
            writer.write(answer.replace(connection=b"close").encode())
            length = int(answer.get(b"content-length") or b"0")
            if fault == "reset":
                writer.write(await there.read(max(1, length // 2)))
                await writer.drain()
                abort(writer)
                return
            async for piece in pieces(there, None, rate=rate):
                writer.write(piece)
                await writer.drain()
        finally:
            abort(up)


async def pieces(reader: asyncio.StreamReader, size: int | None, *, rate: int = 0) -> AsyncIterator[bytes]:
    """Read `size` bytes, or to the end, no faster than `rate` bytes a second unless that is 0."""
    chunk = max(1, min(CHUNK, rate // 10)) if rate else CHUNK
    left = size
    while left is None or left > 0:
        piece = await reader.read(chunk if left is None else min(chunk, left))
        if not piece:
            if left is None:
                return
            raise asyncio.IncompleteReadError(b"", left)
        if left is not None:
            left -= len(piece)
        yield piece
        if rate:
            await asyncio.sleep(len(piece) / rate)


def flipped(data: bytes, *, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def abort(writer: asyncio.StreamWriter) -> None:
    """Reset a connection, so that the other side knows at once."""
    taken = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def control(proxy: Proxy) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """Return what serves the control port: everything by GET, which goes through the API server's proxy too."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, answer = "200 OK", {}
        try:
            parts = urlsplit((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode())
            query = parse_qs(parts.query)
            match parts.path:
                case "/rules":
                    rules = json.loads(query["set"][0])
                    await proxy.set(*(Rule(**r | {"methods": tuple(r.get("methods", ()))}) for r in rules))
                case "/forget":
                    proxy.seen = []
                case "/state":
                    pass
                case _:
                    status = "404 Not Found"
            answer = {
                "rules": [asdict(rule) for rule in proxy.rules],
                "seen": [asdict(request) for request in proxy.seen],
            }
        except (ValueError, TypeError, LookupError, asyncio.IncompleteReadError) as problem:
            status, answer = "400 Bad Request", {"error": repr(problem)}
        body = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        writer.close()

    return serve


async def main() -> None:
    port, control_port, upstream = sys.argv[1:]
    host, _, upstream_port = upstream.rpartition(":")
    proxy = Proxy((host, int(upstream_port)), host="0.0.0.0", port=int(port))
    await proxy.start()
    await asyncio.start_server(control(proxy), "0.0.0.0", int(control_port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
