"""Serve the demo's and the tests' web pages, answer as wrongly as real servers do, and keep what pages tell.

In: a folder of pages. Out: HTTP on `HTTP_PORT`, HTTPS with a certificate that nobody trusts on `TLS_PORT`.
Must not: need anything but Python and, for the certificate, openssl; it travels to its Pod in a ConfigMap, beside
the pages. It keeps what it is told in memory, for tests of the next minutes.

Beside the pages:

- `/status/503` answers with that status, `/redirect-loop` leads to itself, `/redirect?to=URL` leads there.
- `/slow?seconds=2` answers late; `/hang` never does.
- `/download` is a file to be saved; `/once?run=R&key=K` is `{"first": true}` the first time, then false.
- `POST /report?run=R` with a JSON object: what a page saw; `GET /reports?run=R` gives them all, each with `at`.
- `GET /log?run=R` gives the requests that had `run=R` in their query, so that a test can see what was never asked for.
"""

import argparse
import http.server
import json
import mimetypes
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections import deque
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HTTP_PORT = 8080
TLS_PORT = 8443
KEPT = 2000
"""Reports and requests that are remembered, the latest ones."""
MAX_REPORT = 64 * 1024
MAX_SLOW_SECONDS = 120.0
HANG_SECONDS = 300
"""After which even a request that is never answered is let go, so that none stays for ever."""
HOST_NAME = "pages.egress-demo"
STATUS_CODES = {str(status.value) for status in HTTPStatus if status >= HTTPStatus.OK}


class Memory:
    """What pages have told and asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._seen: set[tuple[str, str]] = set()

    def report(self, run: str, told: dict[str, Any]) -> None:
        """Keep what a page told, with the moment of its arrival."""
        with self._lock:
            self._reports.append({**told, "run": run, "at": time.time()})

    def request(self, run: str, *, method: str, path: str) -> None:
        """Keep that something was asked for."""
        with self._lock:
            self._requests.append({"run": run, "method": method, "path": path, "at": time.time()})

    def reports(self, run: str) -> list[dict[str, Any]]:
        """Give what the pages of a run told, the oldest first."""
        with self._lock:
            return [one for one in self._reports if one["run"] == run]

    def requests(self, run: str) -> list[dict[str, Any]]:
        """Give what the pages of a run asked for, the oldest first."""
        with self._lock:
            return [one for one in self._requests if one["run"] == run]

    def first(self, run: str, key: str) -> bool:
        """Tell whether this is the first time that anybody asks."""
        with self._lock:
            new = (run, key) not in self._seen
            self._seen.add((run, key))
            return new


class Server(http.server.ThreadingHTTPServer):
    """One port; a thread for each connection, for some are never answered."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], *, folder: Path, memory: Memory) -> None:
        super().__init__(address, Handler)
        self.folder, self.memory = folder, memory

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away or that did not like the certificate: both are wanted here."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = HANG_SECONDS
    server_version = "pages"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a page's request."""
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        run, memory = query.get("run", ""), self.server.memory
        match split.path:
            case "/reports":
                self._json(memory.reports(run))
            case "/log":
                self._json(memory.requests(run))
            case "/healthz":
                self._answer(b"ok", kind="text/plain")
            case _:
                if run:
                    memory.request(run, method=self.command, path=split.path)
                self._page(split.path, query)

    def _page(self, path: str, query: dict[str, str]) -> None:
        match path.strip("/").split("/"):
            case ["status", code] if code in STATUS_CODES:
                self._answer(f"<h1>{code}</h1>".encode(), status=int(code))
            case ["redirect-loop"]:
                self._redirect("/redirect-loop")
            case ["redirect"]:
                self._redirect(query.get("to", "/"))
            case ["slow"]:
                time.sleep(min(float(query.get("seconds", "1")), MAX_SLOW_SECONDS))
                self._answer(b"<h1>at last</h1>")
            case ["hang"]:
                self._hang()
            case ["download"]:
                disposition = {"Content-Disposition": 'attachment; filename="never-wanted.bin"'}
                self._answer(b"\0" * 1024, kind="application/octet-stream", headers=disposition)
            case ["once"]:
                first = self.server.memory.first(query.get("run", ""), query.get("key", ""))
                self._json({"first": first})
            case _:
                self._file(path)

    def do_POST(self) -> None:
        """Take a report."""
        split = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(size, MAX_REPORT))
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if split.path != "/report" or size > MAX_REPORT or not isinstance(told, dict):
            self.close_connection = True
            self._answer(b"POST /report?run=R takes a JSON object of at most 64 KiB", status=400)
            return
        self.server.memory.report(parse_qs(split.query).get("run", [""])[0], told)
        self._json({})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Be quiet: /log has what a test may ask for."""

    def _file(self, path: str) -> None:
        name = path.lstrip("/") or "index.html"
        file = (self.server.folder / name).resolve()
        # a ConfigMap's files are links into a folder of its own: the name must be plain, not the target
        if "/" in name or name.startswith(".") or not file.is_file():
            self._answer(f"there is no page {path!r}".encode(), kind="text/plain", status=404)
            return
        data = file.read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if "Range" in self.headers:
            self._part(data, kind=kind)
        else:
            self._answer(data, kind=kind)

    def _part(self, data: bytes, *, kind: str) -> None:
        """Answer for a part of a file: players of videos ask so."""
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        if not first.isdigit() or int(first) >= len(data):
            headers = {"Content-Range": f"bytes */{len(data)}"}
            self._answer(b"", status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
            return
        begin, end = int(first), min(int(last), len(data) - 1) if last.isdigit() else len(data) - 1
        headers = {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
        self._answer(data[begin : end + 1], kind=kind, status=HTTPStatus.PARTIAL_CONTENT, headers=headers)

    def _hang(self) -> None:
        """Wait until the other side gives up."""
        self.close_connection = True
        self.connection.settimeout(HANG_SECONDS)
        while self.connection.recv(4096):
            pass

    def _redirect(self, to: str) -> None:
        self._answer(b"", status=HTTPStatus.FOUND, headers={"Location": to})

    def _json(self, value: Any) -> None:
        self._answer(json.dumps(value).encode(), kind="application/json")

    def _answer(
        self,
        body: bytes,
        *,
        kind: str = "text/html",
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        text = kind.startswith("text/") or kind.endswith(("json", "javascript"))
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Accept-Ranges", "bytes")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def secured(server: Server) -> Server:
    """Put TLS in front of a server, with a certificate that it has signed itself."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "30", "-subj", f"/CN={HOST_NAME}", "-keyout", key, "-out", certificate],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    # the handshake is the connection's own thread's: here it would hold up everybody else
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def serve(folder: Path, *, port: int, tls_port: int) -> None:
    """Serve until the process is ended."""
    memory = Memory()
    tls = secured(Server(("", tls_port), folder=folder, memory=memory))
    threading.Thread(target=tls.serve_forever, daemon=True).start()
    Server(("", port), folder=folder, memory=memory).serve_forever()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Serves the demo's pages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=HTTP_PORT)
    parser.add_argument("--tls-port", type=int, default=TLS_PORT)
    asked = parser.parse_args()
    socket.setdefaulttimeout(HANG_SECONDS)
    serve(asked.folder, port=asked.port, tls_port=asked.tls_port)


if __name__ == "__main__":
    main()
