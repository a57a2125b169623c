"""Starts that must be refused, as data: a change to a good body, and the field that the answer must name.

Used by the unit tests (the gateway alone), the API tier and the e2e tests. `BAD_UPDATES` are updates of the
kind, `BAD_TEXTS` bodies that are no JSON object at all.
"""

from dataclasses import dataclass, field
from typing import Any

from support.manifests import ABSENT, changed

START_FLAT: dict[str, Any] = {
    "request_id": "m2d3k03l",
    "cmd": "record",
    "payload": {
        "layout": "flat",
        "channel": "egress_test",
        "access_token": "007eJxt9VMp+//+i9SOE",
        "workerUid": 42,
        "users": ["user1", "user2"],
        "filename_pattern": "file_output",
        "format": "hls",
        "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
        "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
    },
}
"""The start of the contract, byte for byte."""

START_FREESTYLE: dict[str, Any] = {
    "request_id": "m2d3k03l",
    "cmd": "record",
    "payload": {
        "layout": "freestyle",
        "url": "http://your_freestyle_canvas.good.example",
        "webGL": False,
        "filename_pattern": "file_output",
        "format": "hls",
        "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 1000},
        "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
    },
}

FLAT_ONLY = ("channel", "access_token", "workerUid", "users")
NO_FLAT = {f"payload.{name}": ABSENT for name in FLAT_ONLY}
PAGE = {**NO_FLAT, "payload.layout": "freestyle", "payload.url": "http://canvas.good.example/a"}
"""Changes that make a good flat start a good freestyle one."""


@dataclass(frozen=True)
class BadStart:
    """A change to a good flat start, and how it is refused."""

    what: str
    changes: dict[str, Any]
    """Dotted path in the body → value; `ABSENT` takes the field away."""
    pointer: str
    """JSON pointer of a field that the answer must name."""
    sentence: str
    """A part of what is said about it."""
    status: int = 400

    def body(self, good: dict[str, Any] = START_FLAT) -> dict[str, Any]:
        """Return the bad body."""
        return changed(good, self.changes)


def _bad(what: str, path: str, value: Any, sentence: str, *, pointer: str = "") -> BadStart:
    return BadStart(what, {path: value}, pointer or "/" + path.replace(".", "/"), sentence)


def _bad_page(what: str, path: str, value: Any, sentence: str) -> BadStart:
    return BadStart(what, {**PAGE, path: value}, "/" + path.replace(".", "/"), sentence)


_SELECTOR = "start.selector goes with start.when: selector"

