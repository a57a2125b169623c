"""The recorder Pod, whole: an extra field, or one that is missing, is noticed."""

import copy
import json
from typing import Any

import pytest

from egress_api.app_rules import AppPageRules
from egress_api.media import FrozenPicture
from egress_api.page import PageRules, StartRule
from egress_api.recorder import RecorderConfig
from egress_api.status import EgressTaskStatus, Verdict
from egress_api.task import EgressTask
from egress_operator.pod_state import PodView
from egress_operator.pods import build_pod, recorder_config, store_folder, wishes
from egress_operator.settings import Settings
from egress_operator.task_spans import attempt_place
from egress_operator.trace_settings import OperatorTracing
from support.operator_parts import SETTINGS, at, task

CONFIG = {
    "taskId": "task",
    "taskUid": "task-uid",
    "appId": "demo",
    "namespace": "media",
    "attempt": 2,
    "finishOnly": False,
    "controlDir": "/run/egress/control",
    "frozenPicture": "black",
    "maxBytes": 0,
    "createdAt": "2026-11-23T05:11:22.000Z",
    "layout": "flat",
    "channel": "room",
    "users": ["ann"],
    "regions": [],
    "webGl": False,
    "start": {"when": "load", "timeoutSeconds": 30, "onTimeout": "fail"},
    "pageRules": {"allow": [], "deny": [], "ports": [80, 443]},
    "requireSandbox": False,
    "format": "hls",
    "outputs": [],
    "lastAttempt": False,
    "outputName": "20261123_room",
    "segmentSeconds": 4,
    "video": {"width": 1280, "height": 720, "frameRate": 30, "bitrate": 2000},
    "audio": {"sampleRate": 48000, "channels": 2, "bitrate": 128},
    "source": {"kind": "livekit", "url": "ws://livekit:7880"},
    "store": {"url": "s3://recordings/demo/task/", "options": {}},
    "tokenFile": "/run/egress/token/access_token",
    "maxDurationSeconds": 14400,
    "idleTimeoutSeconds": 0,
    "joinTimeoutSeconds": 30,
    "spoolBytes": 2147483648,
    "finalizeSeconds": 120,
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "task-2",
        "namespace": "media",
        "labels": {
            "app.kubernetes.io/managed-by": "egress-operator",
            "app.kubernetes.io/component": "recorder",
            "egress-operator.dev/app-id": "demo",
            "egress-operator.dev/task": "task",
            "egress-operator.dev/task-uid": "task-uid",
            "egress-operator.dev/attempt": "2",
            "egress-operator.dev/layout": "flat",
        },
        "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
            "egress-operator.dev/pause": "false",
            "egress-operator.dev/users": "ann",
            "egress-operator.dev/layout": "flat",
            "egress-operator.dev/stop": "false",
        },
        "finalizers": ["egress-operator.dev/results"],
        "ownerReferences": [
            {
                "apiVersion": "egress-operator.dev/v1alpha1",
                "kind": "EgressTask",
                "name": "task",
                "uid": "task-uid",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    },
    "spec": {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "activeDeadlineSeconds": 14400 + 300 + 3600 + 120 + 300,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 5,
            },
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 5,
            },
        ],
        "containers": [
            {
                "name": "recorder",
                "image": "egress-recorder:1",
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 8080}],
                "resources": {
                    "requests": {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
                    "limits": {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "4Gi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "readinessProbe": {
                    "httpGet": {"path": "/readyz", "port": 8080},
                    "periodSeconds": 1,
                    "timeoutSeconds": 2,
                },
                "livenessProbe": {
                    "httpGet": {"path": "/healthz", "port": 8080},
                    "initialDelaySeconds": 15,
                    "periodSeconds": 10,
                    "timeoutSeconds": 5,
                    "failureThreshold": 6,
                },
                "volumeMounts": [
                    {"name": "spool", "mountPath": "/spool"},
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "control", "mountPath": "/run/egress/control", "readOnly": True},
                    {"name": "token", "mountPath": "/run/egress/token", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "spool", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}},
            {
                "name": "control",
                "downwardAPI": {
                    "items": [
                        {
                            "path": "pause",
                            "fieldRef": {"fieldPath": "metadata.annotations['egress-operator.dev/pause']"},
                        },
                        {
                            "path": "stop",
                            "fieldRef": {"fieldPath": "metadata.annotations['egress-operator.dev/stop']"},
                        },
                        {
                            "path": "users",
                            "fieldRef": {"fieldPath": "metadata.annotations['egress-operator.dev/users']"},
                        },
                        {
                            "path": "layout",
                            "fieldRef": {"fieldPath": "metadata.annotations['egress-operator.dev/layout']"},
                        },
                    ]
                },
            },
            {
                "name": "token",
                "secret": {
                    "defaultMode": 0o440,
                    "secretName": "task-token",
                    "items": [{"key": "access_token", "path": "access_token"}],
                },
            },
        ],
    },
}


