"""The words in which calls.py tells of a call; document.py makes OpenAPI of them."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel

from egress_gateway.errors import ProblemKind

Schema = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A value beside the body: in the path, behind the `?`, or a header."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Schema
    example: Any = None


@dataclass(frozen=True, kw_only=True)
class Header:
    """A header of answers; `always` where no such answer is without it."""

    description: str
    schema: Schema
    always: bool = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer that is no problem."""

    description: str
    status: HTTPStatus = HTTPStatus.OK
    model: type[BaseModel] | None = None
    """Of a JSON body."""
    media: str | None = None
    """Of a body that is no JSON of a model."""
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    """Of such a body."""
    headers: tuple[str, ...] = ()
    """Names in parameters.HEADERS; those of every answer go without saying."""
    example: Any = None
    leads_to: tuple[str, ...] = ()
    """operationIds of calls that take the task_id of this answer."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One method of one path."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    operation_id: str
    summary: str
    description: str
    tag: str
    answers: tuple[Answer, ...]
    parameters: tuple[Parameter, ...] = ()
    """Those of the path and of every call go without saying."""
    body: type[BaseModel] | None = None
    body_needed: bool = False
    body_examples: dict[str, Any] = field(default_factory=dict)
    problems: frozenset[ProblemKind] = frozenset()
    """Those of every call of its sort go without saying."""

    @property
    def of_app(self) -> bool:
        """Whether it is for an app's callers; the others are open to everybody."""
        return "{app_id}" in self.path

    @property
    def of_task(self) -> bool:
        """Whether it is about one task."""
        return "{task_id}" in self.path
