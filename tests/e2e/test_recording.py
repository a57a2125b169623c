"""The main way, once, with real media: start, status and stop by curl, and everything about what came of it.

One recording of 20 s serves all tests of this module; each looks at another side of it.
"""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from egress_api.names import task_name
from support.e2e import APP, NAMESPACE, Gateway, Tasks, until
from support.publishers import Publishers, two_users
from support.recording import Recording, av_offsets, grid, strips, tones, visible_users
from support.store import fetch_task

SECONDS = 20.0
PEOPLE = two_users()
MANIFEST_URI = "s3://recordings/demo/{task}/manifest.json"


@dataclass(frozen=True)
class Whole:
    """All that could be seen of one task from its start to its end."""

    task: str
    body: dict[str, Any]
    started: dict[str, Any]
    running: dict[str, Any]
    running_with_body: dict[str, Any]
    stopped: dict[str, Any]
    ended: dict[str, Any]
    resource: dict[str, Any]
    pod: dict[str, Any]
    asked_seconds: float
    """From the first frame to the stop call."""
    traces: str
    """Every resource, Event and log line in the namespace while it ran and after."""
    recording: Recording


def curl(*arguments: str, body: str | None = None) -> dict[str, Any]:
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *arguments]
    if body is not None:
        command += ["--header", "Content-Type: application/json", "--data", "@-"]
    done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{done.stderr}{done.stdout}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(
    gateway: Gateway, tasks: Tasks, people: Publishers, make_start_body: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Whole:  # fmt: skip
    url = f"{gateway.url}/egress/v1/{APP}/tasks"
    body = make_start_body(users=["user1", "user2"])
    started = curl("-X", "POST", url, body=json.dumps(body))
    task = started["task_id"]
    tasks.until_state(task, "PROCESSING", seconds=60)
    resource = until("the first frame", lambda: first_frame(tasks.get(task)), seconds=20)
    (pod,) = tasks.pods(task)
    log = tasks.follow_log(pod["metadata"]["name"])
    until("the first file", lambda: gateway.status(task).body["payload"]["files"], seconds=20)
    running = curl(f"{url}/{task}")
    with_body = curl("-X", "GET", f"{url}/{task}", body='{"request_id": "2yui23k5"}')
    begun = time.time() - seconds_since(resource["status"]["firstFrameAt"])
    time.sleep(max(0.0, begun + SECONDS - time.time()))  # the length of the recording
    asked = time.time() - begun
    stopped = curl("-X", "POST", f"{url}/{task}/stop", body='{"request_id": "2yui23k5"}')
    resource = tasks.until_state(task, "STOPPED", seconds=60)
    return Whole(
        task=task,
        body=body,
        started=started,
        running=running,
        running_with_body=with_body,
        stopped=stopped,
        ended=curl(f"{url}/{task}"),
        resource=resource,
        pod=pod,
        asked_seconds=asked,
        traces=traces(tasks) + json.dumps(pod) + log.text(),
        recording=fetch_task(task, tmp_path_factory.mktemp("recording")),
    )


def first_frame(task: dict[str, Any]) -> dict[str, Any] | None:
    return task if task["status"].get("firstFrameAt") else None


def seconds_since(moment: str) -> float:
    return time.time() - datetime.fromisoformat(moment).timestamp()


def traces(tasks: Tasks) -> str:
    kubectl = tasks.kubectl
    resources = kubectl.run("get", "egresstasks,pods,events,configmaps,deployments", "-o", "json")
    logs = [
        kubectl.run("logs", "-l", f"app.kubernetes.io/component={component}", "--tail=-1")
        for component in ("gateway", "operator")
    ]
    return "\n".join([resources, *logs])


def test_the_start_answers_at_once(whole: Whole) -> None:
    request_id = whole.body["request_id"]
    assert whole.started == {
        "request_id": request_id,
        "task_id": task_name(app_id=APP, request_id=request_id),
        "status": "ENQUEUED",
    }


def test_the_status_says_what_was_asked_and_what_there_is(whole: Whole) -> None:
    asked = whole.body["payload"]
    assert whole.running["task_id"] == whole.task
    assert whole.running["status"] == "PROCESSING"
    assert whole.running["payload"] == {
        "layout": "flat",
        "channel": asked["channel"],
        "users": ["user1", "user2"],
        "files": ["file_output.m3u8"],
        "format": "hls",
        "video": asked["video"],
        "audio": asked["audio"],
    }


def test_a_status_call_may_bring_a_body(whole: Whole) -> None:
    for key in ("task_id", "status", "payload"):
        assert whole.running_with_body[key] == whole.running[key]


def test_the_stop_answers_success(whole: Whole) -> None:
    assert whole.stopped == {"task_id": whole.task, "status": "SUCCESS"}


def test_the_end_is_told_with_files(whole: Whole) -> None:
    assert (whole.ended["status"], whole.ended["reason"]) == ("STOPPED", "StopRequested")
    assert whole.ended["payload"]["files"] == ["file_output.m3u8"]
    (output,) = whole.ended["outputs"]
    assert output["uri"] == f"s3://recordings/{APP}/{whole.task}/file_output.m3u8"
    assert output["kind"] == "playlist"
    assert output["durationSeconds"] == pytest.approx(whole.recording.playlist.seconds, abs=0.05)
    manifest = whole.recording.manifest
    assert manifest is not None
    assert output["sizeBytes"] == sum(segment.size_bytes for segment in manifest.segments)
    assert whole.ended["manifest_uri"] == MANIFEST_URI.format(task=whole.task)


def test_the_resource_says_the_same(whole: Whole) -> None:
    status = whole.resource["status"]
    assert (status["state"], status["reason"], status["attempt"]) == ("STOPPED", "StopRequested", 1)
    assert status["source"] == whole.body["payload"]["channel"]
    assert status["observedGeneration"] == whole.resource["metadata"]["generation"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {
        "Accepted": "True",
        "PodScheduled": "True",
        "Recording": "False",
        "Uploaded": "True",
        "Complete": "True",
        "Failed": "False",
    }
    assert status["enqueuedAt"] <= status["startedAt"] <= status["stoppedAt"]


def test_a_recording_that_goes_as_asked_has_no_events_of_its_own(whole: Whole, tasks: Tasks) -> None:
    events = tasks.kubectl.get("events", f"--field-selector=involvedObject.name={whole.task}")["items"]
    assert [event["reason"] for event in events] == []


def test_the_access_token_is_nowhere(whole: Whole) -> None:
    token = whole.body["payload"]["access_token"]
    assert whole.task in whole.traces
    stored = b"".join(path.read_bytes() for path in whole.recording.folder.iterdir())
    for part in (token, token.split(".")[2]):
        assert part not in whole.traces
        assert part not in json.dumps([whole.running, whole.ended, whole.resource])
        assert part.encode() not in stored


def test_the_pod_passed_the_restricted_standard(whole: Whole, tasks: Tasks) -> None:
    namespace = tasks.find("namespace", NAMESPACE)
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    container = whole.pod["spec"]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert whole.pod["spec"]["automountServiceAccountToken"] is False
    assert whole.pod["spec"]["securityContext"]["runAsUser"] > 0


def test_the_playlist_ends_once(whole: Whole) -> None:
    lines = whole.recording.playlist_path.read_text().splitlines()
    assert (lines.count("#EXT-X-ENDLIST"), lines[-1]) == (1, "#EXT-X-ENDLIST")


def test_the_playlist_and_every_segment_are_sound(whole: Whole) -> None:
    assert whole.recording.problems(people=PEOPLE) == []


def test_it_is_as_long_as_was_asked(whole: Whole) -> None:
    assert whole.recording.seconds == pytest.approx(whole.asked_seconds, abs=1.0)
    assert whole.recording.playlist.number("EXT-X-TARGETDURATION") == 4
    first, *durations = [entry.seconds for entry in whole.recording.playlist.entries]
    # the splitter counts from the join, and what comes before the first picture is left out
    assert 1.9 < first < 4.05
    assert durations[:-1] == pytest.approx([4.0] * (len(durations) - 1), abs=0.05)


def test_the_streams_are_what_was_asked(whole: Whole) -> None:
    streams = whole.recording.streams
    assert (streams.width, streams.height, streams.video_codec) == (1280, 720, "h264")
    assert (streams.sample_rate, streams.channels, streams.audio_codec) == (48000, 2, "aac")
    assert whole.recording.frames_per_second == pytest.approx(30, rel=0.01)


def test_both_are_seen_side_by_side(whole: Whole) -> None:
    for at in (6.0, 12.0, 17.0):
        seen = visible_users(whole.recording, at=at, people=PEOPLE)
        assert seen.keys() == {"user1", "user2"}
        cells = grid(2)
        assert all(any(box.inside(cell) for cell in cells) for box in seen.values())


def test_the_picture_never_stands_still(whole: Whole) -> None:
    for strip in strips(whole.recording, people=PEOPLE).values():
        assert strip.readable > 0.95
        assert strip.backwards == 0
        assert strip.longest_freeze < 0.4
        assert abs(strip.latency) < 1.0


def test_both_are_heard(whole: Whole) -> None:
    for heard in tones(whole.recording, people=PEOPLE).values():
        assert sum(heard[1:-1]) >= len(heard[1:-1]) - 1


def test_sound_and_picture_are_together(whole: Whole) -> None:
    for offsets in av_offsets(whole.recording, people=PEOPLE).values():
        assert len(offsets.each) >= 12
        assert abs(offsets.median) < 0.06
        # A frame that a busy machine publishes late moves one flash, not the recording.
        assert sorted(abs(offsets.each))[int(len(offsets.each) * 0.8)] < 0.1
