"""One try to deliver an event: a signed POST, and what its answer means.

Any 2xx is a delivery, and 410 an endpoint that is no more. All else is a failure: other answers, redirects, which
would lead where nobody has said that events may go, and silence. Of an answer, only its head is read. What is said of a
failure stands in the task's status, which more people read than the settings: it names neither host nor path.
"""

import errno
import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import aiohttp
import certifi

TRY_SECONDS: Final = 15.0


class Outcome(StrEnum):
    """What became of a try."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a try, why, and when the receiver wants the next one."""

    outcome: Outcome
    problem: str = ""
    retry_after_seconds: float | None = None


class Poster:
    """Sends events. It holds one HTTP session from the first event on, until it is closed."""

    def __init__(self, *, seconds: float = TRY_SECONDS) -> None:
        """Prepare.

        Args:
            seconds: for a whole try.
        """
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(
        self, url: str, *, event_id: str, signature: str, body: str, now: datetime, traceparent: str = ""
    ) -> Answer:
        """Send an event once; whatever happens is an answer.

        Args:
            url: of the receiver.
            event_id: of the event.
            signature: of id, `now` and body.
            body: the text.
            now: the clock; the specification has receivers refuse what is older than minutes.
            traceparent: where the try stands in its task's trace; empty where there are no traces.
        """
        session = self._session or self._open()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "egress-operator",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
            **({"traceparent": traceparent} if traceparent else {}),
        }
        try:
            async with session.post(
                url, data=body.encode(), headers=headers, allow_redirects=False
            ) as response:
                return _meaning(response.status, response.headers.get("Retry-After"), now=now)
        except TimeoutError:
            problem = f"no answer in {self._seconds:g} s"
        except (aiohttp.ClientError, OSError) as error:
            problem = _kind(error)
        return Answer(outcome=Outcome.FAILED, problem=problem)

    def _open(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context()
        # A slim image has no certificates of its own.
        context.load_verify_locations(certifi.where())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            trust_env=True,
        )
        return self._session


def _meaning(status: int, retry_after: str | None, *, now: datetime) -> Answer:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(outcome=Outcome.DELIVERED)
    if status == HTTPStatus.GONE:
        return Answer(outcome=Outcome.GONE, problem="HTTP 410 Gone")
    redirects = " (redirects are not followed)" if status < HTTPStatus.BAD_REQUEST else ""
    return Answer(
        outcome=Outcome.FAILED,
        problem=f"HTTP {status}{redirects}",
        retry_after_seconds=_seconds(retry_after, now=now),
    )


def _kind(error: Exception) -> str:
    # Its own text has the receiver's host, port or address in it.
    number = error.errno if isinstance(error, OSError) else None
    words = f" ({os.strerror(number)})" if number is not None and number in errno.errorcode else ""
    return f"{type(error).__name__}{words}"


def _seconds(retry_after: str | None, *, now: datetime) -> float | None:
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError):  # not a date, or one without a zone
        return None
