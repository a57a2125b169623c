"""Requests that no client library would send, byte by byte, and the status that each must get.

What schemathesis can't say: bytes that are no UTF-8, heads that contradict themselves, numbers without end, texts that
are nearly a URL. `ODD_REQUESTS` is data: name → (status, request).
"""

import json
from typing import Any

_HEAD = b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
_TASKS = b"/egress/v1/demo/tasks"
_JSON = b"Content-Type: application/json\r\n"


def _get(path: bytes, headers: bytes = b"", *, method: bytes = b"GET") -> bytes:
    return method + b" " + path + _HEAD + headers + b"\r\n"


def _post(body: bytes, headers: bytes = _JSON, *, path: bytes = _TASKS) -> bytes:
    return b"POST " + path + _HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _page(**payload: Any) -> bytes:
    chosen = {"layout": "freestyle", "url": "http://93.184.215.14", **payload}
    request_id = "".join(payload).replace("_", "")
    return _post(json.dumps({"request_id": request_id, "cmd": "record", "payload": chosen}).encode())


ODD_REQUESTS: dict[str, tuple[int, bytes]] = {
    "a task_id that is no UTF-8": (404, _get(_TASKS + b"/%FF")),
    "a task_id with bytes that are not ASCII": (400, _get(_TASKS + b"/\xff\xfe")),
    "a task_id with NUL": (404, _get(_TASKS + b"/%00")),
    "a task_id with a line end": (404, _get(_TASKS + b"/a%0d%0aX-Evil:%201")),
    "a task_id with half a surrogate pair": (404, _get(_TASKS + b"/%ED%A0%80")),
    "a task_id with a percent sign alone": (404, _get(_TASKS + b"/%zz%")),
    "a task_id with a slash": (404, _get(_TASKS + b"/a%2Fb")),
    "a task_id that leads up": (404, _get(_TASKS + b"/%2e%2e")),
    "a task_id of 4000 characters": (404, _get(_TASKS + b"/" + b"a" * 4000)),
    "an app_id that is no UTF-8": (400, _get(b"/egress/v1/%FF/tasks")),
    "no app_id": (404, _get(b"/egress/v1//tasks")),
    "a path that is no UTF-8": (404, _get(b"/%FF%ED%A0%80")),
    "a path that begins twice": (404, _get(b"//[/x")),
    "a URL for a path": (400, _get(b"http://[::1/healthz")),
    "a star for a path": (404, _get(b"*", method=b"OPTIONS")),
    "a host for a path": (404, _get(b"here:1", method=b"CONNECT")),
    "a method that nobody knows": (400, _get(b"/healthz", method=b"WONDER")),
    "wait twice": (400, _get(_TASKS + b"/t1?wait=1&wait=2")),
    "wait of 4000 digits": (400, _get(_TASKS + b"/t1?wait=" + b"9" * 4000)),
    "limit of 4000 digits": (400, _get(_TASKS + b"?limit=" + b"9" * 4000)),
    "limit in Arabic digits": (400, _get(_TASKS + b"?limit=%D9%A1")),
    "a query that is no UTF-8": (400, _get(_TASKS + b"?%FF=%FF")),
    "a filter with half a surrogate pair": (400, _get(_TASKS + b"?status=%ED%A0%80")),
    "a time before all time": (200, _get(_TASKS + b"?created_after=0001-01-01T00:00:00%2B14:00")),
    "a time behind all time": (200, _get(_TASKS + b"?created_before=9999-12-31T23:59:59-14:00")),
    "a time with NUL": (400, _get(_TASKS + b"?created_before=%00")),
    "a cursor that is not ASCII": (400, _get(_TASKS + b"?cursor=%C3%A9")),
    "900 parameters": (400, _get(_TASKS + b"?" + b"&".join(b"a%d=1" % n for n in range(900)))),
    "an ETag that is none": (404, _get(_TASKS + b"/t1", b'If-None-Match: \xff"a\r\n')),
    "a Last-Event-ID that is not ASCII": (404, _get(_TASKS + b"/t1/events", b"Last-Event-ID: \xff\r\n")),
    "a Last-Event-ID of 20 digits": (
        404,
        _get(_TASKS + b"/t1/events", b"Last-Event-ID: " + b"9" * 20 + b"\r\n"),
    ),
    "an X-Request-Id that is not ASCII": (200, _get(b"/healthz", b"X-Request-Id: \xff\xfe\r\n")),
    "an X-Request-Id with NUL": (400, _get(b"/healthz", b"X-Request-Id: a\0b\r\n")),
    "a token that is not ASCII": (200, _get(_TASKS, b"Authorization: Bearer \xff\r\n")),
    "a range that goes backwards": (200, _get(b"/egress/v1/docs", b"Range: bytes=9-3\r\n")),
    "a cookie of quotes": (200, _get(_TASKS, b'Cookie: a="\xff; ;;=;\r\n')),
    "an upgrade": (200, _get(_TASKS, b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n")),
    "a media type that is none": (415, _post(b"{}", b"Content-Type: \xff;;;=\r\n")),
    "a character set that is none": (415, _post(b"{}", b"Content-Type: application/json; charset=\xff\r\n")),
    "two media types": (400, _post(b"{}", _JSON + b"Content-Type: text/plain\r\n")),
    "an encoding that nobody knows": (400, _post(b"{}", _JSON + b"Content-Encoding: wonder\r\n")),
    "a whole number of 4299 digits": (400, _post(b'{"request_id": ' + b"9" * 4299 + b"}")),
    "a number without end": (400, _post(b'{"request_id": 1e400, "cmd": 1.0}')),
    "a key that is NUL": (400, _post(b'{"\\u0000": 1}')),
    "objects without end": (400, _post(b'{"a":' * 9000 + b"1" + b"}" * 9000)),
    "a URL with half an address": (422, _page(url="http://[")),
    "a URL with a port of 11 digits": (422, _page(url="http://a:99999999999/")),
    "a URL with a port in Arabic digits": (422, _page(url="http://a:\u0661/")),
    "a URL with NUL": (422, _page(url="http://a\0b/")),
    "a URL with one label of 900": (422, _page(url="http://" + "a" * 900)),
    "a URL of dots": (422, _page(url="http://...../")),
    "a URL with letters that IDNA has not": (422, _page(url="http://\u2100.\u00df\ufe52/")),
    "a URL with an escaped host": (422, _page(url="http://%00%ff/")),
    "a URL with a zone": (422, _page(url="http://[fe80::1%25eth0]/")),
    "a URL of the future": (422, _page(url="http://[v1.a]/")),
    "a selector that is a line end": (202, _page(start={"when": "selector", "selector": "\u2028"})),
    "a file name with NUL": (202, _page(filename_pattern="{date:\0}")),
}
