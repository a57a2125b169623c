"""Log lines: one JSON object each on standard error, with the task and the attempt, without secrets.

The libraries' own logging (asyncio's warnings) comes out in the same form. Tokens can stand in what other
programs say, such as a URL in an error: everything that looks like one is blotted out on the way.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_TOKENS: Final = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|(?<=access_token=)[^\s&\"']+"
    r"|(?<=Bearer )[^\s\"']+"
)
_BLOT: Final = "[removed]"


def blot(text: str) -> str:
    """Return `text` without what looks like a token."""
    return _TOKENS.sub(_BLOT, text)


def configure(level: str, **bound: object) -> None:
    """Set logging up for the process; `bound` stands in every line."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _blot_all,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    logging.basicConfig(handlers=[_Forward()], level=max(threshold, logging.WARNING), force=True)


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, "library", message=record.getMessage(), exc_info=record.exc_info or None)


def _blot_all(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: blot(value) if isinstance(value, str) else value for key, value in event.items()}
