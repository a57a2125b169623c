"""Whatever comes in, a body is either read or refused with a 4xx; what is accepted can be made a task."""

import contextlib
import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egress_api.names import request_digest
from egress_api.rest import StartRequest
from egress_gateway.body import JsonBody, decode, parse
from egress_gateway.errors import ProblemError
from support.bad_starts import START_FLAT, START_FREESTYLE
from support.manifests import changed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PATHS = [
    "request_id",
    "cmd",
    "payload",
    *(f"payload.{name}" for name in {**START_FLAT["payload"], **START_FREESTYLE["payload"]}),
    "payload.segmentSeconds",
    "payload.limits",
    *(f"payload.video.{name}" for name in START_FLAT["payload"]["video"]),
]
# Texts that look right, so that more of them get through.
NEARLY = st.text(alphabet="abz019_.:-{}%/ \n\x00éＡ", max_size=12) | st.sampled_from(
    [
        "{date}",
        "{time:%H}",
        "{date:%Y\n}",
        "http://a\n",
        "http://a/\u00a0",
        "https://a?b#c",
        "flat",
        "007eJxt9VMp+",
    ]
)


# No deadline for one example: a machine that is busy is not an error.
SETTINGS = settings(deadline=None, max_examples=int(os.environ.get("EXAMPLES", "200")))


def start_of(content: bytes) -> tuple[StartRequest, JsonBody] | ProblemError:
    try:
        body = decode(content)
        return parse(StartRequest, body), body
    except ProblemError as error:
        return error


@SETTINGS
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_start_or_a_problem(content: bytes) -> None:
    problem = start_of(content)
    assert isinstance(problem, ProblemError)
    assert problem.status == 400
    assert problem.detail


@SETTINGS
@given(
    st.sampled_from([START_FLAT, START_FREESTYLE]),
    st.dictionaries(st.sampled_from(PATHS), JSON | NEARLY | st.integers(0, 5000), min_size=1, max_size=3),
)
def test_any_start_can_be_a_task_or_is_a_problem_with_pointers(
    good: dict[str, Any], changes: dict[str, Any]
) -> None:
    with contextlib.suppress(AttributeError, TypeError):  # a path below what is no object any more
        good = changed(good, changes)
    outcome = start_of(json.dumps(good).encode())
    if isinstance(outcome, ProblemError):
        assert outcome.status == 400
        assert all(not e.pointer or e.pointer.startswith("/") for e in outcome.errors)
    else:
        asked, body = outcome
        assert asked.to_spec(app_id="demo", token_secret="a-secret").layout is asked.payload.layout
        assert len(request_digest(body.value)) == 64


def test_a_whole_number_may_have_a_point() -> None:
    written = (
        json.dumps(START_FLAT).replace("1280", "1280.0").replace("720", "7.2e2").replace("42,", "42.00,")
    )
    body = decode(written.encode())
    assert body.value == START_FLAT
    assert parse(StartRequest, body) == parse(StartRequest, decode(json.dumps(START_FLAT).encode()))
    assert request_digest(body.value) == request_digest(START_FLAT)


@pytest.mark.parametrize("number", ["1280.5", "1e400", "-1e400", "9007199254740994.0", '"1280.0"', "1e-400"])
def test_what_is_not_quite_a_whole_number_is_none(number: str) -> None:
    written = json.dumps(START_FLAT).replace("1280", number).replace("720", "720.0")
    with pytest.raises(ProblemError, match="video/width"):
        parse(StartRequest, decode(written.encode()))


def test_points_and_nesting_without_end_are_refused() -> None:
    for depth in range(500, 3000, 100):
        with pytest.raises(ProblemError):
            parse(StartRequest, decode(b'{"n": 1.0, "a": ' + b"[" * depth + b"]" * depth + b"}"))
