import base64
import json

import pytest

from egress_recorder.capture.errors import CaptureError, IdentityTaken, SourceClosed, SourceUnreachable
from egress_recorder.capture.livekit_words import (
    closed_error,
    closed_sentence,
    is_refusal,
    lacks_listening,
    plain,
    refusal_sentence,
)

EXPIRED = (
    "engine: signal failure: client error: 401 Unauthorized - invalid token: eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln, "
    "error: go-jose/go-jose/jwt: validation failed, token is expired (exp)"
)
REFUSED = "engine: signal failure: transport connection error: IO error: Connection refused (os error 111)"


def test_no_trace_of_the_token_is_left() -> None:
    assert "eyJ" not in plain(EXPIRED)
    assert (
        plain("ws error: http://h/rtc?access_token=abc.def&x=1")
        == "ws error: http://h/rtc?access_token=…&x=1"
    )


@pytest.mark.parametrize(
    ("message", "refusal"), [(EXPIRED, True), ("403 Forbidden", True), (REFUSED, False), ("404", False)]
)
def test_a_refusal_is_told_from_a_server_that_is_not_there(message: str, *, refusal: bool) -> None:
    assert is_refusal(message) is refusal


def test_a_refusal_says_why_and_what_to_do() -> None:
    assert refusal_sentence(EXPIRED, "room1") == (
        "The channel room1 refused the access token: it has expired. Start a new task with a new token."
    )


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("ROOM_DELETED", "The channel c was deleted."),
        ("PARTICIPANT_REMOVED", "The recorder was removed from the channel c."),
        (
            "DUPLICATE_IDENTITY",
            (
                "Another participant joined the channel c under the recorder's identity; give each task a token with an "
                "identity of its own."
            ),
        ),
        ("NEW_REASON", "The session in the channel c ended (NEW_REASON)."),
    ],
)
def test_an_end_is_a_sentence(reason: str, sentence: str) -> None:
    assert closed_sentence(reason, "c") == sentence


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("ROOM_DELETED", SourceClosed),
        ("PARTICIPANT_REMOVED", SourceClosed),
        ("DUPLICATE_IDENTITY", IdentityTaken),
        ("SERVER_SHUTDOWN", SourceUnreachable),
        ("CONNECTION_TIMEOUT", SourceUnreachable),
        ("UNKNOWN_REASON", SourceUnreachable),
        ("NEW_REASON", SourceUnreachable),
    ],
)
def test_only_what_somebody_meant_ends_a_recording(reason: str, error: type[CaptureError]) -> None:
    assert type(closed_error(reason, "c")) is error


@pytest.mark.parametrize(
    ("claims", "lacks"),
    [
        ({"video": {"canSubscribe": False}}, True),
        ({"video": {"canSubscribe": True}}, False),
        ({"video": {}}, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_token_that_forbids_to_listen_is_known(claims: object, *, lacks: bool) -> None:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert lacks_listening(f"eyJh.{payload}.c2ln") is lacks


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a..c", "a.\xff.c"])
def test_what_is_no_token_is_left_to_the_server(token: str) -> None:
    assert lacks_listening(token) is False
