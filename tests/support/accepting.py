"""asyncio loses a connection that it has taken as its server closes: neither served nor closed (CPython 3.11 to 3.14).

The transport of such a connection fails as it attaches itself to the server, and nobody closes its socket; the warning comes
with the next garbage collection. A process that ends leaves nothing open, but a test that closes a server and goes on does.
"""

from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def late_ones_are_closed() -> Iterator[None]:
    """Have asyncio close what it has taken for a server that no longer listens."""
    original = BaseSelectorEventLoop._accept_connection2

    async def accept(loop: BaseSelectorEventLoop, factory: Any, connection: Any, *more: Any) -> None:
        _extra, _tls, server, *_ = more
        if server is not None and not server.sockets:
            connection.close()
            return
        await original(loop, factory, connection, *more)

    BaseSelectorEventLoop._accept_connection2 = accept
    try:
        yield
    finally:
        BaseSelectorEventLoop._accept_connection2 = original
