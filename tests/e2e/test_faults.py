"""What goes away around a recording, over REST and for good: the gateway, the operator at the end, the task itself.

What breaks a recording is in test_fault_table.py and test_fault_table_outside.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.e2e import Gateway, Tasks, until
from support.recording import Recording
from support.store import fetch_task

pytestmark = pytest.mark.timeout(240)


def first_file(gateway: Gateway, task: str) -> None:
    until("the first file", lambda: gateway.status(task).body["payload"]["files"], seconds=40)


def discontinuities(result: Recording) -> int:
    return sum(entry.discontinuity for entry in result.playlist.entries)


def test_a_killed_operator_and_a_restarted_gateway_leave_the_recording_alone(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording()
    first_file(gateway, task)
    (pod,) = tasks.pods(task)
    for component in ("operator", "gateway"):
        tasks.kubectl.run(
            "delete", "pod", "-l", f"app.kubernetes.io/component={component}", "--grace-period=0", "--force"
        )
    for component in ("operator", "gateway"):
        tasks.kubectl.run(
            "rollout", "status", f"deployment/egress-{component}", "--timeout=90s", timeout_seconds=100
        )
    (same,) = tasks.pods(task)
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert same["status"]["containerStatuses"][0]["restartCount"] == 0
    until("the gateway answers", lambda: answers(gateway, task), seconds=30)
    assert gateway.status(task).body["status"] == "PROCESSING"
    assert gateway.stop(task).status == 200
    ended = tasks.until_state(task, "STOPPED", seconds=90)
    assert ended["status"]["attempt"] == 1
    result = fetch_task(task, tmp_path)
    assert result.problems() == []
    assert discontinuities(result) == 0
    assert ended["status"]["files"][0]["durationSeconds"] == pytest.approx(result.playlist.seconds, abs=0.1)


def answers(gateway: Gateway, task: str) -> bool:
    try:
        return gateway.status(task).status == 200
    except OSError:
        return False


def test_an_operator_that_was_away_for_the_end_finds_the_result(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording()
    first_file(gateway, task)
    tasks.kubectl.run("scale", "deployment/egress-operator", "--replicas=0")
    try:
        until(
            "the operator is away",
            lambda: not tasks.all_of("pod", selector="app.kubernetes.io/component=operator"),
            seconds=60,
        )
        assert gateway.stop(task).status == 200
        tasks.kubectl.run("delete", "pod", f"{task}-1", "--wait=false")
        until(
            "the recorder has ended",
            lambda: tasks.pods(task)[0]["status"]["phase"] in {"Succeeded", "Failed"},
            seconds=90,
        )
    finally:
        tasks.kubectl.run("scale", "deployment/egress-operator", "--replicas=1")
    ended = tasks.until_state(task, "STOPPED", seconds=60)
    result = fetch_task(task, tmp_path)
    assert result.problems() == []
    assert ended["status"]["files"][0]["durationSeconds"] == pytest.approx(result.playlist.seconds, abs=0.1)
    until("its Pod is gone", lambda: not tasks.pods(task), seconds=30)


def test_a_deleted_task_leaves_its_files_and_no_pod(
    gateway: Gateway, tasks: Tasks, recording: Callable[..., str], tmp_path: Path
) -> None:
    task = recording()
    first_file(gateway, task)
    tasks.kubectl.run("delete", "egresstask", task)
    until("its Pod is gone", lambda: not tasks.pods(task), seconds=90)
    assert tasks.find("secret", f"{task}-token") is None
    result = fetch_task(task, tmp_path)
    assert result.problems() == []
    assert result.playlist.ended
