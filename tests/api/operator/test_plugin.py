"""`kubectl egress` as people type it, against a real API server; the operator's part is written by hand."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from egress_cluster.apiserver import ApiServer
from support.operator_world import SPEC

SCRIPTS = Path(sys.executable).parent
FAILED = {"state": "FAILED", "reason": "JoinRefused", "message": "the token is too old"}
STOPPED = {"state": "STOPPED", "reason": "StopRequested", "message": "stopped as asked"}


class Person:
    """Somebody with a terminal: kubectl and the plugin on the PATH, a kubeconfig in the environment."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server, self.namespace = server, namespace
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(server.kubectl.parent), str(SCRIPTS), os.environ["PATH"]]),
            "KUBECONFIG": str(server.kubeconfig),
        }

    def command(self, *arguments: str) -> list[str]:
        return [str(self.server.kubectl), *arguments]

    def types(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )

    def egress(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.types("egress", *arguments, "--namespace", self.namespace)

    @contextmanager
    def starts(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Have a command run that waits for something; what it says comes as it goes, on stderr."""
        command = self.command("egress", *arguments, "--namespace", self.namespace)
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            try:
                yield running
            finally:
                running.kill()

    def creates(self, name: str, **spec: Any) -> None:
        body = {
            "apiVersion": "egress-operator.dev/v1alpha1",
            "kind": "EgressTask",
            "metadata": {"name": name},
            "spec": {**SPEC, **spec},
        }
        path = f"/apis/egress-operator.dev/v1alpha1/namespaces/{self.namespace}/egresstasks"
        self.server.request("POST", path, body=body)

    def task(self, name: str) -> dict[str, Any]:
        path = f"/apis/egress-operator.dev/v1alpha1/namespaces/{self.namespace}/egresstasks/{name}"
        found: dict[str, Any] = self.server.request("GET", path)
        return found

    def writes_status(self, name: str, **status: Any) -> None:
        patch = json.dumps({"status": status})
        done = self.types(
            "patch", "egt", name, "-n", self.namespace, "--subresource=status", "--type=merge", "-p", patch
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def person(api_server: ApiServer, crd: None, namespace: str) -> Person:
    return Person(api_server, namespace)


def recording() -> dict[str, Any]:
    condition = {
        "type": "Recording",
        "status": "True",
        "reason": "Recording",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {"state": "PROCESSING", "reason": "Recording", "message": "it records", "conditions": [condition]}


def test_list_tells_the_tasks_that_fit(person: Person) -> None:
    person.creates("one")
    person.creates("two", appId="other")
    person.writes_status("two", **FAILED)
    header, *rows = person.egress("list").stdout.splitlines()
    assert header.split() == ["NAME", "APP", "SOURCE", "STATE", "REASON", "FILES", "RECORDED", "AGE"]
    assert {row.split()[0]: row.split()[3:5] for row in rows} == {
        "one": ["ENQUEUED", "-"],
        "two": ["FAILED", "JoinRefused"],
    }
    assert [row.split()[0] for row in person.egress("list", "--app=demo").stdout.splitlines()[1:]] == ["one"]
    assert person.egress("list", "--state=failed").stdout.splitlines()[1].split()[:2] == ["two", "other"]
    everywhere = person.types("egress", "list", "-A", "--app=other").stdout
    assert [person.namespace, "two"] in [row.split()[:2] for row in everywhere.splitlines()]


def test_an_empty_list_names_the_namespace(person: Person) -> None:
    done = person.egress("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no task in namespace {person.namespace}\n"


def test_show_tells_why(person: Person) -> None:
    person.creates("one")
    person.writes_status("one", **FAILED)
    lines = person.egress("show", "egt/one").stdout.splitlines()
    assert "State:        FAILED" in lines
    assert "Message:      the token is too old" in lines


def test_stop_without_a_wait_only_asks(person: Person) -> None:
    person.creates("one")
    done = person.egress("stop", "one")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("one was asked to stop")
    assert person.task("one")["spec"]["stop"] is True


def test_pause_and_resume_ask_for_it_again_and_again(person: Person) -> None:
    person.creates("one")
    for command, wanted, words in [
        ("pause", True, "one was asked to pause: nothing is recorded from now on\n"),
        ("pause", True, "one was asked to pause: nothing is recorded from now on\n"),
        ("resume", False, "one was asked to go on, in the same playlist, from now on\n"),
    ]:
        done = person.egress(command, "one")
        assert (done.returncode, done.stdout) == (0, words), done.stderr
        assert person.task("one")["spec"].get("pause", False) is wanted


def test_pause_comes_too_late_for_a_task_that_is_to_stop_or_has_ended(person: Person) -> None:
    person.creates("one", stop=True)
    done = person.egress("pause", "one")
    assert (done.returncode, done.stderr) == (
        1, "kubectl egress: too late, it was asked to stop: one is ENQUEUED: no operator has seen it yet\n",
    )  # fmt: skip
    person.creates("two")
    person.writes_status("two", state="STOPPING", reason="Closing", message="attempt 2 closes the playlist")
    assert "too late, it is ending: two is STOPPING (Closing)" in person.egress("pause", "two").stderr
    person.writes_status("one", **STOPPED)
    assert "too late, it has ended" in person.egress("resume", "one").stderr
    assert not person.task("one")["spec"].get("pause", False)


@pytest.mark.parametrize(("end", "code"), [(STOPPED, 0), (FAILED, 1)])
def test_stop_waits_for_the_end_and_its_code_says_which(
    person: Person, end: dict[str, Any], code: int
) -> None:
    person.creates("one")
    person.writes_status("one", **recording())
    with person.starts("stop", "one", "--wait", "30") as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "one is PROCESSING (Recording): it records\n"
        assert person.task("one")["spec"]["stop"] is True
        person.writes_status("one", **end)
        said, _ = running.communicate(timeout=20)
    assert said == f"one is {end['state']} ({end['reason']}): {end['message']}\n"
    assert running.returncode == code


def test_stop_gives_up_at_its_deadline(person: Person) -> None:
    person.creates("one")
    done = person.egress("stop", "one", "--wait", "0.1")
    assert done.returncode == 1
    assert "kubectl egress: not in 0.1 s: one is ENQUEUED: no operator has seen it yet" in done.stderr


def test_wait_for_a_recording_ends_when_it_begins(person: Person) -> None:
    person.creates("one")
    with person.starts("wait", "one", "--for=recording", "--timeout=30s") as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "one is ENQUEUED: no operator has seen it yet\n"
        person.writes_status("one", **recording())
        assert running.wait(timeout=20) == 0


@pytest.mark.parametrize("goal", ["recording", "end"])
def test_wait_ends_at_once_when_the_task_fails(person: Person, goal: str) -> None:
    person.creates("one")
    with person.starts("wait", "one", f"--for={goal}", "--timeout=30s") as running:
        assert running.stderr is not None
        running.stderr.readline()
        person.writes_status("one", **FAILED)
        assert running.wait(timeout=20) == 1


def test_logs_come_from_the_recorders_pod(person: Person) -> None:
    person.creates("one")
    done = person.egress("logs", "one")
    assert done.returncode == 1
    assert "there is no recorder Pod: one is ENQUEUED" in done.stderr

    person.writes_status("one", **FAILED, podName="one-1")
    done = person.egress("logs", "one")
    assert done.returncode == 1
    assert 'pods "one-1" not found' in done.stderr
    assert "a recorder's log goes with its Pod" in done.stderr


@pytest.mark.parametrize("command", ["show", "pause", "resume", "stop", "wait", "logs"])
def test_no_such_task_names_the_namespace(person: Person, command: str) -> None:
    done = person.egress(command, "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith(f"kubectl egress: no task nobody in namespace {person.namespace}; ")
    assert "in namespace default;" in person.types("egress", command, "nobody").stderr


def test_a_refusal_is_kubectls_own(person: Person) -> None:
    person.creates("one")
    done = person.egress("stop", "one", "--as", "jane")
    assert done.returncode == 1
    assert done.stderr.startswith("Error from server (Forbidden): ")
    assert "Traceback" not in done.stderr
