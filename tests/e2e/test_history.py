"""What outlives a task's resource, and a token that is given anew: a real store, a real kubelet."""

from collections.abc import Callable
from typing import Any

from egress_api.constants import RECORDER_CONTAINER, TOKEN_DIR, TOKEN_KEY
from support.e2e import APP, Answer, Gateway, Tasks, request_id, until
from support.publishers import recorder_token

SAME = [
    "task_id",
    "status",
    "reason",
    "payload",
    "created_at",
    "gaps",
    "lost_seconds",
    "outputs",
    "manifest_uri",
]
KUBELET_SECONDS = 150
"""For a changed Secret to reach a Pod: the kubelet's sync period and its cache."""


def archived(gateway: Gateway, task: str) -> dict[str, Any]:
    """Return what is told of a task once its resource is gone."""

    def probe() -> dict[str, Any] | None:
        answer = gateway.status(task)
        return answer.body if answer.status == 200 and answer.body.get("archived") else None

    return until("the store tells of it", probe, seconds=15)


def update(gateway: Gateway, task: str, **payload: Any) -> Answer:
    body = {"request_id": request_id(), "payload": payload}
    return gateway.call("PATCH", f"/egress/v1/{APP}/tasks/{task}", body)


def test_a_deleted_tasks_recording_is_told_of_as_the_task_was(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str]
) -> None:
    task = recording()
    gateway.stop(task)
    tasks.until_state(task, "STOPPED")
    before = gateway.status(task).body
    tasks.kubectl.run("delete", "egresstask", task)
    after = archived(gateway, task)
    assert {key: after[key] for key in SAME} == {key: before[key] for key in SAME}
    assert after["outputs"][0]["durationSeconds"] > 0


def test_a_task_that_is_deleted_while_it_records_ends_in_the_store(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str]
) -> None:
    task = recording()
    tasks.kubectl.run("delete", "egresstask", task)
    told = archived(gateway, task)
    assert told["status"] in {"STOPPING", "STOPPED"}
    until("it is closed", lambda: gateway.status(task).body["status"] == "STOPPED", seconds=60)


def test_another_token_reaches_the_recorder_that_runs(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str]
) -> None:
    task = recording()
    new = recorder_token("egress_test", identity=f"recorder-{request_id()}")
    answer = update(gateway, task, access_token=new)
    assert (answer.status, answer.body["status"]) == (200, "PROCESSING")
    [pod] = tasks.pods(task)
    read = (
        "exec",
        pod["metadata"]["name"],
        "-c",
        RECORDER_CONTAINER,
        "--",
        "cat",
        f"{TOKEN_DIR}/{TOKEN_KEY}",
    )
    until(
        "the kubelet has brought the token",
        lambda: tasks.kubectl.run(*read).strip() == new,
        seconds=KUBELET_SECONDS,
        every=2,
    )
    assert gateway.status(task).body["status"] == "PROCESSING"
