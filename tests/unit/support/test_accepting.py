"""A connection that is taken as its server closes is closed as well."""

import asyncio
import socket


async def test_a_connection_that_comes_as_the_server_closes_is_closed() -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        # Taken in the loop's next round, and closed in the one after that, before what was taken has its first step.
        loop.call_soon(loop.call_soon, server.close)
        client.setblocking(False)
        async with asyncio.timeout(5):
            assert await loop.sock_recv(client, 1) == b""