BAD_STARTS: list[BadStart] = [
    _bad("a request_id with a dash", "request_id", "m2d3-k03l", "must be 1 to 32 letters and digits"),
    _bad("a request_id of 33 characters", "request_id", "a" * 33, "must be 1 to 32 letters and digits"),
    _bad("an empty request_id", "request_id", "", "must be 1 to 32 letters and digits"),
    _bad("a request_id that ends in a newline", "request_id", "abc\n", "must be 1 to 32 letters and digits"),
    _bad("a request_id that is a number", "request_id", 42, "must be a text"),
    _bad("no request_id", "request_id", ABSENT, "is needed"),
    _bad("no cmd", "cmd", ABSENT, "is needed"),
    _bad("another cmd", "cmd", "snapshot", "must be 'record'"),
    _bad("no payload", "payload", ABSENT, "is needed"),
    _bad("a payload that is a list", "payload", [], "must be an object"),
    _bad("a payload that is null", "payload", None, "must be an object"),
    _bad("an unknown field at the top", "priority", 1, "unknown field"),
    _bad("an unknown field in the payload", "payload.chanel", "x", "unknown field"),
    _bad("an unknown field in video", "payload.video.fps", 30, "unknown field"),
    _bad("the Python name of a field", "payload.worker_uid", 42, "unknown field"),
    _bad("an unknown field with a slash", "payload.a/b~c", 1, "unknown field", pointer="/payload/a~1b~0c"),
    _bad("no layout", "payload.layout", ABSENT, "is needed"),
    _bad(
        "another layout", "payload.layout", "grid", "must be 'flat', 'spotlight', 'customized' or 'freestyle'"
    ),
    _bad("flat without a channel", "payload.channel", ABSENT, "is needed with layout flat"),
    _bad("flat without an access_token", "payload.access_token", ABSENT, "is needed with layout flat"),
    _bad("flat with a url", "payload.url", "http://canvas.good.example", "does not go with layout flat"),
    _bad("flat with webGL", "payload.webGL", False, "does not go with layout flat"),
    _bad("flat with a start rule", "payload.start", {"when": "load"}, "does not go with layout flat"),
    BadStart(
        "customized without regions",
        {"payload.layout": "customized"},
        "/payload/regions",
        "is needed with layout customized",
    ),
    _bad("no regions at all", "payload.regions", [], "must have at least 1 item"),
    _bad(
        "a region without a width",
        "payload.regions",
        [{"x": 0, "y": 0, "height": 360, "slot": 1}],
        "is needed",
        pointer="/payload/regions/0/width",
    ),
    BadStart(
        "spotlight without a channel",
        {"payload.layout": "spotlight", "payload.channel": ABSENT},
        "/payload/channel",
        "is needed with layout spotlight",
    ),
    BadStart(
        "spotlight with a url",
        {"payload.layout": "spotlight", "payload.url": "http://canvas.good.example"},
        "/payload/url",
        "does not go with layout spotlight",
    ),
    _bad("an empty channel", "payload.channel", "", "must be 1 to 64 letters"),
    _bad("a channel of 65 characters", "payload.channel", "c" * 65, "must be 1 to 64 letters"),
    _bad("a channel with a space", "payload.channel", "my room", "must be 1 to 64 letters"),
    _bad("a channel with a letter that is not ASCII", "payload.channel", "größe", "must be 1 to 64 letters"),
    _bad("an access_token of 9 characters", "payload.access_token", "007eJxt9V", "at least 10 characters"),
    _bad("an access_token of 2049", "payload.access_token", "s" * 2049, "at most 2048 characters"),
    _bad("an access_token that is a number", "payload.access_token", 1234567890, "must be a text"),
    _bad("a workerUid of 0", "payload.workerUid", 0, "must be at least 1"),
    _bad("a workerUid that is too large", "payload.workerUid", 10**9, "must be at most 999999999"),
    _bad("a workerUid that is a text", "payload.workerUid", "42", "must be a whole number"),
    _bad("a workerUid that is true", "payload.workerUid", True, "must be a whole number"),
    _bad("33 users", "payload.users", [f"user{n}" for n in range(33)], "must have at most 32 items"),
    _bad("a user with a dot", "payload.users", ["user1", "user.2"], "letters", pointer="/payload/users/1"),
    _bad("an empty user", "payload.users", [""], "must be 1 to 32", pointer="/payload/users/0"),
    _bad("users that are a text", "payload.users", "user1", "must be a list"),
    _bad("an odd width", "payload.video.width", 1281, "must be a multiple of 2"),
    _bad("a width of 14", "payload.video.width", 14, "must be at least 16"),
    _bad("a width of 3842", "payload.video.width", 3842, "must be at most 3840"),
    _bad("a width that is a text", "payload.video.width", "1280", "must be a whole number"),
    _bad("a width with a fraction", "payload.video.width", 1280.5, "must be a whole number"),
    _bad("a height of 2162", "payload.video.height", 2162, "must be at most 2160"),
    _bad("a frameRate of 0", "payload.video.frameRate", 0, "must be at least 1"),
    _bad("a frameRate of 61", "payload.video.frameRate", 61, "must be at most 60"),
    _bad("a negative bitrate", "payload.video.bitrate", -1, "must be at least 50"),
    _bad("video that is a text", "payload.video", "720p", "must be an object"),
    _bad("a sampleRate that no codec has", "payload.audio.sampleRate", 12345, "must be 16000, 24000"),
    _bad("3 audio channels", "payload.audio.channels", 3, "must be at most 2"),
    _bad(
        "another format", "payload.format", "avi", "must be 'hls', 'mp4', 'm4a', 'ogg', 'mp3' or 'thumbnails'"
    ),
    _bad("outputs that are a text", "payload.outputs", "mp4", "must be a list"),
    _bad(
        "an output in another format",
        "payload.outputs",
        [{"format": "avi"}],
        "must be 'hls', 'mp4', 'm4a', 'ogg', 'mp3' or 'thumbnails'",
        pointer="/payload/outputs/0/format",
    ),
    _bad("an output twice", "payload.outputs", [{"format": "mp4"}] * 2, "must not have a format twice"),
    _bad(
        "thumbnails each half a second",
        "payload.outputs",
        [{"format": "thumbnails", "everySeconds": 0}],
        "must be at least 1",
        pointer="/payload/outputs/0/everySeconds",
    ),
    _bad("9 outputs", "payload.outputs", [{"format": "mp4"}] * 9, "must have at most 8 items"),
    _bad("an unknown token", "payload.filename_pattern", "{user}", "unknown token {user}"),
    _bad("a path in the name", "payload.filename_pattern", "../../etc/x", "may hold letters, digits"),
    _bad(
        "a pattern that ends in a newline", "payload.filename_pattern", "file\n", "may hold letters, digits"
    ),
    _bad("an empty pattern", "payload.filename_pattern", "", "must be at least 1 character"),
    _bad("segments of 0 seconds", "payload.segmentSeconds", 0, "must be at least 1"),
    _bad("a limit below zero", "payload.limits.maxDurationSeconds", -5, "must be at least 1"),
    _bad("a bound of -1 bytes", "payload.limits.maxBytes", -1, "must be at least 0"),
    _bad("a bound on bytes in words", "payload.limits.maxBytes", "1G", "must be a whole number"),
    _bad("more bytes than a number holds", "payload.limits.maxBytes", 2**53 + 1, "must be at most"),
    _bad("a limit in snake case", "payload.limits.max_bytes", 1, "unknown field"),
    _bad("another frozenPicture", "payload.frozenPicture", "grey", "must be 'black' or 'dimmed'"),
    _bad("a frozenPicture in snake case", "payload.frozen_picture", "black", "unknown field"),
    _bad("a placement that is a text", "payload.placement", "eu-west", "must be an object"),
    _bad(
        "a region with a slash", "payload.placement.region", "eu/west", "with a letter or digit at both ends"
    ),
    _bad("an empty zone", "payload.placement.zone", "", "with a letter or digit at both ends"),
    _bad("a zone of 64", "payload.placement.zone", "a" * 64, "must be 1 to 63 letters"),
    _bad("labels of nodes", "payload.placement.node_selector", {"a": "b"}, "unknown field"),
    _bad("labels of nodes in camel case", "payload.placement.nodeSelector", {"a": "b"}, "unknown field"),
    _bad("tolerations", "payload.placement.tolerations", [{"operator": "Exists"}], "unknown field"),
    _bad("a pause that is a text", "payload.pause", "yes", "must be true or false"),
    _bad("a priority of -1001", "payload.priority", -1001, "must be at least -1000"),
    _bad("a priority in words", "payload.priority", "high", "must be a whole number"),
    _bad("a queue that can't be a label", "payload.queue_name", "Team_A", "must be the name of a LocalQueue"),
    _bad("a queue name in camel case", "payload.queueName", "a", "unknown field"),
    BadStart(
        "freestyle without a url",
        {**NO_FLAT, "payload.layout": "freestyle"},
        "/payload/url",
        "is needed with layout freestyle",
    ),
    _bad_page("freestyle with a channel", "payload.channel", "c", "does not go with layout freestyle"),
    _bad_page(
        "freestyle with a token", "payload.access_token", "007eJxt9VMp+", "does not go with layout freestyle"
    ),
    _bad_page(
        "a url of another scheme", "payload.url", "ftp://good.example/", "must be an http or https URL"
    ),
    _bad_page("a file url", "payload.url", "file:///etc/passwd", "must be an http or https URL"),
    _bad_page("a url with user info", "payload.url", "http://a:b@good.example/", "without user info"),
    _bad_page("a url with a space", "payload.url", "http://good.example/a b", "or spaces"),
    _bad_page("a url of 1025", "payload.url", "http://good.example/" + "a" * 1005, "at most 1024"),
    _bad_page("a url without a host", "payload.url", "http://", "with a host"),
    _bad_page("another start", "payload.start.when", "idle", "must be 'load', 'console' or 'selector'"),
    _bad_page("a start by selector without one", "payload.start", {"when": "selector"}, _SELECTOR),
    _bad_page(
        "a selector with another start", "payload.start", {"when": "load", "selector": "#a"}, _SELECTOR
    ),
    _bad_page("a selector alone", "payload.start", {"selector": "#a"}, _SELECTOR),
    _bad_page("an empty selector", "payload.start.selector", "", "must be a CSS selector of at most 256"),
    _bad_page("no time to start in", "payload.start.timeoutSeconds", 0, "must be at least 1"),
    _bad_page("301 s to start in", "payload.start.timeoutSeconds", 301, "must be at most 300"),
    _bad_page("another end of waiting", "payload.start.onTimeout", "retry", "must be 'start' or 'fail'"),
    _bad_page("a start in snake case", "payload.start.on_timeout", "start", "unknown field"),
    _bad_page("a start that is a text", "payload.start", "load", "must be an object"),
]
"""Refused with 400; each names its field."""


