import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_api.pattern import (
    MAX_NAME,
    MAX_PATTERN,
    PATTERN_REGEX,
    PatternError,
    check_pattern,
    render_pattern,
)

MOMENT = datetime(2026, 11, 23, 5, 11, 22, tzinfo=UTC)
VALUES = {"region": "eu-1", "app_id": "demo", "channel": "a:b", "task_id": "t1", "layout": "flat"}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("file_output", "file_output"),
        ("{date}_{time}", "20261123_051122"),
        ("{date:%Y-%m-%d}.{time:%H%M}", "2026-11-23.0511"),
        ("{region}-{app_id}-{task_id}-{layout}", "eu-1-demo-t1-flat"),
        ("{channel}", "a_b"),
        ("{time:%H:%M}", "05_11"),
        ("..", "_."),
        (".hidden", "_hidden"),
    ],
)
def test_renders(pattern: str, name: str) -> None:
    assert render_pattern(pattern, moment=MOMENT, values=VALUES) == name


def test_a_name_is_never_empty() -> None:
    assert render_pattern("{region}", moment=MOMENT, values={**VALUES, "region": ""}) == "_"


def test_the_instant_is_shown_in_utc() -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=-11)))
    assert render_pattern("{date}{time}", moment=elsewhere, values=VALUES) == "20261123051122"


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("", "1 to 200"),
        ("a" * 201, "1 to 200"),
        ("{user}", "unknown token {user}"),
        ("{}", "unknown token {}"),
        ("{channel:%Y}", "takes no form"),
        ("{date:%Z}", "a form takes"),
        ("{date", "tokens in braces"),
        ("a/b", "may hold letters"),
        ("a b", "may hold letters"),
        ("ä", "may hold letters"),
    ],
)
def test_says_what_is_wrong(pattern: str, sentence: str) -> None:
    with pytest.raises(PatternError, match=re.escape(sentence)):
        check_pattern(pattern)


@given(
    pattern=st.from_regex(PATTERN_REGEX, fullmatch=True).filter(lambda p: len(p) <= MAX_PATTERN),
    channel=st.text(max_size=64),
)
def test_a_name_is_one_safe_path_component(pattern: str, channel: str) -> None:
    name = render_pattern(pattern, moment=MOMENT, values={**VALUES, "channel": channel})
    assert re.fullmatch(rf"[A-Za-z0-9_.-]{{1,{MAX_NAME}}}", name)
    assert not name.startswith(".")
