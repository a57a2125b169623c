"""The operator's settings: the file, the environment over it, and sentences for what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from egress_operator.errors import SettingsError
from egress_operator.settings import Settings
from support.otlp import without_opentelemetry

FILE = """
region: eu
store: {url: "s3://recordings", options: {endpoint: "http://s3:7070", allow_http: "true"}, credentialsSecret: keys}
sources:
  default: {kind: livekit, url: "ws://livekit:7880"}
  apps: {big: {url: "wss://big:443"}}
recorder: {image: "egress-recorder:1", graceSeconds: 60, nodeSelector: {media: "yes"}}
pollSeconds: 1
ttlSecondsAfterFinished: 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "operator.yaml"
    path.write_text(FILE)
    return path


def test_the_file_in_the_words_of_the_chart(file: Path) -> None:
    settings = Settings.load(file)

    assert settings.namespaces == ["default"]
    assert settings.store.options == {"endpoint": "http://s3:7070", "allow_http": "true"}
    assert settings.store.credentials_secret == "keys"
    assert settings.recorder.grace_seconds == 60
    assert settings.recorder.node_selector == {"media": "yes"}
    assert (settings.poll_seconds, settings.ttl_seconds_after_finished) == (1, 0)


def test_an_app_has_its_own_source_or_the_default(file: Path) -> None:
    sources = Settings.load(file).sources
    big, other = sources.of("big"), sources.of("other")

    assert big is not None
    assert other is not None
    assert (big.url, other.url) == ("wss://big:443", "ws://livekit:7880")


