"""Which fields are wrong, as JSON pointers: from pydantic's errors and from the API server's causes.

Out come only names of fields and fixed sentences. Values never do: one of them is an access token.
"""

import re
from collections.abc import Iterable, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from egress_api.rest import FieldError, FieldProblemsError

MAX_ERRORS = 32
"""Fields named in one answer; whoever has more mistakes than that starts with these."""

_SENTENCES = {
    "missing": "is needed",
    "extra_forbidden": "unknown field",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "multiple_of": "must be a multiple of {multiple_of}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_too_short": "must be at least {min_length} characters long",
    "string_too_long": "must be at most {max_length} characters long",
}

_SPEC_TO_PAYLOAD = {
    "filenamePattern": "filename_pattern",
}
"""Fields whose names differ between resource and payload; the others are called the same."""


def pointer(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return what is wrong with a body, at most `MAX_ERRORS` fields."""
    found: list[FieldError] = []
    for problem in error.errors(include_input=False, include_url=False):
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, FieldProblemsError):
            found += [
                FieldError(pointer=pointer([*problem["loc"], field]), detail=sentence)
                for field, sentence in cause.problems
            ]
        else:
            found.append(FieldError(pointer=pointer(problem["loc"]), detail=_sentence(problem)))
    return found[:MAX_ERRORS]


def cause_errors(causes: Sequence[tuple[str, str]]) -> list[FieldError]:
    """Return the API server's objections to a task's spec as objections to the start's body."""
    return [
        FieldError(pointer=_body_pointer(field), detail=detail.removeprefix("Invalid value: "))
        for field, detail in causes[:MAX_ERRORS]
    ]


def summary(errors: Sequence[FieldError]) -> str:
    """Return the errors as one sentence, for people who read nothing but `detail`."""
    return "; ".join(f"{error.pointer or 'the body'}: {error.detail}" for error in errors)


def _sentence(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in {"too_short", "too_long"} and context.get("field_type") != "List":
        # A SecretStr counts its characters, yet speaks of items.
        kind = f"string_{kind}"
    if kind == "too_short":
        return f"must have at least {context['min_length']} item"
    if kind == "too_long":
        return f"must have at most {context['max_length']} items"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context)
    return problem["msg"].removeprefix("Value error, ").removeprefix("Input should ")


def _body_pointer(field: str) -> str:
    parts = [part for part in re.split(r"[.\[\]]+", field) if part]
    if parts[:1] != ["spec"] or len(parts) == 1:
        return ""
    match parts[1]:
        case "requestId":
            return "/request_id"
        case "command":
            return "/cmd"
        case "accessTokenSecretRef":
            return "/payload/access_token"
        case name:
            return pointer(["payload", _SPEC_TO_PAYLOAD.get(name, name), *parts[2:]])