@dataclass(frozen=True)
class BadUpdate:
    """An update that is refused with 400, and the one field that the answer names."""

    what: str
    body: dict[str, Any]
    pointer: str
    sentence: str


def _bad_update(what: str, payload: Any, pointer: str, sentence: str, **more: Any) -> BadUpdate:
    return BadUpdate(what, {"request_id": "a", "payload": payload, **more}, pointer, sentence)


_CHANGE = "must say what is to change: pause, users, layout or access_token"

BAD_UPDATES: list[BadUpdate] = [
    BadUpdate("no request_id", {"payload": {"pause": True}}, "/request_id", "is needed"),
    BadUpdate("no payload", {"request_id": "a"}, "/payload", "is needed"),
    _bad_update("a payload that is null", None, "/payload", "must be an object"),
    _bad_update("a payload that is a list", [True], "/payload", "must be an object"),
    _bad_update("nothing to change", {}, "/payload", _CHANGE),
    _bad_update("a pause that is null", {"pause": None}, "/payload", _CHANGE),
    _bad_update(
        "a short token",
        {"access_token": "short"},
        "/payload/access_token",
        "must be at least 10 characters long",
    ),
    _bad_update("a token that is a number", {"access_token": 1}, "/payload/access_token", "must be a text"),
    _bad_update("a pause that is a text", {"pause": "true"}, "/payload/pause", "must be true or false"),
    _bad_update("a pause that is a number", {"pause": 1}, "/payload/pause", "must be true or false"),
    _bad_update(
        "what can't be changed", {"pause": True, "format": "mp4"}, "/payload/format", "unknown field"
    ),
    _bad_update(
        "the layout of a page",
        {"layout": "freestyle"},
        "/payload/layout",
        "must be 'flat', 'spotlight' or 'customized'",
    ),
    _bad_update(
        "another layout", {"layout": "grid"}, "/payload/layout", "must be 'flat', 'spotlight' or 'customized'"
    ),
    _bad_update(
        "a user with a dot",
        {"users": ["a", "b.c"]},
        "/payload/users/1",
        "must be 1 to 32 letters, digits, '_' or '-'",
    ),
    _bad_update("too many users", {"users": ["a"] * 33}, "/payload/users", "must have at most 32 items"),
    _bad_update("a stop", {"pause": True, "stop": True}, "/payload/stop", "unknown field"),
    _bad_update("a pause beside the payload", {"pause": True}, "/pause", "unknown field", pause=True),
    _bad_update("a cmd", {"pause": True}, "/cmd", "unknown field", cmd="pause"),
]


