"""The only way out for a page: a SOCKS5 proxy inside the capture child that connects to checked addresses alone.

In: the browser's connections on 127.0.0.1 (RFC 1928: CONNECT, no authentication; the browser hands over names, and
resolves none itself). Out: a relayed connection, or a reply code; the reasons of the newest failures, because the
browser only says ERR_SOCKS_CONNECTION_FAILED. Whatever a page does over TCP comes through here: redirects, parts of
the page, WebSockets. Must not: connect to anything that `dialing` has not checked; log paths or queries, which it never sees.

Written by hand: the kept SOCKS libraries for asyncio are clients, and the servers there are connect to a name
themselves, which is the very gap between check and connection that this closes.
"""

import asyncio
import contextlib
import logging
import socket
from asyncio import StreamReader, StreamWriter
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from egress_api.address_entries import normal_host
from egress_api.page import PageRules
from egress_recorder.capture.dialing import (
    Dialer,
    DialFailed,
    Refusal,
    RefusalKind,
    Resolve,
    ThreadedResolver,
)
from egress_recorder.capture.relay import HELD, relay

log = logging.getLogger(__name__)

_VERSION: Final = 5
_NO_AUTHENTICATION: Final = 0x00
_NO_METHOD: Final = 0xFF
_CONNECT: Final = 0x01
_IPV4, _NAME, _IPV6 = 0x01, 0x03, 0x04

_OPENED: Final = 0x00
_NO_SUCH_COMMAND: Final = 0x07
_NO_SUCH_ADDRESS_TYPE: Final = 0x08
_REPLIES: Final = {
    RefusalKind.FORBIDDEN: 0x02,
    RefusalKind.DNS: 0x04,
    RefusalKind.REFUSED: 0x05,
    RefusalKind.TIMEOUT: 0x04,
    RefusalKind.UNREACHABLE: 0x03,
}

_REASONS_KEPT: Final = 256
_TOLD: Final = 200
"""Log lines for one recording: a page that tries every port is counted, not written down."""


@dataclass(frozen=True)
class Limits:
    """How long the proxy waits, in seconds, and for how many."""

    handshake: float = 10.0
    resolve: float = 10.0
    dial: float = 10.0
    idle: float = 3600.0
    """WebSockets may be silent for long."""
    half_closed: float = 60.0
    connections: int = 384
    """A browser opens 99 to one proxy (chromium-policies.json), and up to 255 WebSockets."""


class _BadRequest(Exception):  # noqa: N818 - never leaves this module
    """What was asked is not SOCKS5, or a part of it that browsers don't use; `reply` is what to answer."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class PinningProxy:
    """Connects the browser to what the app's rules allow, and to nothing else."""

    def __init__(
        self,
        rules: PageRules,
        *,
        on_refused: Callable[[str], None] = lambda _: None,
        resolve: Resolve | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Prepare a proxy; `on_refused` gets a sentence for each target that was forbidden, once."""
        self.opened = 0
        self.refused: Counter[RefusalKind] = Counter()
        self.turned_away = 0
        """Connections beyond the limit."""
        self._limits = limits or Limits()
        self._on_refused = on_refused
        self._threads = ThreadedResolver()
        self._dialer = Dialer(
            rules=rules,
            resolve=resolve or self._threads,
            resolve_seconds=self._limits.resolve,
            dial_seconds=self._limits.dial,
        )
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()
        self._told = 0
        self._reasons: OrderedDict[tuple[str, int], Refusal] = OrderedDict()

    async def start(self) -> int:
        """Listen on 127.0.0.1; gives the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HELD)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Take no more connections and break off those that are open."""
        if self._server is not None:
            self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        self._threads.close()

    @property
    def open_connections(self) -> int:
        """How many connections of the browser are open."""
        return len(self._tunnels)

    def why(self, host: str, port: int) -> Refusal | None:
        """Say why the newest connection to a host and port failed; None if it didn't."""
        return self._reasons.get(_key(host, port))

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        if len(self._tunnels) >= self._limits.connections:
            self.turned_away += 1
            writer.transport.abort()
            return
        tunnel = asyncio.ensure_future(self._serve(reader, writer))
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(self._tunnels.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(HELD)
        try:
            async with asyncio.timeout(self._limits.handshake):
                host, port = await _read_request(reader, writer)
            connection = await self._dial(host, port)
            upstream = await asyncio.open_connection(sock=connection, limit=HELD)
            upstream[1].transport.set_write_buffer_limits(HELD)
            writer.write(_reply(_OPENED))
            await relay(
                (reader, writer),
                upstream,
                idle_seconds=self._limits.idle,
                half_closed_seconds=self._limits.half_closed,
            )
        except _BadRequest as bad:
            writer.write(bad.reply)
        except DialFailed as failed:
            writer.write(_reply(_REPLIES[failed.refusal.kind]))
        except (OSError, EOFError):
            pass  # the browser went away, or never said what it wants (TimeoutError)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _dial(self, host: str, port: int) -> socket.socket:
        try:
            connection = await self._dialer.dial(host, port)
        except DialFailed as failed:
            self._remember(host, port, failed)
            raise
        self.opened += 1
        self._reasons.pop(_key(host, port), None)
        return connection

    def _remember(self, host: str, port: int, failed: DialFailed) -> None:
        refusal = failed.refusal
        self.refused[refusal.kind] += 1
        known = self._reasons.pop(_key(host, port), None)
        self._reasons[_key(host, port)] = refusal
        if len(self._reasons) > _REASONS_KEPT:
            self._reasons.popitem(last=False)
        if known == refusal or self._told >= _TOLD:
            return
        self._told += 1
        where = f" ({failed.address})" if failed.address else ""
        log.warning("no connection to %s port %d: %s%s", host, port, refusal.message, where)
        if refusal.kind is RefusalKind.FORBIDDEN:
            self._on_refused(refusal.message)


def _key(host: str, port: int) -> tuple[str, int]:
    with contextlib.suppress(ValueError):
        host = normal_host(host)
    return host, port


def _reply(code: int) -> bytes:
    """Answer with a code, and with no address: browsers ask for none."""
    return bytes([_VERSION, code, 0, _IPV4]) + bytes(6)


async def _read_request(reader: StreamReader, writer: StreamWriter) -> tuple[str, int]:
    """Read the greeting and the request; gives the host and the port that are asked for."""
    version, methods = await reader.readexactly(2)
    offered = await reader.readexactly(methods)
    if version != _VERSION or _NO_AUTHENTICATION not in offered:
        raise _BadRequest(bytes([_VERSION, _NO_METHOD]))
    writer.write(bytes([_VERSION, _NO_AUTHENTICATION]))
    version, command, _, kind = await reader.readexactly(4)
    host: str
    if kind == _IPV4:
        host = str(IPv4Address(await reader.readexactly(4)))
    elif kind == _IPV6:
        host = str(IPv6Address(await reader.readexactly(16)))
    elif kind == _NAME:
        (length,) = await reader.readexactly(1)
        # no name holds other characters; what a browser would make of them is refused as no host
        host = (await reader.readexactly(length)).decode("ascii", "backslashreplace")
    else:
        raise _BadRequest(_reply(_NO_SUCH_ADDRESS_TYPE))
    port = int.from_bytes(await reader.readexactly(2))
    if version != _VERSION or command != _CONNECT:
        raise _BadRequest(_reply(_NO_SUCH_COMMAND))
    return host, port
