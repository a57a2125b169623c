"""TLS connections that are being closed say goodbye before a test's loop ends.

aiohttp forgets a connection whose answer is cut off (a cancelled watch), or whose server is closed, while its TLS shutdown
waits for the other side. A loop that ends first leaves its socket open, and the warning comes with the next garbage
collection, in whichever test that is. A process that ends, as the real programs do, leaves nothing open.
"""

import asyncio
import weakref
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENCE_SECONDS = 5

_connections: weakref.WeakSet[SSLProtocol] = weakref.WeakSet()


@contextmanager
def noted() -> Iterator[None]:
    """Keep note of the TLS connections that asyncio makes, for as long as they live."""
    init = SSLProtocol.__init__

    def kept(protocol: SSLProtocol, *args: object, **kwargs: object) -> None:
        init(protocol, *args, **kwargs)
        _connections.add(protocol)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SSLProtocol, "__init__", kept)
        yield


async def said() -> None:
    """Wait until all of this loop's have ended; cut off what takes too long."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while closing := _half_closed():
        if asyncio.get_running_loop().time() > deadline:
            for protocol in closing:
                protocol._transport.abort()
            await asyncio.sleep(0)
            break
        await asyncio.sleep(0.01)


def _half_closed() -> list[SSLProtocol]:
    loop = asyncio.get_running_loop()
    return [
        protocol
        for protocol in _connections
        if protocol._loop is loop
        and protocol._transport is not None
        and protocol._state.name in {"FLUSHING", "SHUTDOWN"}
    ]
