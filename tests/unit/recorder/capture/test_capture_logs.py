import json
import logging

import pytest

from egress_recorder.capture.logs import JsonLines, hide, redact

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJkZXZrZXkifQ.FYb2eNXtloy1IzOw"


def record(message: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("livekit", logging.WARNING, __file__, 1, message, values, None)


def test_a_line_is_one_json_object() -> None:
    entry = json.loads(JsonLines().format(record("left %s\nagain", "user1")))
    assert (entry["level"], entry["logger"], entry["event"]) == ("warning", "livekit", "left user1\nagain")


def test_a_token_in_an_sdk_line_is_not_shown() -> None:
    line = JsonLines().format(record("401 Unauthorized - invalid token: %s, error: jose", JWT))
    assert "eyJ" not in line
    assert "error: jose" in line


def test_a_token_of_another_kind_is_not_shown_once_it_was_named() -> None:
    hide("007eJxt9VMp+//+i9SOE")
    hide("")
    assert redact("refused 007eJxt9VMp+//+i9SOE today") == "refused … today"


@pytest.mark.parametrize("text", ["ws://h/rtc?access_token=abc", "nothing here", "eyJ is short"])
def test_the_rest_of_a_line_stays(text: str) -> None:
    assert redact(text) == text.replace("abc", "…")
