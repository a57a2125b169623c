"""What runs in the helper Pod (helper_pod.py): keeps every POST that it gets, and tells of them. Python's library alone.

POST /…      kept; the first `refused` of them are answered with 503, the others with 204
GET /got     [{"status", "headers", "body"}], in the order in which they came; bodies as text
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

got: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    refused = 0

    def do_POST(self) -> None:
        """Keep what came."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = 503 if len(got) < self.refused else 204
        got.append({"status": status, "headers": dict(self.headers.items()), "body": body})
        self._answer(status, b"")

    def do_GET(self) -> None:
        """Tell what came."""
        self._answer(200, json.dumps(got).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve on the port of the first argument; the second is how many are refused."""
    Handler.refused = int(sys.argv[2])
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