def test_the_environment_wins_field_by_field(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_OPERATOR_REGION", "us")
    monkeypatch.setenv("EGRESS_OPERATOR_NAMESPACES", '["a", "b"]')
    monkeypatch.setenv("EGRESS_OPERATOR_STORE__URL", "gs://other")
    monkeypatch.setenv("EGRESS_OPERATOR_RECORDER__GRACE_SECONDS", "7")
    settings = Settings.load(file)

    assert (settings.region, settings.namespaces) == ("us", ["a", "b"])
    assert (settings.store.url, settings.store.credentials_secret) == ("gs://other", "keys")
    assert (settings.recorder.grace_seconds, settings.recorder.image) == (7, "egress-recorder:1")


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_OPERATOR_STORE__URL", "s3://recordings")
    monkeypatch.setenv("EGRESS_OPERATOR_RECORDER__IMAGE", "egress-recorder:1")

    assert Settings.load(tmp_path / "none.yaml").recorder.image == "egress-recorder:1"


def test_pages_in_the_words_of_the_chart(file: Path) -> None:
    web = "{image: web:1, shmSize: 1Gi, seccompProfile: egress/chromium.json, hostUsers: false, requireSandbox: true}"
    pages = "{default: {deny: [bad.example]}, apps: {big: {allow: ['pages.media:8080'], ports: [443]}}}"
    file.write_text(FILE.replace("graceSeconds: 60", f"graceSeconds: 60, web: {web}") + f"pages: {pages}\n")
    settings = Settings.load(file)

    assert settings.recorder.web.model_dump(exclude={"resources"}) == {
        "image": "web:1",
        "shm_size": "1Gi",
        "seccomp_profile": "egress/chromium.json",
        "host_users": False,
        "require_sandbox": True,
    }
    assert settings.pages.of("big").allow == ["pages.media:8080"]
    assert (settings.pages.of("big").deny, settings.pages.of("big").ports) == ([], [443])
    assert (settings.pages.of("other").deny, settings.pages.of("other").ports) == (["bad.example"], [80, 443])


def test_the_environment_may_name_the_image_for_pages(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_OPERATOR_RECORDER__WEB__IMAGE", "web:2")
    monkeypatch.setenv("EGRESS_OPERATOR_PAGES", '{"apps": {"a": {"ports": [8443]}}}')
    settings = Settings.load(file)

    assert (settings.recorder.web.image, settings.recorder.grace_seconds) == ("web:2", 60)
    assert settings.pages.of("a").ports == [8443]


def test_the_queue_in_the_words_of_the_chart(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = "{small: {maxTasks: 1}, free: {maxTasks: 0, queueName: team-a}}"
    file.write_text(FILE + f"queue: {{maxTasks: 9, maxTasksPerApp: 3, startsPerSecond: 2.5, apps: {apps}}}\n")
    queue = Settings.load(file).queue

    assert (queue.max_tasks, queue.starts_per_second, queue.starts_burst) == (9, 2.5, 10)
    assert [queue.limit_of(app) for app in ("small", "free", "other")] == [1, 0, 3]
    assert queue.queue_of("free", asked=None) == "team-a"
    assert queue.queue_of("small", asked=None) == ""
    assert queue.limited

    monkeypatch.setenv("EGRESS_OPERATOR_QUEUE__MAX_TASKS", "4")
    assert Settings.load(file).queue.max_tasks == 4


@pytest.mark.parametrize(
    ("queue", "limited"),
    [
        ("{}", False),
        ("{startsBurst: 1, queueName: q, apps: {a: {queueName: b}}}", False),
        ("{maxTasks: 1}", True),
        ("{maxTasksPerApp: 1}", True),
        ("{startsPerSecond: 0.1}", True),
        ("{apps: {a: {maxTasks: 1}}}", True),
    ],
)
def test_nobody_waits_where_no_limit_is_set(file: Path, queue: str, limited: bool) -> None:  # noqa: FBT001 - a table's column
    file.write_text(FILE + f"queue: {queue}\n")

    assert Settings.load(file).queue.limited is limited


def test_a_queue_that_cannot_be_a_label_is_refused(file: Path) -> None:
    file.write_text(FILE + "queue: {apps: {a: {queueName: Team_A}}}\n")

    with pytest.raises(SettingsError, match="must be the name of a LocalQueue"):
        Settings.load(file)


def test_places_and_sizes_in_the_words_of_the_chart(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets = (
        "[{layout: flat, upTo: {width: 640, height: 360}, resources: {requests: {cpu: 2, memory: 1Gi}}}]"
    )
    placement = "{regions: {eu: {nodeSelector: {pool: eu}}}, allowedTaints: [dedicated]}"
    text = FILE.replace("graceSeconds: 60", f"graceSeconds: 60, presets: {presets}")
    file.write_text(f"{text}placement: {placement}\n")
    monkeypatch.setenv("EGRESS_OPERATOR_PLACEMENT__ALLOWED_NODE_LABELS", '["disk"]')
    settings = Settings.load(file)

    [preset] = settings.recorder.presets
    assert (preset.up_to.width, preset.up_to.frame_rate) == (640, 30)
    assert preset.resources == {"requests": {"cpu": "2", "memory": "1Gi"}}
    assert settings.placement.regions["eu"].node_selector == {"pool": "eu"}
    assert settings.placement.allowed_taints == ["dedicated"]
    assert settings.placement.allowed_node_labels == ["disk"]


def test_a_region_whose_name_no_task_could_have_is_refused(file: Path) -> None:
    file.write_text(FILE + "placement: {regions: {eu/west: {}}}\n")

    with pytest.raises(SettingsError, match=r"placement\.regions") as refused:
        Settings.load(file)
    assert "with a letter or digit at both ends" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pollSeconds: 1", "polSeconds: Extra inputs are not permitted"),
        ('url: "s3://recordings"', "store.url: String should match pattern"),
        ("graceSeconds: 60", "recorder.graceSeconds: Input should be greater than or equal to 5"),
    ],
)
def test_what_is_wrong_is_named_as_it_stands_in_the_file(file: Path, change: str, says: str) -> None:
    wrong = {
        "pollSeconds: 1": "polSeconds: 1",
        'url: "s3://recordings"': 'url: "ftp://x"',
        "graceSeconds: 60": "graceSeconds: 1",
    }[change]
    file.write_text(FILE.replace(change, wrong))

    with pytest.raises(SettingsError) as refused:
        Settings.load(file)
    assert says in str(refused.value)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("{app_id}", "must contain {task_id}"),
        ("{task_id}/{when}", "known are {app_id}"),
        ("{task_id", "filled in"),
    ],
)
def test_a_folder_that_would_mix_tasks_is_refused(file: Path, folder: str, says: str) -> None:
    file.write_text(FILE.replace("credentialsSecret: keys", f'credentialsSecret: keys, folder: "{folder}"'))

    with pytest.raises(SettingsError, match="folder") as refused:
        Settings.load(file)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("url: 's3://b', storageClass: GLACIER", "let a lifecycle rule"),
        ("url: 's3://b', storageClass: deep_archive", "let a lifecycle rule"),
        ("url: 'az://b', storageClass: Archive", "let a lifecycle rule"),
        ("url: 'file:///b', storageClass: Cool", "plain files have none"),
        ("url: 'gs://b', tags: {a: b}", "gs:// has none"),
        ("url: 's3://b', tags: {'a,b': c}", "String should match pattern"),
    ],
)
@pytest.mark.parametrize("app", [False, True], ids=["of all apps", "of one"])
def test_a_store_that_cannot_do_what_is_asked_of_it_is_refused(
    file: Path, store: str, says: str, *, app: bool
) -> None:
    given = f"{{url: 's3://all', apps: {{mine: {{{store}}}}}}}" if app else f"{{{store}}}"
    file.write_text(f"store: {given}\nrecorder: {{image: recorder:1}}\n")

    with pytest.raises(SettingsError, match=r"  store") as refused:
        Settings.load(file)
    assert says in str(refused.value)


def test_a_missing_file_is_named_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="which does not exist") as refused:
        Settings.load(tmp_path / "none.yaml")
    assert "store: Field required" in str(refused.value)


def test_a_file_that_is_no_yaml_is_named(file: Path) -> None:
    file.write_text("a: [")

    with pytest.raises(SettingsError, match="can't be read as YAML"):
        Settings.load(file)


def test_traces_without_opentelemetry_are_refused(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{FILE}tracing: {{endpoint: 'http://collector:4318'}}\n")
    missing = without_opentelemetry(tmp_path)
    path = f"{missing}:{os.environ.get('PYTHONPATH', '')}"
    ended = subprocess.run(
        [sys.executable, "-m", "egress_operator", "--config", str(file)],
        capture_output=True, text=True, check=False, timeout=30, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "egress-operator: tracing.endpoint is set, but OpenTelemetry is not installed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_receiver_of_traces_that_is_none_is_named(file: Path) -> None:
    file.write_text(f"{FILE}tracing: {{endpoint: 'collector:4318'}}\n")
    with pytest.raises(SettingsError, match=r"tracing\.endpoint: .* must be http://HOST:PORT"):
        Settings.load(file)
