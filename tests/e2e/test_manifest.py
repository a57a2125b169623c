"""`kubectl apply` alone: the example manifest makes a recording with no gateway anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.e2e import Gateway, Tasks, request_id, until
from support.media_file import look_at
from support.publishers import Publishers, recorder_token
from support.store import fetch_task

EXAMPLE = Path(__file__).parents[2] / "examples" / "record-channel.yaml"


@pytest.fixture
def no_gateway(gateway: Gateway, tasks: Tasks) -> Iterator[None]:
    """The gateway scaled to zero for as long as the test runs."""

    def answers() -> bool:
        try:
            return gateway.call("GET", "/readyz").status == 200
        except OSError:
            return False

    deployment = "deployment/egress-gateway"
    tasks.kubectl.run("scale", deployment, "--replicas=0")
    try:
        until(
            "no gateway",
            lambda: not tasks.all_of("pod", selector="app.kubernetes.io/component=gateway"),
            seconds=60,
        )
        yield
    finally:
        tasks.kubectl.run("scale", deployment, "--replicas=1")
        until("the gateway answers again", answers, seconds=70)


def test_the_example_records(tasks: Tasks, people: Publishers, no_gateway: None, tmp_path: Path) -> None:
    kubectl = tasks.kubectl
    task = yaml.safe_load(EXAMPLE.read_text())
    # The folder in the store follows the name: a run before this one has left a recording there.
    name = task["metadata"]["name"] = f"record-{request_id()}"
    token = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": task["spec"]["accessTokenSecretRef"]["name"]},
        "stringData": {"access_token": recorder_token(task["spec"]["channel"], identity=name)},
    }
    kubectl.apply(token, task)
    kubectl.run("wait", "--for=condition=Recording", f"egt/{name}", "--timeout=60s", timeout_seconds=70)
    until("a file", lambda: tasks.get(name)["status"].get("files"), seconds=40)
    kubectl.run("patch", "egt", name, "--type=merge", '--patch={"spec":{"stop":true}}')
    kubectl.run("wait", "--for=condition=Complete", f"egt/{name}", "--timeout=90s", timeout_seconds=100)
    file, mp4 = tasks.get(name)["status"]["files"]
    columns = kubectl.run("get", "egresstask", name, "--no-headers").split()
    assert columns[:5] == [name, "my-app", "egress_test", "STOPPED", "2"]
    recording = fetch_task(name, tmp_path, app="my-app")
    assert recording.problems() == []
    assert recording.playlist_path.name == file["name"]
    assert file["name"].endswith("_egress_test.m3u8")
    film = look_at(tmp_path / mp4["name"])
    assert film.complaint == ""
    assert film.picture_seconds == pytest.approx(recording.playlist.seconds, abs=0.2)
