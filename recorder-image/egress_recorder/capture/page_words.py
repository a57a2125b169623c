"""What Chromium says of a page that did not open, as one of our errors with a sentence. Pure.

In: Chromium's error name or an HTTP status. Out: a CaptureError, not raised.
The names are those of Chromium's net/base/net_error_list.h.
"""

import re
from typing import Protocol
from urllib.parse import urlsplit

from egress_recorder.capture.errors import (
    CaptureError,
    PageForbidden,
    PageHttpError,
    PageInsecure,
    PageUnreachable,
)

_BY_PROXY = (
    "ERR_SOCKS_CONNECTION_FAILED",
    "ERR_SOCKS_CONNECTION_HOST_UNREACHABLE",
    "ERR_PROXY_CONNECTION_FAILED",
)
_TLS = ("ERR_CERT_", "ERR_SSL_", "ERR_BAD_SSL_", "ERR_TLS_", "ERR_CT_")
_SERVER_ERROR = 500


class Why(Protocol):
    """What the proxy knows of a connection that it did not make."""

    @property
    def kind(self) -> str:
        """forbidden, or why it failed."""

    @property
    def message(self) -> str:
        """The sentence."""


_NO_PAGE = {
    "ERR_TOO_MANY_REDIRECTS": "sends the browser on in a circle",
    "ERR_ABORTED": "answered with something to download or with nothing at all, not with a page",
    "ERR_INVALID_RESPONSE": "did not answer as a web server does",
    "ERR_INVALID_HTTP_RESPONSE": "did not answer as a web server does",
}
_NOT_ALLOWED = ("ERR_BLOCKED_BY_ADMINISTRATOR", "ERR_UNSAFE_PORT", "ERR_DISALLOWED_URL_SCHEME")

_USER_INFO = re.compile(r"(?<=://)[^\s/@\"'<>]+@")
# what an error's trace puts behind a URL, :LINE:COLUMN, stays
_QUERY = re.compile(
    r"(?P<start>(?:https?|wss?)://[^\s?#\"'<>()]*)[?#][^\s\"'<>()]*?(?=(?::\d+){0,2}(?:[\s\"'<>()]|$))"
)


def opening_error(said: str, *, url: str, why: Why | None) -> CaptureError:
    """Give the error for a page that Chromium could not open.

    Args:
        said: Chromium's words, such as net::ERR_CONNECTION_REFUSED.
        url: what it tried last: the page, or where it was sent on to.
        why: what the proxy says of this URL's host, if it refused it.
    """
    name, host = said.removeprefix("net::"), shown_host(url)
    if why is not None and name in _BY_PROXY:
        sentence = f"The page's host {host} could not be reached: {why.message}"
        return PageForbidden(sentence) if why.kind == "forbidden" else PageUnreachable(sentence)
    if name.startswith(_TLS):
        return PageInsecure(
            f"TLS with {host} failed ({name}): its certificate is not one that a browser trusts."
        )
    if name in _NO_PAGE:
        return PageHttpError(f"{host} {_NO_PAGE[name]} ({name}).")
    if name in _NOT_ALLOWED:
        return PageForbidden(f"The browser is not allowed to open what {host} leads to ({name}).")
    return PageUnreachable(f"{host} could not be reached ({name}).")


def status_error(status: int, *, url: str, was_there: bool = False) -> CaptureError:
    """Give the error for an answer with a status of 400 or more; a page that was there is expected back."""
    sentence = f"{shown_host(url)} answered with HTTP status {status}, not with a page."
    if was_there and status >= _SERVER_ERROR:
        return PageUnreachable(sentence)
    return BusyPageError(sentence) if status >= _SERVER_ERROR else PageHttpError(sentence)


class BusyPageError(PageHttpError):
    """A 5xx: the server may answer with the page a moment later."""


def worth_another_try(error: CaptureError) -> bool:
    """Say whether opening the page again in a moment may do better."""
    return isinstance(error, PageUnreachable | BusyPageError)


def without_queries(text: str) -> str:
    """Take the queries, fragments and user infos out of a text's URLs: they may hold a token."""
    return _QUERY.sub(r"\g<start>", _USER_INFO.sub("", text))


def shown_host(url: str) -> str:
    """Give a URL's host and port for a sentence: the rest may hold what is nobody's business."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the page's host"
