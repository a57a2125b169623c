"""What Chromium says, and what a user reads: data."""

from dataclasses import dataclass

import pytest

from egress_recorder.capture.errors import EndReason
from egress_recorder.capture.page_words import (
    opening_error,
    shown_host,
    status_error,
    without_queries,
    worth_another_try,
)

URL = "https://user:secret@canvas.good.example:8443/path?token=abc"


@dataclass(frozen=True)
class Why:
    kind: str
    message: str


FORBIDDEN = Why("forbidden", "it leads to a private address")
REFUSED = Why("refused", "the connection was refused")

ROWS = [
    ("net::ERR_SOCKS_CONNECTION_FAILED", FORBIDDEN, EndReason.PAGE_FORBIDDEN, "private address", False),
    ("net::ERR_SOCKS_CONNECTION_FAILED", REFUSED, EndReason.PAGE_UNREACHABLE, "was refused", True),
    ("net::ERR_SOCKS_CONNECTION_HOST_UNREACHABLE", REFUSED, EndReason.PAGE_UNREACHABLE, "was refused", True),
    ("net::ERR_SOCKS_CONNECTION_FAILED", None, EndReason.PAGE_UNREACHABLE, "could not be reached", True),
    ("net::ERR_CONNECTION_RESET", FORBIDDEN, EndReason.PAGE_UNREACHABLE, "ERR_CONNECTION_RESET", True),
    ("net::ERR_CERT_AUTHORITY_INVALID", None, EndReason.PAGE_INSECURE, "certificate", False),
    ("net::ERR_CERT_DATE_INVALID", None, EndReason.PAGE_INSECURE, "certificate", False),
    ("net::ERR_SSL_PROTOCOL_ERROR", None, EndReason.PAGE_INSECURE, "TLS", False),
    ("net::ERR_TOO_MANY_REDIRECTS", None, EndReason.PAGE_HTTP_ERROR, "in a circle", False),
    ("net::ERR_ABORTED", None, EndReason.PAGE_HTTP_ERROR, "download", False),
    ("net::ERR_EMPTY_RESPONSE", None, EndReason.PAGE_UNREACHABLE, "ERR_EMPTY_RESPONSE", True),
    ("net::ERR_BLOCKED_BY_ADMINISTRATOR", None, EndReason.PAGE_FORBIDDEN, "not allowed", False),
    ("net::ERR_UNSAFE_PORT", None, EndReason.PAGE_FORBIDDEN, "not allowed", False),
    ("net::ERR_TIMED_OUT", None, EndReason.PAGE_UNREACHABLE, "ERR_TIMED_OUT", True),
]


@pytest.mark.parametrize(("said", "why", "reason", "says", "again"), ROWS)
def test_chromiums_words_become_a_reason_and_a_sentence(
    said: str, why: Why | None, reason: EndReason, says: str, *, again: bool
) -> None:
    error = opening_error(said, url=URL, why=why)
    assert error.reason is reason
    assert says in error.message
    assert "canvas.good.example:8443" in error.message
    assert "secret" not in error.message
    assert "abc" not in error.message
    assert worth_another_try(error) is again


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (404, False), (410, False), (500, True), (503, True)]
)
def test_a_server_error_is_worth_another_try_and_a_callers_is_not(status: int, *, again: bool) -> None:
    error = status_error(status, url=URL)
    assert error.reason is EndReason.PAGE_HTTP_ERROR
    assert str(status) in error.message
    assert worth_another_try(error) is again


def test_a_page_that_was_there_is_expected_back() -> None:
    assert status_error(502, url=URL, was_there=True).reason is EndReason.PAGE_UNREACHABLE
    assert status_error(404, url=URL, was_there=True).reason is EndReason.PAGE_HTTP_ERROR


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "at f (http://a.example:8000/leak.html?token=SECRET:1:41)",
            "at f (http://a.example:8000/leak.html:1:41)",
        ),
        ("GET https://u:SECRET@a.example/x#SECRET failed", "GET https://a.example/x failed"),
        ("'wss://a.example/s?t=SECRET' was refused", "'wss://a.example/s' was refused"),
        ("http://a.example/?SECRET", "http://a.example/"),
        ("is 1 < 2? yes # no URL at all", "is 1 < 2? yes # no URL at all"),
        (
            "two: http://a.example/?SECRET http://b.example/?SECRET",
            "two: http://a.example/ http://b.example/",
        ),
    ],
)
def test_what_may_be_a_token_is_taken_out_of_urls(text: str, kept: str) -> None:
    assert without_queries(text) == kept


def test_a_url_without_a_host_is_still_a_sentence() -> None:
    assert shown_host("about:blank") == "the page's host"