def _page_volumes() -> list[dict[str, Any]]:
    """Return the first three volumes of a page's Pod: nobody lays a page out."""
    volumes: list[dict[str, Any]] = copy.deepcopy(POD["spec"]["volumes"][:3])
    volumes[2]["downwardAPI"]["items"].pop()
    return volumes


def _asked() -> Any:
    return task(users=["ann"], filename_pattern="{date}_{channel}")


def _changed(**groups: Any) -> Settings:
    base = SETTINGS.model_dump()
    for group, changes in groups.items():
        base[group] = {**base[group], **changes} if isinstance(changes, dict) else changes
    return Settings(**base)


def test_the_whole_pod() -> None:
    pod = build_pod(_asked(), attempt=2, settings=SETTINGS)

    (env,) = pod["spec"]["containers"][0].pop("env")
    assert env["name"] == "EGRESS_RECORDER_CONFIG"
    assert json.loads(env["value"]) == CONFIG
    assert pod == POD


def test_the_recorder_reads_what_it_is_told() -> None:
    pod = build_pod(_asked(), attempt=2, settings=SETTINGS)

    told = RecorderConfig.model_validate_json(pod["spec"]["containers"][0]["env"][0]["value"])
    assert told == recorder_config(_asked(), attempt=2, settings=SETTINGS)


def test_the_last_attempt_knows_that_it_is() -> None:
    known = [recorder_config(_asked(), attempt=n, settings=SETTINGS).last_attempt for n in (1, 2, 3, 4)]
    assert known == [False, False, True, True]
    free = task(EgressTaskStatus(free_restarts=1), retry_limit=0)
    assert [recorder_config(free, attempt=n, settings=SETTINGS).last_attempt for n in (1, 2)] == [False, True]


@pytest.mark.parametrize("layout", ["flat", "spotlight"])
def test_how_to_lay_it_out_is_read_as_it_was_told(layout: str) -> None:
    pod = build_pod(task(layout=layout), attempt=1, settings=SETTINGS)
    assert PodView.from_resource({**pod, "metadata": {**pod["metadata"], "uid": "u"}}).layout == layout
    del pod["metadata"]["annotations"]["egress-operator.dev/layout"]
    assert PodView.from_resource({**pod, "metadata": {**pod["metadata"], "uid": "u"}}).layout == ""
    del pod["spec"]["volumes"]
    assert PodView.from_resource({**pod, "metadata": {**pod["metadata"], "uid": "u"}}).layout is None


def _page(**spec: Any) -> EgressTask:
    fields = {"channel": None, "access_token_secret_ref": None, "url": "https://Page.example:8443/x", **spec}
    return task(layout="freestyle", **fields)


def _web(**changes: Any) -> Settings:
    return _changed(recorder={"web": {"image": "egress-recorder-web:1", **changes}})


def test_a_pages_pod_differs_in_image_size_label_and_shared_memory_alone() -> None:
    pod = build_pod(_page(), attempt=2, settings=_web())

    pod["spec"]["containers"][0].pop("env")
    want = copy.deepcopy(POD)
    want["metadata"]["labels"]["egress-operator.dev/layout"] = "freestyle"
    want["metadata"]["annotations"]["egress-operator.dev/users"] = ","
    del want["metadata"]["annotations"]["egress-operator.dev/layout"]
    (recorder,) = want["spec"]["containers"]
    recorder["image"] = "egress-recorder-web:1"
    recorder["resources"] = {
        "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi", "ephemeral-storage": "4Gi"},
    }
    recorder["volumeMounts"][3:] = [{"name": "shm", "mountPath": "/dev/shm"}]
    want["spec"]["volumes"] = [
        *_page_volumes(),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}},
    ]
    assert pod == want


