"""docs/rest.md says what the code does: its tables are generated, its examples are real bodies."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from egress_api.rest import Problem, StartAnswer, StartRequest, StatusAnswer, StopAnswer
from egress_api.states import State
from egress_gateway.errors import ProblemKind
from egress_gateway.metrics import Metrics
from support.bad_starts import START_FLAT, START_FREESTYLE

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "rest.md").read_text(encoding="utf-8")


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_rest", DOCS / "generate_rest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def examples() -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_tables_are_what_the_code_says(generator: ModuleType) -> None:
    assert generator.rendered(PAGE) == PAGE, "run python docs/generate_rest.py"


def test_the_examples_are_the_contracts(generator: ModuleType) -> None:
    flat, started, freestyle, status, stopped, problem = examples()
    assert flat == START_FLAT
    assert freestyle == START_FREESTYLE
    for start in (flat, freestyle):
        StartRequest.model_validate_json(json.dumps(start), strict=True)
    StartAnswer.model_validate(started)
    StopAnswer.model_validate(stopped)
    Problem.model_validate(problem)
    shown = StatusAnswer.model_validate(status).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert shown == status


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_kind_of_problem_is_explained(kind: ProblemKind) -> None:
    status = "4xx" if kind is ProblemKind.HTTP else kind.status
    assert f"| `{kind}` | {status} |" in PAGE


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    assert f"| `{state}` |" in PAGE


def test_every_metric_is_named() -> None:
    own = set(re.findall(r"^# TYPE (egress_gateway_\w+)", Metrics().render().decode(), re.MULTILINE))
    assert own
    assert [name for name in own if not name.endswith("_created") and f"`{name}`" not in PAGE] == []
