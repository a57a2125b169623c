"""Reading a request's body: bytes in, a checked model out, a problem for everything else.

JSON is read twice on purpose. Python's reader finds what pydantic's lets pass (NaN, a key that stands
twice) and gives line and column; pydantic's strict mode then takes no "1280" for 1280. But 1280.0 and 1.28e3
are 1280: JSON has one kind of number, and some languages write all of them with a point.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from aiohttp import http_exceptions, web
from pydantic import BaseModel, ValidationError

from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.fields import field_errors, summary

Model = TypeVar("Model", bound=BaseModel)

UNREADABLE = (http_exceptions.HttpProcessingError, web.RequestPayloadError)
"""What aiohttp raises for a body that isn't as its headers say; their texts hold bytes of it."""
_LARGEST_EXACT = 1 << 53
"""Up to here a float is the very number that was written."""
REQUEST_ID = re.compile(r"[0-9a-zA-Z]{1,32}")


@dataclass(frozen=True)
class JsonBody:
    """A body that is a JSON object: as it was sent, whole numbers apart, and as Python reads it."""

    text: str
    value: dict[str, Any]

    @property
    def request_id(self) -> str | None:
        """The request's own id, if it gives a valid one."""
        given = self.value.get("request_id")
        return given if isinstance(given, str) and REQUEST_ID.fullmatch(given) else None


async def read_json(request: web.Request, *, seconds: float) -> JsonBody | None:
    """Return the body, or None where there is none.

    Args:
        request: whose body it is.
        seconds: in which it must have come.

    Raises:
        ProblemError: when it is not JSON, not an object, too large, too slow, or cut off.
    """
    try:
        async with asyncio.timeout(seconds):
            content = await request.read()
    except TimeoutError:
        raise ProblemError(
            ProblemKind.TOO_SLOW,
            f"the body has not come within {seconds:g} s; send the same request again",
            headers={"Connection": "close"},
        ) from None
    except web.HTTPRequestEntityTooLarge:
        limit = request.client_max_size // 1024
        raise ProblemError(
            ProblemKind.BODY_TOO_LARGE, f"the body is larger than {limit} KiB, the most a request may have"
        ) from None
    except (*UNREADABLE, ConnectionError):
        raise ProblemError(
            ProblemKind.HTTP,
            "the body can't be read: it was cut off, or is not encoded as its headers say",
            headers={"Connection": "close"},
        ) from None
    if not content:
        return None
    _check_media_type(request)
    return decode(content)


def decode(content: bytes) -> JsonBody:
    """Return the JSON object that `content` is.

    Raises:
        ProblemError: saying where it isn't one.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        _malformed(f"byte {error.start} is not UTF-8")
    pointed: list[int] = []

    def number(written: str) -> float:
        read = float(written)
        if not read.is_integer() or abs(read) > _LARGEST_EXACT:
            return read
        pointed.append(int(read))
        return pointed[-1]

    try:
        value = json.loads(text, parse_float=number, parse_constant=_no_constant, object_pairs_hook=_no_twins)
        if pointed:
            text = json.dumps(value)
    except json.JSONDecodeError as error:
        _malformed(f"line {error.lineno}, column {error.colno}: {error.msg}")
    except ValueError as error:
        _malformed(str(error))
    except RecursionError:
        _malformed("it is nested too deeply")
    if not isinstance(value, dict):
        raise ProblemError(ProblemKind.INVALID_BODY, "the body must be a JSON object, in braces")
    return JsonBody(text, value)


def parse(model: type[Model], body: JsonBody) -> Model:
    """Return the body as `model`.

    Raises:
        ProblemError: naming every field that is wrong.
    """
    try:
        return model.model_validate_json(body.text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        if problems[0]["type"] == "json_invalid":
            _malformed(problems[0]["msg"].removeprefix("Invalid JSON: "))
        errors = field_errors(error)
    raise ProblemError(ProblemKind.INVALID_BODY, summary(errors), errors=errors)


def _check_media_type(request: web.Request) -> None:
    if "Content-Type" not in request.headers:
        return
    if request.content_type != "application/json":
        raise ProblemError(
            ProblemKind.UNSUPPORTED_MEDIA_TYPE,
            f"the body is announced as {request.content_type}; send JSON with the header "
            "Content-Type: application/json (curl: -H 'Content-Type: application/json')",
        )
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise ProblemError(
            ProblemKind.UNSUPPORTED_MEDIA_TYPE, f"JSON is UTF-8, the body is announced as {request.charset}"
        )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twin!r} stands twice in one object")
    return value


def _malformed(what: str) -> NoReturn:
    raise ProblemError(ProblemKind.MALFORMED_JSON, f"the body is not valid JSON: {what}") from None
