"""Every answer that is not a success is a problem with an id to find it by in the log."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from egress_gateway.errors import ProblemKind
from support.bad_starts import START_FLAT
from support.manifests import changed

START = "/egress/v1/demo/tasks"

Client = TestClient[Any, Any]


@pytest.mark.parametrize(
    "path", ["/", "/egress/v1", "/egress/v1/demo/tasks/", "/egress/v1/demo/tasks/t/stop/x"]
)
async def test_an_unknown_path_is_a_problem_that_lists_the_calls(gateway: Client, path: str) -> None:
    answer = await gateway.get(path)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (404, "urn:egress-operator:problem:no-such-route")
    assert problem["instance"] == path
    assert "GET and POST /egress/v1/{app_id}/tasks" in problem["detail"]
    assert "GET, PATCH and DELETE …/tasks/{task_id}" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/egress/v1/demo/tasks", "GET, HEAD, POST"),
        ("POST", "/egress/v1/demo/tasks/t1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/egress/v1/demo/tasks/t1/stop", "POST"),
        ("GET", "/egress/v1/demo/tasks/t1/status", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
async def test_another_method_is_a_problem_that_lists_the_allowed(
    gateway: Client, method: str, path: str, allowed: str
) -> None:
    answer = await gateway.request(method, path)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert problem["detail"] == f"{path} takes {allowed}, not {method}"


async def test_the_bodys_request_id_comes_back_when_it_is_valid(gateway: Client) -> None:
    bad = changed(START_FLAT, {"cmd": "stop"})
    answer = await gateway.post(START, json=bad, headers={"X-Request-Id": "edge-7"})
    assert (await answer.json())["request_id"] == "m2d3k03l"
    assert answer.headers["X-Request-Id"] == "edge-7"


async def test_the_headers_request_id_stands_in_for_a_bad_one(gateway: Client) -> None:
    bad = changed(START_FLAT, {"request_id": "<script>"})
    answer = await gateway.post(START, json=bad, headers={"X-Request-Id": "edge-7"})
    assert (await answer.json())["request_id"] == "edge-7"


@pytest.mark.parametrize("given", ["", "a b", "<b>", "a" * 129, "größe"])
async def test_a_header_that_is_no_id_is_replaced(gateway: Client, given: str) -> None:
    answer = await gateway.get("/egress/v1/demo", headers={"X-Request-Id": given})
    assert len((await answer.json())["request_id"]) == 32
    assert answer.headers["X-Request-Id"] == (await answer.json())["request_id"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", START, START_FLAT),
        ("GET", "/egress/v1/demo/tasks/t1", None),
        ("PATCH", "/egress/v1/demo/tasks/t1", {"request_id": "a", "payload": {"pause": True}}),
        ("POST", "/egress/v1/demo/tasks/t1/stop", {"request_id": "a"}),
        ("POST", "/egress/v1/demo/tasks/t1/status", {"request_id": "a"}),
        ("DELETE", "/egress/v1/demo/tasks/t1", {"request_id": "a"}),
    ],
)
async def test_without_the_api_server_the_caller_is_asked_to_come_again(
    gateway: Client, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = await gateway.request(method, path, json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "can't be reached" in problem["detail"]
    assert "never makes a second task" in problem["detail"]


@pytest.mark.parametrize("task_id", ["a" * 58, "..%2F..%2Fpods", "T1", "%00", "a%3Fwatch=1", "%F0%9F%8E%A5"])
async def test_what_can_be_no_tasks_name_is_not_asked_for(gateway: Client, task_id: str) -> None:
    answer = await gateway.get(URL(f"/egress/v1/demo/tasks/{task_id}", encoded=True))
    assert answer.status == 404
    assert (await answer.json())["type"] == "urn:egress-operator:problem:task-not-found"


async def test_a_mistake_of_ours_tells_nothing_and_logs_its_trace(
    gateway: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the inside of things")

    monkeypatch.setattr("egress_gateway.tasks.task_name", broken)
    answer = await gateway.post(START, json=START_FLAT)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (500, "urn:egress-operator:problem:internal")
    assert "inside" not in await answer.text()
    assert "m2d3k03l" in problem["detail"]


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_kind_has_a_heading_a_status_and_advice(kind: ProblemKind) -> None:
    assert kind.heading
    assert kind.advice.endswith(".")
    assert 400 <= kind.status < 600
