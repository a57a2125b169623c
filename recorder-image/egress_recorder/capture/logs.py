"""Log lines on stderr, as JSON, with no secret in them.

In: the standard library's log records, also the SDK's, which quote a refused token in full. Out: one JSON object
per line. Whatever looks like a JWT, stands behind `access_token=`, or was named by `hide`, is replaced.
"""

import json
import logging
import re
import sys

_TOKENS = re.compile(r"eyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?|(?<=access_token=)[^&\s\"']+")
_HIDDEN: set[str] = set()
_NOISE = "Attempted to drop unknown FFI handle"  # the SDK's own, for everybody who has left before we do


def hide(secret: str) -> None:
    """Never show this text from now on."""
    if secret:
        _HIDDEN.add(secret)


def redact(text: str) -> str:
    """Take tokens and hidden texts out."""
    for secret in _HIDDEN:
        text = text.replace(secret, "…")
    return _TOKENS.sub("…", text)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        entry = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def log_to_stderr() -> None:
    """Send all log lines to stderr; of the SDK's, only warnings and worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: _NOISE not in record.getMessage())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("livekit").setLevel(logging.WARNING)
