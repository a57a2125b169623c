"""Reading a request's query: parameters in, values out, and one problem that names every one that is wrong.

A reader of a single value says what may stand there by raising ValueError with a sentence; a caller's own value
is never repeated.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from multidict import MultiMapping
from pydantic import TypeAdapter, ValidationError

from egress_api.rest import ParameterError
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.fields import MAX_ERRORS, field_errors

Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)

_SECONDS: Final = re.compile(r"[0-9]{1,9}(?=s?\Z)")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")


class Query:
    """One request's query; `check` when everything has been read."""

    def __init__(self, given: MultiMapping[str]) -> None:
        self._given = given
        self._errors: list[ParameterError] = []

    def one(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """Return the value of a parameter that stands there once at most; None also where it is wrong."""
        values = self._given.getall(name, [])
        if len(values) > 1:
            self._note(name, "may stand there only once")
            return None
        return next(iter(self._read(name, values, read)), None)

    def any_of(self, name: str, read: Callable[[str], Value]) -> frozenset[Value]:
        """Return the values of a parameter that may be repeated, or list several between commas."""
        parts = [part for value in self._given.getall(name, []) for part in value.split(",")]
        return frozenset(self._read(name, parts, read))

    def wrong(self, name: str, detail: str) -> None:
        """Note what is wrong with a parameter that could be read."""
        self._note(name, detail)

    def only(self, known: Collection[str]) -> None:
        """Note every parameter that is none of these."""
        for name in dict.fromkeys(self._given.keys()):
            if name not in known:
                self._note(name, f"unknown parameter; there are {', '.join(known)}")

    def check(self) -> None:
        """Return if everything is right.

        Raises:
            ProblemError: naming each parameter that isn't.
        """
        if not self._errors:
            return
        errors = self._errors[:MAX_ERRORS]
        told = "; ".join(f"{error.parameter}: {error.detail}" for error in errors)
        raise ProblemError(ProblemKind.INVALID_QUERY, f"the query is wrong: {told}", errors=errors)

    def _read(self, name: str, values: Collection[str], read: Callable[[str], Value]) -> list[Value]:
        found: list[Value] = []
        for value in values:
            try:
                found.append(read(value))
            except ValidationError as error:
                self._note(name, field_errors(error)[0].detail)
            except ValueError as error:
                self._note(name, str(error))
        return found

    def _note(self, name: str, detail: str) -> None:
        self._errors.append(ParameterError(parameter=name, detail=detail))


def word(kind: type[Word]) -> Callable[[str], Word]:
    """Return a reader of one of these words."""

    def read(value: str) -> Word:
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"must be {', '.join(kind)}") from None

    return read


def yes_or_no(value: str) -> bool:
    """Read true or false."""
    if value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value == "true"


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of a whole number in bounds."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value) or not lowest <= int(value) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return read


def seconds(highest: int) -> Callable[[str], int]:
    """Return a reader of a duration such as 30s; the unit may be left out."""

    def read(value: str) -> int:
        number = _SECONDS.match(value)
        if number is None or int(number[0]) > highest:
            raise ValueError(f"must be whole seconds from 0s to {highest}s")
        return int(number[0])

    return read


def moment(value: str) -> datetime:
    """Read a point in time, RFC 3339."""
    sentence = "must be a time with its zone, such as 2026-11-23T05:11:20Z (a + is written %2B)"
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(sentence) from None
    if read.tzinfo is None:
        raise ValueError(sentence)
    return read


def fitting(kind: TypeAdapter[Value]) -> Callable[[str], Value]:
    """Return a reader of what a model's field takes."""

    def read(value: str) -> Value:
        return kind.validate_python(value)

    return read
