"""Connect a page to a host: resolve, check every address, connect to a checked one.

In: a host and a port as the browser asked for them, and the app's rules. Out: a connected socket, or `DialFailed` with
a `Refusal`. A name is resolved once for each connection, and what was checked is what is connected to: a name that
answers differently the next time (DNS rebinding) is checked anew, and never gets between the check and the connection.
"""

import asyncio
import concurrent.futures
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from egress_api.address_entries import normal_host
from egress_api.address_ranges import Address
from egress_api.addresses import ForbiddenTarget, check_addresses, check_host
from egress_api.page import PageRules

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host; raises OSError if there are none."""

_LOOKUPS_AT_ONCE = 16


class RefusalKind(StrEnum):
    """Why there is no connection."""

    FORBIDDEN = "forbidden"
    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Refusal:
    """Why there is no connection, with a sentence for whoever started the task."""

    kind: RefusalKind
    message: str


class DialFailed(Exception):  # noqa: N818 - it failed, and `refusal` says how
    """There is no connection; `address` is for the log."""

    def __init__(self, kind: RefusalKind, message: str, *, address: Address | None = None) -> None:
        super().__init__(message)
        self.refusal = Refusal(kind, message)
        self.address = address


class ThreadedResolver:
    """The system's resolver, in threads of its own.

    A page that asks for many slow names waits for itself alone: the loop's own threads stay free, and a lookup that
    hangs holds nobody up when the recording ends.
    """

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Look the host up."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(row[4][0]) for row in found]

    def close(self) -> None:
        """Take no more lookups, and wait for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, kw_only=True)
class Dialer:
    """Connects to what the rules allow."""

    rules: PageRules
    resolve: Resolve
    resolve_seconds: float = 10.0
    dial_seconds: float = 10.0

    async def dial(self, host: str, port: int) -> socket.socket:
        """Connect to a host.

        Raises:
            DialFailed: it may not be reached, or it can't be.
        """
        try:
            host = normal_host(host)
            check_host(host, port, self.rules)
            addresses = check_addresses(host, port, await self._lookup(host, port), self.rules)
        except ForbiddenTarget as forbidden:
            raise DialFailed(RefusalKind.FORBIDDEN, str(forbidden), address=forbidden.address) from forbidden
        except ValueError as odd:
            raise DialFailed(RefusalKind.FORBIDDEN, str(odd)) from odd
        return await self._connect(host, port, addresses)

    async def _lookup(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self.resolve_seconds):
                return await self.resolve(host, port)
        except TimeoutError as late:
            raise DialFailed(
                RefusalKind.DNS, f"the name {host} was not resolved within {self.resolve_seconds:g} s"
            ) from late
        except (OSError, UnicodeError) as unknown:
            why = unknown.strerror if isinstance(unknown, OSError) else None
            raise DialFailed(
                RefusalKind.DNS, f"the name {host} can't be resolved: {why or unknown}"
            ) from unknown

    async def _connect(self, host: str, port: int, addresses: list[Address]) -> socket.socket:
        """Try one address after the other; each has its share of the time."""
        failures = []
        for address in addresses:
            try:
                async with asyncio.timeout(self.dial_seconds / len(addresses)):
                    return await _connect_to(address, port)
            except OSError as failure:  # TimeoutError is one too
                failures.append(failure)
        raise min((_dial_failed(host, port, failure) for failure in failures), key=_telling)


async def _connect_to(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        # a peer that is gone without a word is found out by the kernel
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


_KINDS = {
    errno.ECONNREFUSED: (RefusalKind.REFUSED, "refused the connection"),
    errno.ECONNRESET: (RefusalKind.REFUSED, "broke the connection off"),
    errno.ETIMEDOUT: (RefusalKind.TIMEOUT, "did not answer in time"),
}
_NO_WAY = (RefusalKind.UNREACHABLE, "can't be reached from here: there is no route to it")


def _dial_failed(host: str, port: int, failure: OSError) -> DialFailed:
    number = errno.ETIMEDOUT if isinstance(failure, TimeoutError) else failure.errno
    kind, words = _KINDS.get(number or 0, _NO_WAY)
    return DialFailed(kind, f"{host} port {port} {words}")


def _telling(failed: DialFailed) -> int:
    """Order failures: what a host itself answered says more than a network that isn't there."""
    return list(RefusalKind).index(failed.refusal.kind)
