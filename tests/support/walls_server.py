"""Runs inside the cluster: listeners that write down who comes, and the attacker's web server.

`walls_server.py listen FIRST LAST` listens on these ports of every address, TCP and UDP, and writes a line of JSON for
each hit. `walls_server.py serve PORT FOLDER FIRST LAST` does that too and serves the attacking page: what a run tells
the page and what the page tells back is kept by run, for the test to read.

Only the standard library; it runs in the recorder's image.
"""

import asyncio
import functools
import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HITS: list[dict[str, Any]] = []
RUNS: dict[str, dict[str, Any]] = {}
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n"
    b"Content-Length: 4\r\n\r\nhit\n"
)
FIRST_WORDS_SECONDS = 3.0


def hit(protocol: str, where: tuple[Any, ...], said: bytes) -> None:
    """Write down that somebody came."""
    seen = {
        "protocol": protocol,
        "address": where[0].removeprefix("::ffff:"),
        "port": where[1],
        "said": said[:60].decode("ascii", "backslashreplace"),
    }
    HITS.append(seen)
    print(json.dumps(seen), flush=True)  # noqa: T201 - the test reads it


async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection: it counts even if nothing is said."""
    said = b""
    try:
        async with asyncio.timeout(FIRST_WORDS_SECONDS):
            said = await reader.read(2000)
    except (TimeoutError, OSError):
        pass
    hit("tcp", writer.get_extra_info("sockname"), said)
    try:
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
    except OSError:
        pass


class Datagrams(asyncio.DatagramProtocol):
    """Takes datagrams."""

    def __init__(self, port: int) -> None:
        self.port = port

    def datagram_received(self, data: bytes, _: object) -> None:
        hit("udp", ("any", self.port), data)


async def listen(first: int, last: int, host: str | None) -> None:
    loop = asyncio.get_running_loop()
    for port in range(first, last + 1):
        await asyncio.start_server(on_connection, host, port)
        # a datagram socket on :: takes IPv4 too
        address = (host or "::", port)
        await loop.create_datagram_endpoint(functools.partial(Datagrams, port), local_addr=address)
    print(json.dumps({"listening": [first, last]}), flush=True)  # noqa: T201 - as above


class Attacker:
    """The attacker's web server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            length = next(
                (int(x.split(":")[1]) for x in head.split("\r\n") if x.lower().startswith("content-length:")),
                0,
            )
            body = await reader.readexactly(length)
            parts = urlsplit(target)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, headers, text = self.answer(method, parts.path, query, body)
        except (ValueError, asyncio.IncompleteReadError):
            status, headers, text = 400, {}, ""
        data = text.encode()
        lines = {
            "Connection": "close",
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            **headers,
        }
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        writer.write((first + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode() + data)
        writer.close()

    def answer(
        self, method: str, path: str, query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], str]:
        run = RUNS.setdefault(query.get("run", ""), {})
        headers = {"Content-Type": "text/html; charset=utf-8"}
        status, text, to = 200, "{}", query.get("to", "")
        match path:
            case "/page":
                text = self.folder.joinpath("walls_page.html").read_text()
            case "/redirect":
                status, headers = int(query.get("code", "302")), {"Location": to}
            case "/refresh":
                text = f'<meta http-equiv="refresh" content="0;url={to}">'
            case "/frame":
                text = f'<iframe src="{to}"></iframe>'
            case "/violate":
                headers["Content-Security-Policy"] = f"img-src 'none'; report-uri {to}"
                text = '<img src="/forbidden.png">'
            # what page and test tell one another
            case "/say" if method == "POST":
                run.update(json.loads(body))
            case "/tell":
                run.update(json.loads(query["words"]))
            case "/heard":
                text = json.dumps(run)
            case "/hits":
                text = json.dumps(HITS)
            case _:
                status = 404
        return status, headers, text


async def main() -> None:
    match sys.argv[1:]:
        case ["listen", first, last]:
            await listen(int(first), int(last), None)
        case ["serve", port, folder, first, last]:
            await listen(int(first), int(last), "0.0.0.0")
            await asyncio.start_server(Attacker(Path(folder)).serve, "0.0.0.0", int(port))
        case _:
            sys.exit(__doc__)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