@dataclass(frozen=True)
class BadText:
    """A body that is no JSON object, and how it is refused."""

    what: str
    content: bytes
    sentence: str
    kind: str = "malformed-json"
    status: int = 400
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


BAD_TEXTS: list[BadText] = [
    BadText("no JSON", b"request_id=m2d3k03l", "line 1, column 1"),
    BadText("JSON that is cut", b'{"request_id": "m2d3k03l",\n "cmd', "line 2, column 2"),
    BadText("a comma too many", b'{"cmd": "record",}', "line 1, column 18"),
    BadText("words after the end", b"{} {}", "line 1, column 4"),
    BadText("NaN", b'{"request_id": NaN}', "NaN is not a JSON value"),
    BadText("Infinity", b'{"request_id": -Infinity}', "-Infinity is not a JSON value"),
    BadText("a key that stands twice", b'{"cmd": "record", "cmd": "stop"}', "'cmd' stands twice"),
    BadText("bytes that are not UTF-8", b'{"cmd": "\xff"}', "byte 9 is not UTF-8"),
    BadText("UTF-16", '{"cmd": "record"}'.encode("utf-16"), "byte 0 is not UTF-8"),
    BadText("a byte order mark", b'\xef\xbb\xbf{"cmd": "record"}', "line 1, column 1"),
    BadText("half a surrogate pair", b'{"request_id": "\\ud800"}', "hex escape"),
    BadText("a number of 5000 digits", b'{"request_id": ' + b"9" * 5000 + b"}", "not valid JSON"),
    BadText("nesting without end", b'{"a":' + b"[" * 60_000, "nested too deeply"),
    BadText("a list", b"[]", "must be a JSON object", kind="invalid-body"),
    BadText("a text", b'"record"', "must be a JSON object", kind="invalid-body"),
    BadText("null", b"null", "must be a JSON object", kind="invalid-body"),
    BadText("nothing", b"", "is missing", kind="invalid-body"),
    BadText(
        "a form, as curl -d sends it",
        b'{"cmd": "record"}',
        "-H 'Content-Type: application/json'",
        kind="unsupported-media-type",
        status=415,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    BadText(
        "JSON in another character set",
        b'{"cmd": "record"}',
        "JSON is UTF-8",
        kind="unsupported-media-type",
        status=415,
        headers={"Content-Type": "application/json; charset=iso-8859-1"},
    ),
    BadText(
        "more than 64 KiB",
        b'{"cmd": "' + b"a" * 65_536 + b'"}',
        "larger than 64 KiB",
        kind="body-too-large",
        status=413,
    ),
]
