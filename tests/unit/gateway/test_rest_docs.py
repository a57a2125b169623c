"""docs/rest.md says what the code does: its tables are generated, its examples are real bodies."""

import importlib.util
import json
import re
from datetime import datetime
from types import ModuleType

import pytest

from egress_api.rest import (
    ListAnswer,
    Problem,
    StartAnswer,
    StartRequest,
    StatusAnswer,
    StopAnswer,
    UpdateRequest,
)
from egress_api.spec import Limits
from egress_api.states import GapReason, State
from egress_gateway.errors import ProblemKind
from egress_gateway.index import Place
from egress_gateway.listing import PARAMETERS, read_cursor
from egress_gateway.metrics import Metrics
from support.bad_starts import START_FLAT, START_FREESTYLE
from support.rest_page import DOCS, PAGE, Example, examples, starts


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_rest", DOCS / "generate_rest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_what_the_code_says(generator: ModuleType) -> None:
    assert generator.rendered(PAGE) == PAGE, "run python docs/generate_rest.py"


def test_the_examples_are_the_contracts() -> None:
    page = examples()
    flat, started, *_others = page.pop("Start a channel")
    [freestyle] = page.pop("Start a page")
    assert (flat, freestyle) == (START_FLAT, START_FREESTYLE)
    StartAnswer.model_validate(started)
    [status] = page.pop("Status")
    assert shown(status) == status
    [gaps] = page.pop("Gaps")
    assert shown({**status, **gaps}) == {**status, **gaps}
    [listed] = page.pop("List")
    ListAnswer.model_validate(listed)
    assert [shown(task) for task in listed["tasks"]] == listed["tasks"]
    last = listed["tasks"][-1]
    created = int(datetime.fromisoformat(last["created_at"]).timestamp())
    assert read_cursor(listed["next_cursor"]) == Place(created, last["task_id"])
    for section in ("Pause", "Other users", "Another layout", "Another access token"):
        [update] = page.pop(section)
        UpdateRequest.model_validate_json(json.dumps(update), strict=True)
    [stopped] = page.pop("Stop")
    StopAnswer.model_validate(stopped)
    [problem] = page.pop("Problems")
    Problem.model_validate(problem)
    assert list(page) == ["Limits", "Where to record"]


@pytest.mark.parametrize("start", starts(), ids=lambda start: start["request_id"])
def test_the_starts_are_read_as_they_stand(start: Example) -> None:
    StartRequest.model_validate_json(json.dumps(start), strict=True)


def shown(status: Example) -> Example:
    return StatusAnswer.model_validate(status).model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_kind_of_problem_is_explained(kind: ProblemKind) -> None:
    status = "4xx" if kind is ProblemKind.HTTP else kind.status
    assert f"| `{kind}` | {status} |" in PAGE


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    assert f"| `{state}` |" in PAGE


@pytest.mark.parametrize("reason", GapReason)
def test_every_reason_for_a_gap_is_explained(reason: GapReason) -> None:
    assert f"| `{reason}` |" in PAGE


@pytest.mark.parametrize("name", [field.alias or name for name, field in Limits.model_fields.items()])
def test_every_limit_is_explained(name: str) -> None:
    default = Limits().model_dump(by_alias=True)[name]
    assert f"| `{name}` ({default}" in PAGE


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_of_a_list_is_explained(name: str) -> None:
    assert f"| `{name}` |" in PAGE


def test_the_gaps_of_the_example_add_up() -> None:
    [gaps] = examples()["Gaps"]
    lost = sum(gap["seconds"] for gap in gaps["gaps"] if gap["reason"] != GapReason.PAUSED)
    assert gaps["lost_seconds"] == pytest.approx(lost)


def test_every_metric_is_named() -> None:
    own = set(re.findall(r"^# TYPE (egress_gateway_\w+)", Metrics().render().decode(), re.MULTILINE))
    assert own
    assert [name for name in own if not name.endswith("_created") and f"`{name}`" not in PAGE] == []