def test_a_page_has_no_source_and_no_token() -> None:
    config = recorder_config(
        _page(web_gl=True, filename_pattern="{channel}_{layout}"), attempt=1, settings=_web()
    )

    assert (config.source, config.token_file, config.web_gl) == (None, None, True)
    assert config.output_name == "page.example_freestyle"


def test_a_pages_recorder_is_told_when_to_begin_and_where_it_may_reach() -> None:
    settings = _web(require_sandbox=True).model_copy(
        update={"pages": AppPageRules(apps={"demo": PageRules(allow=["pages.media:8080"], ports=[443])})}
    )
    start = {"when": "selector", "selector": "#go", "timeout_seconds": 90, "on_timeout": "start"}
    page = _page(start=start)
    (env,) = build_pod(page, attempt=1, settings=settings)["spec"]["containers"][0]["env"]
    config = RecorderConfig.model_validate_json(env["value"])

    assert config.start == StartRule.model_validate(start)
    assert config.page_rules == PageRules(allow=["pages.media:8080"], ports=[443])
    assert config.require_sandbox
    assert config.join_timeout_seconds == 90 + 30


def test_a_page_of_an_app_without_rules_has_the_default_ones() -> None:
    settings = _web().model_copy(
        update={"pages": AppPageRules(default=PageRules(deny=["a.example"]), apps={"other": PageRules()})}
    )

    assert recorder_config(_page(), attempt=1, settings=settings).page_rules.deny == ["a.example"]


@pytest.mark.parametrize(
    ("changes", "key", "want"),
    [
        (
            {"seccomp_profile": "egress/chromium.json"},
            "securityContext",
            {
                **POD["spec"]["securityContext"],
                "seccompProfile": {"type": "Localhost", "localhostProfile": "egress/chromium.json"},
            },
        ),
        ({"host_users": False}, "hostUsers", False),
        (
            {"shm_size": "1Gi"},
            "volumes",
            [
                *_page_volumes(),
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            ],
        ),
    ],
)
def test_what_is_set_for_pages_stands_in_their_pods_alone(
    changes: dict[str, Any], key: str, want: Any
) -> None:
    settings, plain = _web(**changes), _web()
    page, channel = (build_pod(asked, attempt=1, settings=settings)["spec"] for asked in (_page(), task()))

    assert page[key] == want
    assert {**page, key: None} == {**build_pod(_page(), attempt=1, settings=plain)["spec"], key: None}
    assert channel == build_pod(task(), attempt=1, settings=plain)["spec"]


def test_credentials_are_mounted_and_never_written() -> None:
    pod = build_pod(task(), attempt=1, settings=_changed(store={"credentials_secret": "store"}))

    assert pod["spec"]["volumes"][-1] == {
        "name": "store-credentials",
        "secret": {"defaultMode": 0o440, "secretName": "store"},
    }
    assert pod["spec"]["containers"][0]["volumeMounts"][-1] == {
        "name": "store-credentials",
        "mountPath": "/run/egress/store",
        "readOnly": True,
    }


def test_a_store_on_a_volume_is_mounted_where_its_url_points() -> None:
    settings = _changed(store={"url": "file:///recordings/all", "volume_claim": "nas"})
    pod = build_pod(task(), attempt=1, settings=settings)

    assert pod["spec"]["volumes"][-1] == {"name": "store", "persistentVolumeClaim": {"claimName": "nas"}}
    assert pod["spec"]["containers"][0]["volumeMounts"][-1] == {
        "name": "store",
        "mountPath": "/recordings/all",
    }
    assert store_folder(task(), settings) == "file:///recordings/all/demo/task/"


