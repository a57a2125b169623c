import pytest

from egress_recorder.capture.livekit_words import (
    closed_for_good,
    closed_sentence,
    is_refusal,
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
        ("DUPLICATE_IDENTITY", "Somebody else joined the channel c with the recorder's own token."),
        ("NEW_REASON", "The session in the channel c ended (NEW_REASON)."),
    ],
)
def test_an_end_is_a_sentence(reason: str, sentence: str) -> None:
    assert closed_sentence(reason, "c") == sentence


@pytest.mark.parametrize(
    ("reason", "for_good"),
    [
        ("ROOM_DELETED", True),
        ("PARTICIPANT_REMOVED", True),
        ("DUPLICATE_IDENTITY", True),
        ("SERVER_SHUTDOWN", False),
        ("CONNECTION_TIMEOUT", False),
        ("UNKNOWN_REASON", False),
        ("NEW_REASON", False),
    ],
)
def test_only_an_end_that_somebody_wanted_is_for_good(reason: str, *, for_good: bool) -> None:
    assert closed_for_good(reason) is for_good
