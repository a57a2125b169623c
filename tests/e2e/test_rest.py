"""The REST calls as a backend developer meets them."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from egress_api.names import task_name
from support.bad_starts import BAD_STARTS, BadStart
from support.e2e import APP, Answer, Gateway, Tasks, request_id, until
from support.store import fetch_task

StartBody = Callable[..., dict[str, Any]]
CALLERS = 16


@pytest.fixture
def two_gateways(tasks: Tasks) -> Iterator[Callable[[], list[int]]]:
    """Two replicas behind the Service; the call tells how many starts each has answered."""
    deployment = "deployment/egress-gateway"

    def scale(replicas: int) -> list[str]:
        tasks.kubectl.run("scale", deployment, f"--replicas={replicas}")
        tasks.kubectl.run("rollout", "status", deployment, "--timeout=60s", timeout_seconds=70)

        def pods() -> list[str] | None:
            found = tasks.all_of("pod", selector="app.kubernetes.io/component=gateway")
            return [pod["metadata"]["name"] for pod in found] if len(found) == replicas else None

        return until(f"{replicas} gateways", pods, seconds=60)

    names = scale(2)

    def starts() -> list[int]:
        def of(pod: str) -> int:
            path = f"/api/v1/namespaces/{tasks.kubectl.namespace}/pods/{pod}:8091/proxy/metrics"
            lines = tasks.kubectl.run("get", "--raw", path).splitlines()
            counts = [
                line.rpartition(" ")[2]
                for line in lines
                if line.startswith("egress_gateway_requests_total") and 'method="POST"' in line
            ]
            return int(sum(float(count) for count in counts))

        return [of(name) for name in names]

    yield starts
    scale(1)


def assert_problem(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert answer.body["status"] == status
    assert {"type", "title", "detail", "instance", "request_id"} <= set(answer.body)


@pytest.mark.parametrize("bad", BAD_STARTS, ids=lambda bad: bad.what)
def test_bad_input_is_named_and_makes_nothing(
    gateway: Gateway, tasks: Tasks, start_body: StartBody, bad: BadStart
) -> None:
    good = start_body()
    answer = gateway.start(bad.body(good))
    assert_problem(answer, bad.status)
    assert bad.pointer in {error["pointer"] for error in answer.body["errors"]}
    name = task_name(app_id=APP, request_id=good["request_id"])
    made = tasks.kubectl.run("get", "egresstasks,secrets,pods", "-o", "name")
    assert name not in made
    assert good["payload"]["access_token"] not in json.dumps(answer.body)


def test_one_request_through_two_gateways_is_one_task(
    gateway: Gateway, tasks: Tasks, start_body: StartBody, two_gateways: Callable[[], list[int]]
) -> None:
    body = start_body(channel=f"nobody-{request_id()}")
    before = two_gateways()
    # kube-proxy throws a coin for each: with fewer, now and then all would meet the same gateway.
    together = threading.Barrier(CALLERS)

    def start() -> Answer:
        together.wait(10)
        return gateway.start(body)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [future.result() for future in [pool.submit(start) for _ in range(CALLERS)]]
    assert {answer.status for answer in answers} == {202}, answers
    assert {answer.body["task_id"] for answer in answers} == {
        task_name(app_id=APP, request_id=body["request_id"])
    }
    assert [a.headers.get("Idempotency-Replayed") for a in answers].count("true") == CALLERS - 1
    task = answers[0].body["task_id"]
    seen = until("the task's Pod", lambda: tasks.pods(task) or None, seconds=20)
    assert [pod["metadata"]["name"] for pod in seen] == [f"{task}-1"]
    served = [after - earlier for after, earlier in zip(two_gateways(), before, strict=True)]
    assert all(served), f"one gateway served them all: {served}"
    gateway.stop(task)
    tasks.until_state(task, "STOPPED", seconds=60)


def test_the_same_id_with_another_body_is_a_conflict(gateway: Gateway, start_body: StartBody) -> None:
    body = start_body(channel=f"nobody-{request_id()}")
    first = gateway.start(body)
    assert first.status == 202
    other = {**body, "payload": {**body["payload"], "filename_pattern": "another"}}
    answer = gateway.start(other)
    assert_problem(answer, 409)
    assert answer.body["request_id"] == body["request_id"]
    gateway.stop(first.body["task_id"])


def test_an_unknown_task_is_not_found(gateway: Gateway) -> None:
    unknown = task_name(app_id=APP, request_id="never")
    assert_problem(gateway.status(unknown), 404)
    assert_problem(gateway.stop(unknown), 404)


def test_a_task_of_another_app_is_not_found(gateway: Gateway, start_body: StartBody) -> None:
    task = gateway.start(start_body(channel=f"nobody-{request_id()}")).body["task_id"]
    mine, theirs = gateway.status(task), gateway.status(task, app="other")
    assert mine.status == 200
    assert_problem(theirs, 404)
    assert_problem(gateway.stop(task, app="other"), 404)
    assert gateway.status(task).body["status"] in {"ENQUEUED", "PROCESSING"}
    gateway.stop(task)


def test_a_stop_before_the_pod_runs_makes_nothing(
    gateway: Gateway, tasks: Tasks, start_body: StartBody
) -> None:
    task = gateway.start(start_body(channel=f"nobody-{request_id()}")).body["task_id"]
    assert gateway.stop(task).body == {"task_id": task, "status": "SUCCESS"}
    assert gateway.status(task).body["status"] in {"STOPPING", "STOPPED"}
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    assert ended["status"].get("files", []) == []
    assert ended["status"]["reason"] in {"StoppedBeforeStart", "StopRequested"}
    until("its Pod is gone", lambda: not tasks.pods(task), seconds=30)


def test_a_stop_after_the_end_is_still_a_success(
    gateway: Gateway, tasks: Tasks, start_body: StartBody
) -> None:
    task = gateway.start(start_body(channel=f"nobody-{request_id()}")).body["task_id"]
    gateway.stop(task)
    tasks.until_state(task, "STOPPED", seconds=60)
    before = gateway.status(task).body
    for _ in range(2):
        again = gateway.stop(task)
        assert (again.status, again.body) == (200, {"task_id": task, "status": "SUCCESS"})
    assert gateway.status(task).body == before


def test_a_recording_may_be_stopped_twice(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str]
) -> None:
    task = recording()
    until("the first file", lambda: gateway.status(task).body["payload"]["files"], seconds=30)
    assert gateway.stop(task).status == 200
    assert gateway.stop(task).status == 200
    assert gateway.status(task).body["status"] in {"STOPPING", "STOPPED"}
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    assert ended["status"]["reason"] == "StopRequested"
    assert gateway.status(task).body["payload"]["files"] == ["file_output.m3u8"]


def test_a_recording_is_paused_and_goes_on(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording()
    until("the first file", lambda: gateway.status(task).body["payload"]["files"], seconds=30)
    for paused, reason in ((True, "Paused"), (False, "Recording")):
        body = {"request_id": request_id(), "payload": {"pause": paused}}
        answer = gateway.call("PATCH", f"/egress/v1/{APP}/tasks/{task}", body)
        assert answer.status == 200, answer.body
        until(
            f"its reason is {reason}",
            lambda reason=reason: gateway.status(task).body["reason"] == reason,
            seconds=20,
        )
    gateway.stop(task)
    tasks.until_state(task, "STOPPED", seconds=60)
    body = gateway.status(task).body
    assert [gap["reason"] for gap in body["gaps"]] == ["Paused"]
    assert body["lost_seconds"] == 0
    result = fetch_task(task, tmp_path / task)
    assert result.problems() == []
    assert [entry.discontinuity for entry in result.playlist.entries].count(True) == 1