def test_an_app_with_a_store_of_its_own_has_nothing_of_the_others() -> None:
    own = {
        "url": "az://theirs",
        "options": {"account_name": "theirs"},
        "credentials_secret": "their-keys",
        "storage_class": "Cool",
        "tags": {"team": "theirs"},
    }
    everybodys = {
        "url": "file:///srv",
        "volume_claim": "nas",
        "folder": "all/{task_id}",
        "apps": {"demo": own},
    }
    pod = build_pod(task(), attempt=1, settings=_changed(store=everybodys))

    assert pod["spec"]["volumes"][-1]["secret"]["secretName"] == "their-keys"
    assert "nas" not in str(pod)
    assert recorder_config(task(), attempt=1, settings=_changed(store=everybodys)).store.model_dump() == {
        "url": "az://theirs/demo/task/",
        "options": {"account_name": "theirs"},
        "storage_class": "Cool",
        "tags": {"team": "theirs"},
    }


def test_the_folder_takes_its_values_from_task_and_settings() -> None:
    settings = _changed(
        store={"url": "s3://bucket/prefix/", "folder": "/{region}/{namespace}/{app_id}/{task_id}/"},
        region="eu-1",
    )

    assert store_folder(task(), settings) == "s3://bucket/prefix/eu-1/media/demo/task/"


@pytest.mark.parametrize(
    ("field", "value", "key", "want"),
    [
        ("service_account_name", "cloud", "serviceAccountName", "cloud"),
        ("priority_class_name", "high", "priorityClassName", "high"),
        ("runtime_class_name", "gvisor", "runtimeClassName", "gvisor"),
        ("node_selector", {"a": "b"}, "nodeSelector", {"a": "b"}),
        ("affinity", {"nodeAffinity": {}}, "affinity", {"nodeAffinity": {}}),
        ("image_pull_secrets", ["one"], "imagePullSecrets", [{"name": "one"}]),
    ],
)
def test_what_an_administrator_sets_stands_in_the_pod(field: str, value: Any, key: str, want: Any) -> None:
    spec = build_pod(task(), attempt=1, settings=_changed(recorder={field: value}))["spec"]

    assert spec[key] == want
    assert set(spec) - set(POD["spec"]) == {key}


def test_what_a_user_asks_for_reaches_the_recorder() -> None:
    asked = task(frozen_picture="dimmed", limits={"max_bytes": 1_000_000})
    config = recorder_config(asked, attempt=1, settings=SETTINGS)

    assert (config.frozen_picture, config.max_bytes) == (FrozenPicture.DIMMED, 1_000_000)


def test_a_pause_says_nothing_of_a_stop_nor_a_stop_of_a_pause() -> None:
    assert wishes(paused=False) == {"egress-operator.dev/pause": "false"}
    assert wishes(stop_since=at(0)) == {
        "egress-operator.dev/stop": "true",
        "egress-operator.dev/stop-since": "2026-11-23T05:11:22+00:00",
    }


@pytest.mark.parametrize(
    ("users", "told"), [(("user1", "user-2"), "user1,user-2"), ((), ",")], ids=["two", "everyone"]
)
def test_whom_to_record_is_read_as_it_was_told(users: tuple[str, ...], told: str) -> None:
    assert wishes(users=users) == {"egress-operator.dev/users": told}
    pod = build_pod(task(users=list(users)), attempt=1, settings=SETTINGS)
    pod["metadata"] |= {"uid": "u"}
    view = PodView.from_resource(pod)
    assert (view.users, view.choice_lost) == (users, False)


@pytest.mark.parametrize("how", ["taken away", "emptied", "never there"])
def test_a_choice_that_something_has_taken_away_is_lost_unless_the_pod_never_had_one(how: str) -> None:
    pod = build_pod(task(users=["user1"]), attempt=1, settings=SETTINGS)
    pod["metadata"] |= {"uid": "u"}
    if how == "emptied":
        pod["metadata"]["annotations"]["egress-operator.dev/users"] = ""
    else:
        del pod["metadata"]["annotations"]["egress-operator.dev/users"]
    if how == "never there":
        (control,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "control"]
        control["downwardAPI"]["items"] = [
            item for item in control["downwardAPI"]["items"] if item["path"] != "users"
        ]
    view = PodView.from_resource(pod)
    assert (view.users, view.choice_lost) == (None, how != "never there")


def test_a_task_that_is_paused_from_the_start_says_so_on_its_pod() -> None:
    pod = build_pod(task(pause=True), attempt=1, settings=SETTINGS)

    assert pod["metadata"]["annotations"]["egress-operator.dev/pause"] == "true"


