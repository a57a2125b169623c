"""LiveKit's errors in the words of people who start recordings.

In: the SDK's messages and codes. Out: sentences, and whether trying again is of any use. Pure.
"""

import base64
import json
import re

from egress_recorder.capture.errors import CaptureError, IdentityTaken, SourceClosed, SourceUnreachable
from egress_recorder.capture.logs import redact

_REFUSALS = re.compile(
    r"\b40[13]\b|unauthori[sz]ed|forbidden|invalid token|token is expired|permission", re.IGNORECASE
)

_CLOSED = {  # DisconnectReason in livekit's protocol
    "DUPLICATE_IDENTITY": "another participant joined the channel {channel} under the recorder's identity; give each "
    "task a token with an identity of its own",
    "SERVER_SHUTDOWN": "the RTC server of the channel {channel} is shutting down",
    "PARTICIPANT_REMOVED": "the recorder was removed from the channel {channel}",
    "ROOM_DELETED": "the channel {channel} was deleted",
    "ROOM_CLOSED": "the channel {channel} was closed because everybody had left",
    "STATE_MISMATCH": "the RTC server no longer knows the recorder in the channel {channel}",
    "CONNECTION_TIMEOUT": "the connection to the channel {channel} was lost and could not be had again",
    "SIGNAL_CLOSE": "the connection to the channel {channel} was lost and could not be had again",
    "UNKNOWN_REASON": "the connection to the channel {channel} was lost and could not be had again",
    "MEDIA_FAILURE": "no media came through to the recorder from the channel {channel}",
}


_FOR_GOOD = frozenset({"CLIENT_INITIATED", "PARTICIPANT_REMOVED", "ROOM_DELETED", "ROOM_CLOSED"})
"""Somebody meant it. Whatever else ends a session, also what later servers say, is worth joining again."""


def is_refusal(message: str) -> bool:
    """Say whether the server answered and said no, so that the same token will never do."""
    return bool(_REFUSALS.search(message))


_WHY_REFUSED = (
    ("expired", "it has expired"),
    ("cryptographic primitive", "it is not signed with this server's secret"),
    ("not valid yet", "it is not valid yet"),
    ("invalid authorization token", "it is not a LiveKit token"),
    ("invalid API key", "its API key is not known to this server"),
    ("permissions", "it does not permit to join this channel"),
)


def refusal_sentence(message: str, channel: str) -> str:
    """Say why a token was refused, and what to do."""
    why = next((words for mark, words in _WHY_REFUSED if mark.lower() in message.lower()), message)
    return f"The channel {channel} refused the access token: {why}. Start a new task with a new token."


def lacks_listening(token: str) -> bool:
    """Say whether a token forbids to subscribe: it would get in, and hear and see nobody.

    A token that can't be read is the server's to refuse.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["video"].get("canSubscribe") is False
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        return False


def plain(message: str) -> str:
    """Shorten the SDK's message and take every trace of the token out."""
    without = redact(message)
    for prefix in ("engine: ", "signal failure: ", "client error: "):
        without = without.removeprefix(prefix)
    return without.strip().rstrip(".")[:300]


def closed_sentence(reason: object, channel: str) -> str:
    """Say why a session ended, for a DisconnectReason number or name."""
    name = _name_of(reason)
    why = _CLOSED.get(name, f"the session in the channel {{channel}} ended ({name})").format(channel=channel)
    return why[0].upper() + why[1:] + "."


def closed_error(reason: object, channel: str) -> CaptureError:
    """Say what a session's end means for the recording, for a DisconnectReason number or name."""
    name, sentence = _name_of(reason), closed_sentence(reason, channel)
    if name == "DUPLICATE_IDENTITY":
        return IdentityTaken(sentence)
    return SourceClosed(sentence) if name in _FOR_GOOD else SourceUnreachable(sentence)


def _name_of(reason: object) -> str:
    if isinstance(reason, str):
        return reason
    from livekit.rtc import DisconnectReason  # noqa: PLC0415 - the sentences must be testable without the SDK

    try:
        return str(DisconnectReason.Name(reason))
    except ValueError:
        return f"reason {reason}"
