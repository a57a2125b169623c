"""The page's way out: real sockets on both sides; only the resolver is the test's own."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from egress_api.page import PageRules
from egress_recorder.capture.dialing import RefusalKind, Resolve
from egress_recorder.capture.proxy import Limits, PinningProxy

HELLO = b"\x05\x01\x00"
LOOPBACK = "127.0.0.1/32"
OPENED, FORBIDDEN, NO_ROUTE, NO_HOST, REFUSED = 0, 2, 3, 4, 5


@dataclass
class Resolver:
    """Answers from a table: each question takes the next answer, the last one stays."""

    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Host:
    """A listener of the test's own that counts who comes."""

    port: int
    hits: int = 0


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def listening(talk: Talk = echo) -> AsyncIterator[Host]:
    host = Host(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host.hits += 1
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
        finally:  # also where the test is over, and this is cancelled
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


@asynccontextmanager
async def proxying(
    port: int,
    *allow: str,
    deny: tuple[str, ...] = (),
    resolve: Resolve | None = None,
    limits: Limits | None = None,
    told: list[str] | None = None,
) -> AsyncIterator[tuple[PinningProxy, int]]:
    rules = PageRules(allow=list(allow), deny=list(deny), ports=[port])
    on_refused = (lambda _: None) if told is None else told.append
    proxy = PinningProxy(rules, on_refused=on_refused, resolve=resolve, limits=limits)
    address = await proxy.start()
    try:
        yield proxy, address
    finally:
        await proxy.close()


def by_name(host: str, port: int) -> bytes:
    return b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2)


def by_address(address: str, port: int) -> bytes:
    family, kind = (socket.AF_INET6, 4) if ":" in address else (socket.AF_INET, 1)
    return b"\x05\x01\x00" + bytes([kind]) + socket.inet_pton(family, address) + port.to_bytes(2)


