"""File name patterns: `{date}_{channel}` in, `20261123_standup` out.

One grammar for REST, for the resource's schema (as a regular expression that the API server checks) and
for rendering. A name is rendered from the task's creation time, so every attempt and every program comes
to the same one. The result is always a single safe path component, never empty, never hidden.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

MOMENT_TOKENS: Final = {"date": "%Y%m%d", "time": "%H%M%S"}
"""Token → its form when none is given, in strftime's notation, UTC."""
VALUE_TOKENS: Final = ("region", "app_id", "channel", "task_id", "layout")
MAX_PATTERN: Final = 200
MAX_NAME: Final = 200
"""Bytes of a rendered name; leaves room for `_000000.ts` within the 255 of common file systems."""

_DIRECTIVES: Final = "YymdHMSjf"
PATTERN_REGEX: Final = (
    r"^([A-Za-z0-9_.-]"
    rf"|\{{({'|'.join(MOMENT_TOKENS)})(:(%[{_DIRECTIVES}]|[^{{}}%])+)?\}}"
    rf"|\{{({'|'.join(VALUE_TOKENS)})\}})+$"
)
"""Also a valid RE2 expression: the API server's schema uses it as it is."""

_TOKEN: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class PatternError(ValueError):
    """A file name pattern that can't be used; the text says which part and what may stand there."""


def check_pattern(pattern: str) -> str:
    """Return `pattern` if it can be rendered.

    Raises:
        PatternError: naming the first part that is wrong.
    """
    if not pattern or len(pattern) > MAX_PATTERN:
        raise PatternError(f"must be 1 to {MAX_PATTERN} characters long")
    known = (*MOMENT_TOKENS, *VALUE_TOKENS)
    for match in _TOKEN.finditer(pattern):
        token, form = match.group(1), match.group(2)
        if token not in known:
            raise PatternError(f"unknown token {{{token}}}; known are {', '.join(f'{{{k}}}' for k in known)}")
        if form is not None and token not in MOMENT_TOKENS:
            raise PatternError(f"{{{token}}} takes no form after a colon, only {{date}} and {{time}} do")
    if re.fullmatch(PATTERN_REGEX, pattern) is None:
        allowed = ", ".join(f"%{d}" for d in _DIRECTIVES)
        raise PatternError(
            f"may hold letters, digits, '_', '.', '-' and tokens in braces; a form takes {allowed}"
        )
    return pattern


def render_pattern(pattern: str, *, moment: datetime, values: Mapping[str, str]) -> str:
    """Return the file name (no suffix) that `pattern` stands for.

    Args:
        pattern: one that `check_pattern` accepts.
        moment: the task's one instant; shown in UTC.
        values: a text for each of `VALUE_TOKENS`; characters that are unsafe in a name become `_`.

    Raises:
        PatternError: when the pattern is not valid.
    """
    check_pattern(pattern)
    utc = moment.astimezone(UTC)

    def expand(match: re.Match[str]) -> str:
        token, form = match.group(1), match.group(2)
        if token in MOMENT_TOKENS:
            return utc.strftime(form or MOMENT_TOKENS[token])
        return values[token]

    name = _UNSAFE.sub("_", _TOKEN.sub(expand, pattern))[:MAX_NAME]
    return f"_{name[1:]}" if name[:1] in {"", "."} else name
