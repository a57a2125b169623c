"""The curl scripts of examples/ against a real gateway."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gateway import Admin, running

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"


@pytest.fixture
def url(kubeconfig: Path, admin: Admin) -> Iterator[str]:
    with running(kubeconfig, admin.namespace, DRAIN_SECONDS="0") as (_, url):
        yield url


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(EXAMPLES / name), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_start_status_and_stop(url: str, admin: Admin) -> None:
    started = script("start.sh", "room-1", EGRESS_URL=url, ACCESS_TOKEN=TOKEN)
    assert started.returncode == 0, started.stderr
    task = json.loads(started.stdout)["task_id"]
    assert admin.task(task)["spec"]["channel"] == "room-1"

    status = script("status.sh", task, EGRESS_URL=url)
    assert json.loads(status.stdout)["status"] == "ENQUEUED"

    stopped = script("stop.sh", task, EGRESS_URL=url)
    assert json.loads(stopped.stdout) == {"task_id": task, "status": "SUCCESS"}
    assert admin.task(task)["spec"]["stop"] is True


def test_with_a_key_made_by_the_script_where_callers_are_asked(
    kubeconfig: Path, admin: Admin, tmp_path: Path
) -> None:
    folder = tmp_path / "api-keys"
    folder.mkdir()
    made = script("api-key.sh", str(folder / "shop"), "demo", "other")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key not in (folder / "shop").read_text()
    auth = json.dumps({"modes": ["apiKeys"], "apiKeys": {"folder": str(folder)}})
    with running(kubeconfig, admin.namespace, DRAIN_SECONDS="0", AUTH=auth) as (_, url):
        environment = {"EGRESS_URL": url, "ACCESS_TOKEN": TOKEN}
        refused = script("start.sh", "room-1", **environment)
        assert (refused.returncode, json.loads(refused.stdout)["status"]) == (22, 401)
        environment["EGRESS_TOKEN"] = key
        started = script("start.sh", "room-1", **environment)
        task = json.loads(started.stdout)["task_id"]
        for name in ("status.sh", "pause.sh", "stop.sh"):
            answer = script(name, task, **environment)
            assert (answer.returncode, json.loads(answer.stdout)["task_id"]) == (0, task)
        page = script("start-page.sh", "https://93.184.215.14", **environment)
        assert page.returncode == 0, page.stdout
        assert script("status.sh", task, APP_ID="third", **environment).returncode == 22
    assert len(admin.tasks()) == 2


def test_a_key_is_for_some_app(tmp_path: Path) -> None:
    made = script("api-key.sh", str(tmp_path / "shop"))
    assert made.returncode != 0
    assert "usage: " in made.stderr
    assert not (tmp_path / "shop").exists()


def test_pause_and_resume(url: str, admin: Admin) -> None:
    task = json.loads(script("start.sh", "room-1", EGRESS_URL=url, ACCESS_TOKEN=TOKEN).stdout)["task_id"]
    for arguments, wanted in (((), True), (("false",), False), (("true",), True)):
        answer = script("pause.sh", task, *arguments, EGRESS_URL=url)
        assert (answer.returncode, json.loads(answer.stdout)["pause"]) == (0, wanted), answer.stderr
        assert admin.task(task)["spec"]["pause"] is wanted

    refused = script("pause.sh", task, "yes", EGRESS_URL=url)
    assert refused.returncode != 0
    assert "not valid JSON" in json.loads(refused.stdout)["detail"]

    script("stop.sh", task, EGRESS_URL=url)
    late = script("pause.sh", task, EGRESS_URL=url)
    assert late.returncode != 0
    assert json.loads(late.stdout)["type"].endswith(":task-ended")


def test_list_watch_and_delete(url: str, admin: Admin) -> None:
    tasks = [
        json.loads(script("start.sh", room, EGRESS_URL=url, ACCESS_TOKEN=TOKEN).stdout)["task_id"]
        for room in ("room-1", "room-2")
    ]
    listed = script("list.sh", EGRESS_URL=url)
    assert {task["task_id"] for task in json.loads(listed.stdout)["tasks"]} == set(tasks)
    filters = ("channel=room-2", "created_after=2026-01-01T00:00:00+01:00", "limit=1")
    page = json.loads(script("list.sh", *filters, EGRESS_URL=url).stdout)
    assert ([task["task_id"] for task in page["tasks"]], page["next_cursor"]) == ([tasks[1]], None)
    assert script("list.sh", "limit=no", EGRESS_URL=url).returncode != 0

    admin.set_status(tasks[0], state="STOPPED")
    watched = script("watch.sh", tasks[0], EGRESS_URL=url)  # ends by itself: the task has ended
    assert watched.returncode == 0, watched.stderr
    assert '"status":"STOPPED"' in watched.stdout.splitlines()[-2]

    deleted = script("delete.sh", tasks[1], EGRESS_URL=url)
    assert (deleted.returncode, json.loads(deleted.stdout)["status"]) == (0, "STOPPING")
    assert [task["metadata"]["name"] for task in admin.tasks()] == [tasks[0]]


def test_a_start_can_be_repeated_by_its_id(url: str, admin: Admin) -> None:
    one, two = (
        script("start.sh", "room-1", EGRESS_URL=url, ACCESS_TOKEN=TOKEN, REQUEST_ID="again") for _ in range(2)
    )
    assert one.stdout == two.stdout
    assert len(admin.tasks()) == 1


def test_a_problem_is_shown_and_fails_the_script(url: str) -> None:
    refused = script("start.sh", "room 1", EGRESS_URL=url, ACCESS_TOKEN=TOKEN)
    assert refused.returncode != 0
    assert json.loads(refused.stdout)["errors"][0]["pointer"] == "/payload/channel"


def test_a_start_without_a_token_says_what_to_set(url: str) -> None:
    refused = script("start.sh", "room-1", EGRESS_URL=url)
    assert refused.returncode != 0
    assert "set ACCESS_TOKEN" in refused.stderr