@asynccontextmanager
async def asking(
    proxy_port: int, request: bytes
) -> AsyncIterator[tuple[int, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Say hello and ask; gives the reply code and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy_port)
    try:
        writer.write(HELLO + request)
        assert await reader.readexactly(2) == b"\x05\x00"
        reply = await reader.readexactly(10)
        assert (reply[0], reply[2:]) == (5, b"\x00\x01" + bytes(6))
        yield reply[1], reader, writer
    finally:
        writer.close()


async def reply_to(proxy_port: int, request: bytes) -> int:
    async with asking(proxy_port, request) as (code, _, _):
        return code


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():  # noqa: ASYNC110 - the proxy tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("asked_for", ["name", "address"])
async def test_an_allowed_host_is_connected_both_ways(asked_for: str) -> None:
    resolver = Resolver({"pages.media": [["127.0.0.1"]], "127.0.0.1": [["127.0.0.1"]]})
    async with listening() as host, proxying(host.port, LOOPBACK, resolve=resolver) as (proxy, port):
        request = (
            by_name("Pages.Media.", host.port) if asked_for == "name" else by_address("127.0.0.1", host.port)
        )
        async with asking(port, request) as (code, reader, writer):
            assert code == OPENED
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"

        assert (proxy.opened, proxy.refused.total()) == (1, 0)


FORBIDDEN_TARGETS = {
    "loopback": "127.0.0.1",
    "loopback by name": "localhost",
    "decimal": "2130706433",
    "hex": "0x7f.1",
    "mapped": "::ffff:127.0.0.1",
    "the recorder's metadata": "169.254.169.254",
    "a name for a private address": "inside.example",
    "a public and a private address": "both.example",
    "a public address with a private one inside": "carried.example",
    "no host at all": "a b",
    "a line break": "pages.example\r\nX: y",
}


@pytest.mark.parametrize("target", FORBIDDEN_TARGETS.values(), ids=FORBIDDEN_TARGETS)
async def test_a_forbidden_target_is_answered_with_not_allowed_and_never_reached(target: str) -> None:
    resolver = Resolver(
        {
            "inside.example": [["127.0.0.1"]],
            "both.example": [["127.0.0.1", "8.8.8.8"]],
            "carried.example": [["64:ff9b::7f00:1"]],
            "localhost": [["127.0.0.1"]],
            "127.0.0.1": [["127.0.0.1"]],
            "169.254.169.254": [["169.254.169.254"]],
            "::ffff:7f00:1": [["::ffff:127.0.0.1"]],
        }
    )
    told: list[str] = []
    async with listening() as host, proxying(host.port, resolve=resolver, told=told) as (proxy, port):
        assert await reply_to(port, by_name(target, host.port)) == FORBIDDEN
        assert await reply_to(port, by_name(target, host.port)) == FORBIDDEN

        refusal = proxy.why(target, host.port)
        assert refusal is not None
        assert refusal.kind is RefusalKind.FORBIDDEN
        assert told == [refusal.message]  # once, however often it is tried
        assert proxy.refused[RefusalKind.FORBIDDEN] == 2
        assert host.hits == 0


async def test_ipv6_addresses_are_judged_too() -> None:
    async with proxying(80) as (_, port):
        assert await reply_to(port, by_address("::1", 80)) == FORBIDDEN
        assert await reply_to(port, by_address("::ffff:10.0.0.1", 80)) == FORBIDDEN


async def test_a_denied_host_and_a_closed_port_are_refused_before_any_lookup() -> None:
    resolver = Resolver({"pages.media": [["127.0.0.1"]]})
    async with (
        listening() as host,
        proxying(host.port, LOOPBACK, deny=("pages.media",), resolve=resolver) as (_, port),
    ):
        assert await reply_to(port, by_name("pages.media", host.port)) == FORBIDDEN
        assert await reply_to(port, by_name("other.media", 22)) == FORBIDDEN

        assert (resolver.asked, host.hits) == ([], 0)


async def test_a_name_that_answers_differently_later_is_checked_again() -> None:
    # 127.0.0.2 is allowed, as an attacker's own server would be; then the name leads to 127.0.0.1.
    resolver = Resolver({"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]})
    async with listening() as host, proxying(host.port, "127.0.0.2", resolve=resolver) as (_, port):
        assert await reply_to(port, by_name("rebind.example", host.port)) == REFUSED  # nobody listens there
        assert await reply_to(port, by_name("rebind.example", host.port)) == FORBIDDEN
        assert (len(resolver.asked), host.hits) == (2, 0)


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    resolver = Resolver({"rebind.example": [["127.0.0.1"], ["10.0.0.1"]]})
    async with listening() as host, proxying(host.port, LOOPBACK, resolve=resolver) as (_, port):
        assert await reply_to(port, by_name("rebind.example", host.port)) == OPENED
        assert (resolver.asked, host.hits) == (["rebind.example"], 1)


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    resolver = Resolver({"pages.media": [["127.0.0.9", "127.0.0.1"]]})
    async with listening() as host, proxying(host.port, "127.0.0.0/8", resolve=resolver) as (_, port):
        assert await reply_to(port, by_name("pages.media", host.port)) == OPENED
        assert host.hits == 1


async def test_an_unknown_name_a_closed_port_and_a_host_that_is_silent_are_told_apart() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    resolver = Resolver({"closed.media": [["127.0.0.1"]]})
    async with proxying(closed, LOOPBACK, resolve=resolver) as (proxy, port):
        assert await reply_to(port, by_name("nobody.media", closed)) == NO_HOST
        assert await reply_to(port, by_name("closed.media", closed)) == REFUSED
        unknown, refused = proxy.why("nobody.media", closed), proxy.why("CLOSED.media.", closed)
    assert unknown
    assert unknown.kind is RefusalKind.DNS
    assert refused
    assert refused.kind is RefusalKind.REFUSED
    assert refused.message == f"closed.media port {closed} refused the connection"

    async with proxying(80, resolve=never, limits=Limits(resolve=0.05)) as (proxy, port):
        assert await reply_to(port, by_name("slow.media", 80)) == NO_HOST
        late = proxy.why("slow.media", 80)
    assert late
    assert late.kind is RefusalKind.DNS


async def test_a_host_that_never_answers_is_a_timeout() -> None:
    # A listener whose queue is full drops what comes next, as a firewall does.
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        for _ in range(2):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(where)
        resolver = Resolver({"silent.media": [["127.0.0.1"]]})
        async with proxying(where[1], LOOPBACK, resolve=resolver, limits=Limits(dial=0.2)) as (proxy, port):
            assert await reply_to(port, by_name("silent.media", where[1])) == NO_HOST
            refusal = proxy.why("silent.media", where[1])
    assert refusal
    assert refusal.kind is RefusalKind.TIMEOUT


async def test_a_connection_that_succeeds_clears_the_reason() -> None:
    resolver = Resolver({"pages.media": [["10.0.0.1"], ["127.0.0.1"]]})
    async with listening() as host, proxying(host.port, LOOPBACK, resolve=resolver) as (proxy, port):
        assert await reply_to(port, by_name("pages.media", host.port)) == FORBIDDEN
        assert proxy.why("pages.media", host.port)
        assert await reply_to(port, by_name("pages.media", host.port)) == OPENED
        assert proxy.why("pages.media", host.port) is None


async def test_each_side_may_end_its_half_first() -> None:
    async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()
        writer.write(asked[::-1])
        await writer.drain()

    async with listening(answer_after_the_end) as host, proxying(host.port, LOOPBACK) as (proxy, port):
        async with asking(port, by_address("127.0.0.1", host.port)) as (_, reader, writer):
            writer.write(b"abc")
            writer.write_eof()
            assert await reader.read() == b"cba"
        await until(lambda: proxy.open_connections == 0)


async def test_a_host_that_breaks_off_ends_the_browsers_connection() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        plain = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(break_off) as host, proxying(host.port, LOOPBACK) as (proxy, port):
        async with asking(port, by_address("127.0.0.1", host.port)) as (_, reader, writer):
            writer.write(b"x")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        await until(lambda: proxy.open_connections == 0)


async def test_a_side_that_does_not_read_stops_the_other_one() -> None:
    sent = 0
    stalled = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        block = bytes(1 << 20)
        while True:
            writer.write(block)
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                stalled.set()
                await writer.drain()
            sent += len(block)

    async with listening(flood) as host, proxying(host.port, LOOPBACK) as (proxy, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(HELLO + by_address("127.0.0.1", host.port))
        async with asyncio.timeout(20):
            await stalled.wait()
        assert sent < 32 << 20  # what the kernel's own buffers hold, and not much more
        writer.transport.abort()
        await until(lambda: proxy.open_connections == 0)


async def test_a_connection_on_which_nothing_is_said_ends() -> None:
    async with (
        listening() as host,
        proxying(host.port, LOOPBACK, limits=Limits(idle=0.1)) as (_, port),
        asking(port, by_address("127.0.0.1", host.port)) as (_, reader, _),
    ):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_a_half_closed_connection_on_which_nothing_is_said_ends_sooner() -> None:
    async def never_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with (
        listening(never_end) as host,
        proxying(host.port, LOOPBACK, limits=Limits(half_closed=0.1)) as (
            proxy,
            port,
        ),
        asking(port, by_address("127.0.0.1", host.port)) as (_, _, writer),
    ):
        writer.write_eof()
        await until(lambda: proxy.open_connections == 0)


async def test_no_more_than_the_limit_of_connections_is_open() -> None:
    async with (
        listening() as host,
        proxying(host.port, LOOPBACK, limits=Limits(connections=1)) as (proxy, port),
    ):
        async with asking(port, by_address("127.0.0.1", host.port)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        await until(lambda: proxy.open_connections == 0)
        assert await reply_to(port, by_address("127.0.0.1", host.port)) == OPENED
        assert proxy.turned_away == 1


async def test_open_connections_end_when_the_proxy_closes() -> None:
    async with listening() as host:
        proxy = PinningProxy(PageRules(allow=[LOOPBACK], ports=[host.port]))
        port = await proxy.start()
        async with asking(port, by_address("127.0.0.1", host.port)) as (_, reader, _):
            await proxy.close()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


BAD_REQUESTS = {
    "SOCKS 4": (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"\x05\xff"),
    "only with a password": (b"\x05\x01\x02", b"\x05\xff"),
    "HTTP": (b"GET / HTTP/1.1\r\n" + bytes(80), b"\x05\xff"),
    "bind": (HELLO + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
    "UDP": (HELLO + b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
    "unknown address type": (HELLO + b"\x05\x01\x00\x09\x00", b"\x05\x00\x05\x08\x00\x01" + bytes(6)),
    "cut off": (HELLO + b"\x05\x01", b"\x05\x00"),
    "silent": (b"", b""),
}


@pytest.mark.parametrize(("said", "answer"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_what_is_no_request_of_a_browser_is_turned_down(said: bytes, answer: bytes) -> None:
    async with proxying(80, limits=Limits(handshake=0.2)) as (proxy, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(100):
                heard += data
        writer.close()
        assert heard == answer
        assert (proxy.opened, proxy.refused.total()) == (0, 0)


async def test_a_page_that_tries_every_port_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    async with proxying(80, told=told) as (proxy, port):
        for tried in range(1000, 1300):
            assert await reply_to(port, by_name("pages.example", tried)) == FORBIDDEN

        assert len(told) == len(caplog.records) == 200
        assert proxy.refused[RefusalKind.FORBIDDEN] == 300
        assert proxy.why("pages.example", 1299)
        assert proxy.why("pages.example", 1000) is None  # only the newest are kept
