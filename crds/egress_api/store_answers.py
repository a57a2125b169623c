"""What an error of the store means: a sentence for people, and whether the store said no or is unwell.

In: an exception of obstore. Out: its meaning, with the store's own code and sentence but never its raw answer, in
which S3 repeats parts of the signed request.
"""

import re
from typing import Final, NamedTuple

_SERVER_FAULT: Final = 500
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429})
_DAMAGED_ON_THE_WAY: Final = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "RequestTimeout",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
"""Codes of a 400 that say nothing against the request as it was sent."""
_NO_SUCH_OBJECT: Final = frozenset({"NoSuchKey", "BlobNotFound", "NotFound"})
_MISSING_RIGHTS: Final = re.compile(r"os error (1|13|30)\)")

_STATUS: Final = re.compile(r"status code: (\d{3})([^:\n]*)")
_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<\n]{1,300})[^<]{0,300}</Message>")
"""Azure puts its request's id and the time on further lines."""
_QUERY: Final = re.compile(r"(https?://[^\s?]+)\?\S+")
"""Of a URL that was asked: with a shared access signature (Azure) the right to the store stands there."""
_EMPTY: Final = re.compile(r"Requested range was invalid|<Code>InvalidRange</Code>")
"""What obstore itself, or S3 and Azure, say to the beginning of an object without content."""
_RETRY_WORDS: Final = re.compile(r" in [\d.]+[mµn]?s(, after \d+ retries.*?)?(?= +- )")
_CAUSE: Final = re.compile(r'(?:message|error): "([^"]{1,200})"')


class Meaning(NamedTuple):
    """What an error means."""

    refused: bool
    """The store said no: trying again alone won't help."""
    sentence: str


def meaning(error: Exception, *, place: str, verb: str, name: str) -> Meaning:
    """Return what an error means.

    Args:
        error: what obstore raised.
        place: the store, as people know it.
        verb: what it was asked to do.
        name: with what.
    """
    text = str(error)
    status = _STATUS.search(text)
    code, said = _CODE.search(text), _MESSAGE.search(text)
    words = f"{code.group(1)}: {said.group(1).rstrip('.')}" if code and said else first_line(error)
    if status and _says_no(int(status.group(1)), code.group(1) if code else ""):
        what = f"{status.group(1)}{status.group(2).rstrip()}"
        return Meaning(
            True,
            f"{place} refused to {verb} {name} ({what}, {words}). "
            "Check that the bucket exists, and the region, credentials and rights (read, write, list).",
        )
    if _MISSING_RIGHTS.search(text) or "BadScheme" in text:
        hint = " A plain http:// endpoint needs the option allow_http." if "BadScheme" in text else ""
        return Meaning(True, f"{place} refused to {verb} {name}: {words}.{hint}")
    return Meaning(False, f"{place} did not {verb} {name}: {words}.")


def says_no_such_object(error: FileNotFoundError) -> bool:
    """Say whether a "not found" is about the object: a bucket or an account that is missing is another matter."""
    text = str(error)
    code = _CODE.search(text)
    return code.group(1) in _NO_SUCH_OBJECT if code else "bucket does not exist" not in text


def says_empty(error: BaseException) -> bool:
    """Say whether the beginning of an object could not be read because it has no content."""
    return _EMPTY.search(str(error)) is not None


def first_line(error: BaseException) -> str:
    """Return what an error says without the server's body, which obstore puts on the same line."""
    line = str(error).partition("\n")[0] or type(error).__name__
    line = _QUERY.sub(r"\1", _RETRY_WORDS.sub("", line.partition(": <?xml")[0]))[:300]
    # "Connection refused" and the like stand only in the part for debugging.
    cause = _CAUSE.search(str(error).partition("Debug source:")[2])
    return f"{line} ({cause.group(1)})" if cause and cause.group(1) not in line else line


def _says_no(status: int, code: str) -> bool:
    return status < _SERVER_FAULT and status not in _PASSING_STATUS and code not in _DAMAGED_ON_THE_WAY