def test_who_only_closes_the_lists_needs_no_token_which_may_be_gone() -> None:
    pod = build_pod(task(), attempt=2, settings=SETTINGS, finish_only=True)
    config = RecorderConfig.model_validate_json(pod["spec"]["containers"][0]["env"][0]["value"])

    assert (config.finish_only, config.token_file, config.verdict) == (True, None, None)
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["spool", "tmp", "control"]


def test_who_only_closes_the_lists_is_told_how_the_task_ends() -> None:
    verdict = {"state": "FAILED", "reason": "NodeLost", "message": "gone", "since": "2026-11-23T07:00:00Z"}
    decided = task()
    decided = decided.model_copy(
        update={"status": decided.status.model_copy(update={"verdict": Verdict.model_validate(verdict)})}
    )
    configs = [
        RecorderConfig.model_validate_json(
            build_pod(decided, attempt=2, settings=SETTINGS, finish_only=only)["spec"]["containers"][0][
                "env"
            ][0]["value"]
        )
        for only in (True, False)
    ]
    assert [config.verdict for config in configs] == [decided.status.verdict, None]


def test_a_spool_in_memory() -> None:
    settings = _changed(recorder={"spool_medium": "Memory", "spool_size": "64Mi"})

    assert build_pod(task(), attempt=1, settings=settings)["spec"]["volumes"][0] == {
        "name": "spool",
        "emptyDir": {"sizeLimit": "64Mi", "medium": "Memory"},
    }


def test_an_administrators_labels_do_not_hide_ours() -> None:
    settings = _changed(
        recorder={"labels": {"team": "media", "egress-operator.dev/task": "x"}, "annotations": {"note": "1"}}
    )
    meta = build_pod(task(), attempt=1, settings=settings)["metadata"]

    assert meta["labels"]["team"] == "media"
    assert meta["labels"]["egress-operator.dev/task"] == "task"
    assert meta["annotations"]["note"] == "1"


def test_autoscalers_may_be_let_at_nodes_that_record() -> None:
    pod = build_pod(_asked(), attempt=2, settings=_changed(recorder={"do_not_disrupt": False}))

    (recorder,) = pod["spec"]["containers"]
    recorder.pop("env")
    want = copy.deepcopy(POD)
    for annotation in ("cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"):
        want["metadata"]["annotations"].pop(annotation)
    assert pod == want


def test_more_tolerations_come_after_ours() -> None:
    extra = {"key": "media", "operator": "Exists"}
    spec = build_pod(task(), attempt=1, settings=_changed(recorder={"tolerations": [extra]}))["spec"]

    assert spec["tolerations"] == [*POD["spec"]["tolerations"], extra]


def test_the_recorder_is_told_where_it_was_to_record_for_the_manifest_and_nothing_of_labels() -> None:
    asked = {"region": "eu-west", "nodeSelector": {"example.com/team": "hidden"}}
    pod = build_pod(task(placement=asked), attempt=1, settings=SETTINGS)
    text = pod["spec"]["containers"][0]["env"][0]["value"]
    config = RecorderConfig.model_validate_json(text)

    assert config.placement is not None
    assert (config.placement.region, config.placement.zone) == ("eu-west", None)
    assert "hidden" not in text


@pytest.mark.parametrize("secret", ["", "otlp"])
def test_a_recorder_is_told_its_place_in_the_trace_and_its_secret_by_name(secret: str) -> None:
    tracing = OperatorTracing(endpoint="http://collector:4318", headers_secret=secret)
    settings = SETTINGS.model_copy(update={"tracing": tracing})
    (container,) = build_pod(task(), attempt=2, settings=settings)["spec"]["containers"]
    config, *headers = container["env"]
    place = attempt_place(task().metadata, 2, sample_ratio=1)
    assert json.loads(config["value"])["tracing"] == {
        "endpoint": "http://collector:4318",
        "traceparent": f"00-{place.trace_id}-{place.span_id}-01",
    }
    reference = {"name": "otlp", "key": "headers", "optional": True}
    wanted = {"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": reference}}
    assert headers == ([wanted] if secret else [])
