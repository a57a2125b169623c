"""`kubectl egress` without a cluster: what it writes, when a wait is over, what it hands on to kubectl."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from egress_api.task import EgressTask
from egress_operator import plugin
from egress_operator.errors import KubectlError, PluginError
from egress_operator.plugin_kubectl import read
from egress_operator.plugin_text import age, clean, details, listing, sentence

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PLAYLIST = {
    "name": "rec.m3u8",
    "uri": "s3://recordings/demo/standup/rec.m3u8",
    "kind": "playlist",
    "sizeBytes": 789224,
    "durationSeconds": 21.867,
}


def resource(name: str = "standup", *, minutes: float = 5, **status: Any) -> dict[str, Any]:
    created = (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": name, "namespace": "media", "uid": "u", "creationTimestamp": created},
        "spec": {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": "s"}},
        **({"status": status} if status else {}),
    }


def task(name: str = "standup", *, minutes: float = 5, **status: Any) -> EgressTask:
    return EgressTask.from_resource(resource(name, minutes=minutes, **status))


def recording(*, holds: bool, state: str = "PROCESSING") -> EgressTask:
    condition = {
        "type": "Recording",
        "status": "True" if holds else "False",
        "reason": "Recording" if holds else "Retrying",
        "lastTransitionTime": "2026-11-23T08:59:00Z",
    }
    return task(state=state, reason=condition["reason"], message="as it is", conditions=[condition])


def test_a_listing_has_the_newest_task_last() -> None:
    old = task("old", minutes=200, state="STOPPED", reason="IdleTimeout", filesTotal=1, files=[PLAYLIST])
    text = listing([task("new"), old], now=NOW, namespaces=False)
    assert text.splitlines() == [
        "NAME   APP    SOURCE   STATE      REASON        FILES   RECORDED   AGE",
        "old    demo   room     STOPPED    IdleTimeout   1       21.9s      3h20m",
        "new    demo   room     ENQUEUED   -             0       -          5m",
    ]


def test_a_listing_of_all_namespaces_names_them() -> None:
    header, row = listing([task()], now=NOW, namespaces=True).splitlines()
    assert header.split()[0] == "NAMESPACE"
    assert row.split()[:2] == ["media", "standup"]


def test_details_of_an_ended_task() -> None:
    condition = {
        "type": "Complete",
        "status": "True",
        "reason": "StopRequested",
        "message": "stopped as asked",
        "lastTransitionTime": "2026-11-23T08:59:00Z",
    }
    ended = task(
        state="STOPPED",
        reason="StopRequested",
        message="stopped as asked",
        attempt=1,
        podName="standup-1",
        podPhase="Succeeded",
        nodeName="n1",
        startedAt="2026-11-23T08:56:00Z",
        stoppedAt="2026-11-23T08:59:00Z",
        files=[PLAYLIST],
        filesTotal=3,
        manifestUri="s3://recordings/demo/standup/manifest.json",
        conditions=[condition],
    )
    assert details(ended, now=NOW).splitlines() == [
        "Name:         standup",
        "Namespace:    media",
        "App:          demo",
        "Source:       room (flat)",
        "State:        STOPPED",
        "Reason:       StopRequested",
        "Message:      stopped as asked",
        "Created:      2026-11-23T08:55:00Z (5m ago)",
        "Started:      2026-11-23T08:56:00Z (4m ago)",
        "Ended:        2026-11-23T08:59:00Z (1m ago)",
        "Recorded:     21.9s",
        "Pod:          standup-1 (Succeeded, on n1, attempt 1)",
        "Manifest:     s3://recordings/demo/standup/manifest.json",
        "Conditions:",
        "  TYPE       STATUS   REASON          SINCE   MESSAGE",
        "  Complete   True     StopRequested   1m      -",
        "Files: 1 of 3, the manifest has all",
        "  KIND       SIZE       DURATION   URI",
        "  playlist   770.7KiB   21.9s      s3://recordings/demo/standup/rec.m3u8",
    ]


GAPS = [
    {"startedAt": "2026-11-23T08:56:10.250Z", "seconds": 1.25, "reason": "CaptureRestarted"},
    {"startedAt": "2026-11-23T08:57:00.000Z", "seconds": 30, "reason": "Paused"},
    {"startedAt": "2026-11-23T08:58:00.000Z", "seconds": 1.85, "reason": "RecorderReplaced"},
]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ({"gaps": GAPS, "lostSeconds": 3.1}, "Gaps:         2 gaps, 3.1 s missing; 1 pause"),
        ({"gaps": GAPS[:1], "lostSeconds": 1.25}, "Gaps:         1 gap, 1.2 s missing"),
        ({"gaps": GAPS[1:2]}, "Gaps:         1 pause"),
        ({"pendingBytes": 3_145_728}, "Waiting:      3.0MiB, not in the store yet"),
    ],
)
def test_details_say_what_is_missing_and_what_waits(status: dict[str, Any], line: str) -> None:
    lines = details(task(state="PROCESSING", reason="Recording", **status), now=NOW).splitlines()

    assert [text for text in lines if text.startswith(("Gaps", "Waiting"))] == [line]


def test_what_is_asked_stands_beside_the_state() -> None:
    asked = resource(state="PROCESSING", reason="Recording", message="it records")
    asked["spec"]["pause"] = True

    assert "State:        PROCESSING, asked to pause" in details(read(asked), now=NOW)
    asked["spec"]["stop"] = True
    assert "State:        PROCESSING, asked to stop" in details(read(asked), now=NOW)


def test_a_task_that_nobody_has_seen_says_so() -> None:
    assert sentence(task()) == "standup is ENQUEUED: no operator has seen it yet"


def test_no_control_character_of_a_status_reaches_the_terminal() -> None:
    failed = task(state="FAILED", reason="RecorderFailed", message="\x1b[2Jgone\nand more\u202e")
    for text in (sentence(failed), details(failed, now=NOW)):
        assert " [2Jgone and more " in text + " "
    assert clean("\x9b\r\t") == "   "


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (59, "59s"), (60, "1m"), (130, "2m10s"), (7200, "2h"), (90_061, "1d1h"), (1e7, "115d17h")],
)
def test_ages(seconds: float, text: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), now=NOW) == text


class Clock:
    """Time that passes only in sleeps, and a task that changes with each look."""

    def __init__(self, *seen: EgressTask | Exception) -> None:
        self.now = 0.0
        self.seen = list(seen)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self, left: float) -> EgressTask:
        assert left > 0
        found = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if isinstance(found, Exception):
            raise found
        return found

    def until_ended(self, first: EgressTask, *, seconds: float) -> EgressTask:
        return plugin.until(
            first,
            plugin.has_ended,
            look=self.look,
            seconds=seconds,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def test_a_wait_survives_an_api_server_that_is_away() -> None:
    clock = Clock(KubectlError(), KubectlError("no answer"), task(state="FAILED", reason="OOMKilled"))
    assert clock.until_ended(task(), seconds=60).status.state == "FAILED"
    assert clock.now == 3


def test_a_wait_ends_at_its_deadline() -> None:
    clock = Clock(recording(holds=True))
    assert clock.until_ended(task(), seconds=4.5).status.state == "PROCESSING"
    assert clock.now == 4.5


def test_a_wait_ends_when_the_task_is_gone() -> None:
    with pytest.raises(PluginError, match="no task"):
        Clock(PluginError("no task standup")).until_ended(task(), seconds=60)


def test_a_wait_tells_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    running = recording(holds=True)
    Clock(running, running, task(state="STOPPED", reason="IdleTimeout")).until_ended(task(), seconds=60)
    assert capsys.readouterr().err.splitlines() == [sentence(task()), sentence(running)]


def test_between_two_recorders_nothing_is_recorded() -> None:
    assert plugin.is_recording(recording(holds=True))
    assert not plugin.is_recording(recording(holds=False))
    assert not plugin.will_not_record(recording(holds=False))
    assert plugin.will_not_record(recording(holds=True, state="STOPPING"))


def test_a_task_of_a_later_version_names_the_field_and_the_way_out() -> None:
    with pytest.raises(PluginError, match=r"task standup is not of this version: status\.state: .*upgrade"):
        read(resource(state="PAUSED"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("2h", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert plugin.parser().parse_args(["wait", "standup", f"--timeout={text}"]).timeout == seconds


@pytest.mark.parametrize(
    "arguments",
    [["wait", "x", "--timeout=soon"], ["wait", "x", "--for=ever"], ["list", "--state=DONE"], ["show"], []],
)
def test_arguments_that_make_no_sense_end_with_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plugin.main(arguments)
    assert ended.value.code == 2


def test_a_name_may_be_written_as_kubectl_writes_it() -> None:
    given = plugin.parser().parse_args(["show", "egresstask.egress-operator.dev/standup"])
    assert given.name == "standup"


def test_without_kubectl_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plugin.main(["list"]) == 1
    assert capsys.readouterr().err == "kubectl egress: there is no kubectl on the PATH: install it first\n"


def test_kubectls_flags_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/given\necho \'{{"items": []}}\'\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plugin.main(["list", "-n", "media", "--context=prod", "--as", "jane"]) == 0
    assert (tmp_path / "given").read_text().split() == [
        "--namespace=media", "--context=prod", "--as=jane", "get", "egresstasks.egress-operator.dev", "--output=json",
    ]  # fmt: skip


def test_it_needs_no_more_than_pydantic() -> None:
    code = (
        "import sys; before = set(sys.modules); import egress_operator.plugin; "
        "print(*{n.split('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    allowed = {"annotated_types", "egress_api", "egress_operator", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}  # fmt: skip
    assert {name for name in done.stdout.split() if not name.startswith("_")} <= allowed
