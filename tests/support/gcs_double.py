"""A stand-in for Google Cloud Storage: as much of its XML API as obstore speaks, written from Google's documentation.

In: requests, signed or not. Out: objects in memory, with generations and conditions on them. It is no proof that Google's
server does the same: no emulator that could be had takes uploads by that API (docs/stores.md says so). It holds what this
project's own code makes of generations, facts and answers.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language")


@dataclass(frozen=True)
class _Object:
    content: bytes
    generation: int
    headers: dict[str, str]
    modified: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


@dataclass
class GcsDouble:
    """The buckets, and the port that they are reached at."""

    port: int = 0
    buckets: dict[str, dict[str, _Object]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    generation: int = 1_700_000_000_000_000
    uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = field(default_factory=dict)
    """Of objects in parts: the headers that they began with, and the parts, by the upload's id."""

    def put(self, bucket: str, name: str, content: bytes, headers: dict[str, str]) -> _Object | int:
        """Write an object if its condition holds; return it, or the status that says why not."""
        with self.lock:
            if bucket not in self.buckets:
                return 404
            there = self.buckets[bucket].get(name)
            wanted = headers.get("x-goog-if-generation-match")
            if wanted is not None and int(wanted) != (there.generation if there else 0):
                return 412
            self.generation += 1
            kept = {k: v for k, v in headers.items() if k in _KEPT or k.startswith("x-goog-meta-")}
            made = _Object(content, self.generation, kept, formatdate(usegmt=True))
            self.buckets[bucket][name] = made
            return made


_ERRORS = {
    404: ("NoSuchKey", "The specified key does not exist."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold."),
    416: ("InvalidRange", "The requested range cannot be satisfied."),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: GcsDouble

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        bucket, name, query = self._asked()
        if "uploadId" in query:
            self._take_part(query, content)
            return
        made = self.double.put(bucket, name, content, {k.lower(): v for k, v in self.headers.items()})
        if isinstance(made, int):
            self._refuse(made, bucket)
        else:
            self._answer(200, b"", {"ETag": made.etag, "x-goog-generation": str(made.generation)})

    def do_GET(self) -> None:
        bucket, name, query = self._asked()
        with self.double.lock:
            objects = dict(self.double.buckets.get(bucket, {}))
        if bucket not in self.double.buckets or (name and name not in objects):
            self._refuse(404, bucket)
        elif name:
            self._send(objects[name], bucket)
        else:
            self._list(objects, query)

    def do_POST(self) -> None:
        """Begin an object in parts, or put its parts together."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        bucket, name, query = self._asked()
        if "uploadId" not in query:
            upload = f"upload-{len(self.double.uploads)}"
            self.double.uploads[upload] = ({k.lower(): v for k, v in self.headers.items()}, {})
            root, told = "InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"
            made: _Object | int = 200
        else:
            headers, parts = self.double.uploads.pop(query["uploadId"][0])
            wanted = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
            made = self.double.put(bucket, name, b"".join(parts[number] for number in wanted), headers)
            root, told = "CompleteMultipartUploadResult", ""
        if isinstance(made, int) and made in _ERRORS:
            self._refuse(made, bucket)
            return
        told += f"<Bucket>{bucket}</Bucket><Key>{escape(name)}</Key>"
        more = {}
        if isinstance(made, _Object):
            told += f"<ETag>{made.etag}</ETag>"
            more = {"x-goog-generation": str(made.generation)}
        text = f'<?xml version="1.0" encoding="UTF-8"?><{root}>{told}</{root}>'
        self._answer(200, text.encode(), {"Content-Type": "application/xml", **more})

    def do_DELETE(self) -> None:
        """Forget an object in parts."""
        _, _, query = self._asked()
        self.double.uploads.pop(query["uploadId"][0], None)
        self._answer(204, b"", {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def _asked(self) -> tuple[str, str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
        return bucket, name, parse_qs(parts.query, keep_blank_values=True)

    def _take_part(self, query: dict[str, list[str]], content: bytes) -> None:
        _, parts = self.double.uploads[query["uploadId"][0]]
        parts[int(query["partNumber"][0])] = content
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self._answer(200, b"", {"ETag": f'"{etag}"'})

    def _send(self, found: _Object, bucket: str) -> None:
        content, status, more = found.content, 200, {}
        if (asked := self.headers.get("Range")) is not None:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            size, begin = len(content), int(first)
            if begin >= size:
                self._refuse(416, bucket)
                return
            content, status = content[begin : int(last) + 1], 206
            more = {"Content-Range": f"bytes {begin}-{begin + len(content) - 1}/{size}"}
        headers = {"ETag": found.etag, "x-goog-generation": str(found.generation), **more}
        self._answer(status, content, headers | {"Last-Modified": found.modified} | found.headers)

    def _list(self, objects: dict[str, _Object], query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        rows = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-23T07:00:00.000Z</LastModified>"
            f"<ETag>{each.etag}</ETag><Size>{len(each.content)}</Size></Contents>"
            for name, each in sorted(objects.items())
            if name.startswith(prefix)
        )
        text = f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>{rows}</ListBucketResult>'
        self._answer(200, text.encode(), {"Content-Type": "application/xml"})

    def _refuse(self, status: int, bucket: str) -> None:
        code, message = _ERRORS[status]
        if bucket not in self.double.buckets:
            code, message = "NoSuchBucket", "The specified bucket does not exist."
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self._answer(status, text.encode(), {"Content-Type": "application/xml"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serving() -> Iterator[GcsDouble]:
    """Run a stand-in for as long as the block lasts."""
    double = GcsDouble()
    handler = type("Handler", (_Handler,), {"double": double})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        double.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()


def account(
    port: int, *, email: str = "recorder@example.iam.gserviceaccount.com", signs: bool = False
) -> str:
    """Return a service account's key, with which obstore finds a stand-in or what stands before it.

    Args:
        port: where.
        email: whose it is.
        signs: whether requests are signed with it, as with Google; else they are not, as the stand-in has no tokens.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "gcs_base_url": f"http://127.0.0.1:{port}",
            "disable_oauth": not signs,
            "client_email": email,
            "private_key": key.decode(),
            "private_key_id": "1",
        }
    )
