"""The settings file that the chart renders is one that the operator reads, with every value in it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from egress_api.media import Layout
from egress_api.outbox import EventType
from egress_api.rest import StartRequest
from egress_gateway.auth.settings import AuthSettings
from egress_gateway.settings import Settings as GatewaySettings
from egress_operator.queue_settings import QueueSettings
from egress_operator.settings import Settings
from egress_operator.webhooks.settings import WebhookSettings
from support.charts import CHART, REPOSITORY, Rendered, merged, render


def _settings(rendered: Rendered, folder: Path) -> Settings:
    path = folder / "operator.yaml"
    path.write_text(rendered.one("ConfigMap", "egress-operator")["data"]["operator.yaml"])
    return Settings.load(path)


def test_every_value_reaches_the_operators_settings(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "namespaces": ["media", "team-a"],
        "region": "eu-1",
        "placement": {
            "regions": {"eu": {"nodeSelector": {"pool": "eu"}, "tolerations": [{"key": "eu"}]}, "us": {}},
            "allowedNodeLabels": ["disk"],
            "allowedTaints": ["dedicated"],
        },
        "imagePullSecrets": ["pull"],
        "store": {
            "url": "s3://bucket/prefix",
            "folder": "{region}/{task_id}",
            "options": {"endpoint": "http://store:9000", "allow_http": "true"},
            "credentialsSecret": "keys",
            "storageClass": "STANDARD_IA",
            "tags": {"team": "media"},
        },
        "sources": {
            "default": {"kind": "livekit", "url": "ws://one:7880"},
            "apps": {"My.App": {"kind": "livekit", "url": "wss://two"}},
        },
        "recorder": {
            "image": {
                "registry": "registry.example",
                "repository": "rec",
                "tag": "9",
                "pullPolicy": "Always",
            },
            "web": {
                "image": "web:9",
                "resources": {"requests": {"cpu": 1}, "limits": {"memory": "3Gi"}},
                "shmSize": "1Gi",
                "seccompProfile": "egress/chromium.json",
                "hostUsers": False,
                "requireSandbox": True,
            },
            "presets": [
                {
                    "layout": "flat",
                    "upTo": {"width": 640, "height": 360, "frameRate": 15},
                    "resources": {"limits": {"cpu": "250m"}},
                },
                {
                    "layout": "freestyle",
                    "upTo": {"width": 1280, "height": 720},
                    "resources": {"requests": {"memory": "1Gi"}},
                },
            ],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
            "doNotDisrupt": False,
            "spoolSize": "3Gi",
            "spoolMedium": "Memory",
            "graceSeconds": 60,
            "joinTimeoutSeconds": 20,
            "serviceAccount": {"name": "rec"},
            "labels": {"l": "1"},
            "annotations": {"a": "1"},
            "nodeSelector": {"pool": "media"},
            "tolerations": [{"key": "media", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "runtimeClassName": "gvisor",
        },
        "pages": {
            "default": {"allow": ["pages.media:8080"], "deny": ["bad.example"], "ports": [443]},
            "apps": {"My.App": {"allow": ["10.1.0.0/16"]}},
            "networkPolicy": {"allow": [{"to": [{"namespaceSelector": {}}]}]},
        },
        "webhooks": {
            "default": {
                "url": "https://app.example/hooks?x=1",
                "secret": "signing",
                "events": ["task.stopped"],
            },
            "apps": {"My.App": {"url": "http://app.media:8080", "secret": "signing.my-app"}},
        },
        "operator": {
            "settings": {
                "imagePullPatienceSeconds": 1,
                "pollSeconds": 2,
                "resyncSeconds": 3,
                "ttlSecondsAfterFinished": 4,
                "maxFinished": 5,
                "queue": {
                    "maxTasks": 7,
                    "maxTasksPerApp": 3,
                    "startsPerSecond": 1.5,
                    "startsBurst": 2,
                    "maxPriority": 10,
                    "queueName": "everybody",
                    "apps": {"My.App": {"maxTasks": 1, "maxPriority": 0, "queueName": "team-a"}},
                },
                "workers": 6,
                "logLevel": "debug",
            }
        },
        "gateway": {"namespace": "team-a"},
    }
    settings = _settings(render(values), tmp_path)
    assert settings.namespaces == ["media", "team-a"]
    assert settings.region == "eu-1"
    assert settings.placement.model_dump() == {
        "regions": {
            "eu": {"node_selector": {"pool": "eu"}, "tolerations": [{"key": "eu"}]},
            "us": {"node_selector": {}, "tolerations": []},
        },
        "allowed_node_labels": ["disk"],
        "allowed_taints": ["dedicated"],
    }
    assert settings.store.model_dump(exclude={"volume_claim", "apps"}) == {
        "url": "s3://bucket/prefix",
        "folder": "{region}/{task_id}",
        "options": {"endpoint": "http://store:9000", "allow_http": "true"},
        "credentials_secret": "keys",
        "storage_class": "STANDARD_IA",
        "tags": {"team": "media"},
    }
    assert settings.sources.model_dump() == {
        "default": {"kind": "livekit", "url": "ws://one:7880"},
        "apps": {"My.App": {"kind": "livekit", "url": "wss://two"}},
    }
    assert settings.pages.model_dump() == {
        "default": {"allow": ["pages.media:8080"], "deny": ["bad.example"], "ports": [443]},
        "apps": {"My.App": {"allow": ["10.1.0.0/16"], "deny": [], "ports": [80, 443]}},
    }
    assert settings.recorder.model_dump() == {
        "image": "registry.example/rec:9",
        "web": {
            "image": "web:9",
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "3Gi"}},
            "shm_size": "1Gi",
            "seccomp_profile": "egress/chromium.json",
            "host_users": False,
            "require_sandbox": True,
        },
        "image_pull_policy": "Always",
        "image_pull_secrets": ["pull"],
        "presets": [
            {"layout": Layout.FLAT, "up_to": {"width": 640, "height": 360, "frame_rate": 15},
             "resources": {"limits": {"cpu": "250m"}}},
            {"layout": Layout.FREESTYLE, "up_to": {"width": 1280, "height": 720, "frame_rate": 30},
             "resources": {"requests": {"memory": "1Gi"}}},
        ],
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
        "do_not_disrupt": False,
        "service_account_name": "rec",
        "priority_class_name": "high",
        "runtime_class_name": "gvisor",
        "node_selector": {"pool": "media"},
        "tolerations": [{"key": "media", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "labels": {"l": "1"},
        "annotations": {"a": "1"},
        "grace_seconds": 60,
        "join_timeout_seconds": 20,
        "spool_size": "3Gi",
            "spool_medium": "Memory",
    }  # fmt: skip
    assert settings.model_dump(include={"image_pull_patience_seconds", "poll_seconds", "resync_seconds",
                                        "ttl_seconds_after_finished", "max_finished", "workers"}) == {
        "image_pull_patience_seconds": 1,
        "poll_seconds": 2,
        "resync_seconds": 3,
        "ttl_seconds_after_finished": 4,
        "max_finished": 5,
        "workers": 6,
    }  # fmt: skip
    assert settings.webhooks.model_dump(mode="json") == {
        "default": {
            "url": "https://app.example/hooks?x=1",
            "secret": "signing",
            "events": ["task.stopped"],
        },
        "apps": {
            "My.App": {
                "url": "http://app.media:8080",
                "secret": "signing.my-app",
                "events": [kind.value for kind in EventType],
            }
        },
        "folder": "/run/egress/webhooks",
    }
    assert settings.queue.model_dump() == {
        "max_tasks": 7,
        "max_tasks_per_app": 3,
        "starts_per_second": 1.5,
        "starts_burst": 2,
        "queue_name": "everybody",
        "max_priority": 10,
        "apps": {"My.App": {"max_tasks": 1, "max_priority": 0, "queue_name": "team-a"}},
    }
    assert settings.log_level == "debug"
    assert settings.metrics_port == 8080


def test_the_least_values_make_valid_settings(tmp_path: Path) -> None:
    settings = _settings(render(), tmp_path)
    assert settings.namespaces == ["media"]
    assert settings.recorder.image == "egress-recorder:0.1.0"
    assert settings.recorder.service_account_name == "egress-recorder"
    assert settings.queue == QueueSettings()


@pytest.mark.parametrize(
    ("recorder", "name", "made"),
    [
        ({}, "", []),
        ({"priorityClassName": "high"}, "high", []),
        ({"priorityClass": {"create": True}}, "egress-media-recorder", [(1000000, "Never")]),
        ({"priorityClass": {"create": True, "value": 7}, "priorityClassName": "own"}, "own", [(7, "Never")]),
    ],
    ids=["none", "an existing one", "made", "made under a name"],
)
def test_the_priority_class_that_is_made_is_the_one_that_recorders_get(
    recorder: dict[str, Any], name: str, made: list[tuple[int, str]], tmp_path: Path
) -> None:
    rendered = render({"namespaces": ["media", "team-a"], "recorder": recorder})
    classes = rendered.all_of("PriorityClass")

    assert _settings(rendered, tmp_path).recorder.priority_class_name == name
    assert [found["metadata"]["name"] for found in classes] == [name] * len(made)
    assert [(found["value"], found["preemptionPolicy"]) for found in classes] == made


def test_webhooks_reach_the_settings_and_their_secrets_are_mounted_where_they_are_read(
    tmp_path: Path,
) -> None:
    values: dict[str, Any] = {
        "default": {"url": "https://app.example/hooks", "secret": "signing"},
        "apps": {
            "a": {"url": "http://a.media", "secret": "of-a", "events": ["task.failed"]},
            "b": {"url": "http://b.media", "secret": "signing"},
        },
    }
    rendered = render({"webhooks": values})
    settings = _settings(rendered, tmp_path).webhooks
    of_a, other = settings.of("a"), settings.of("c")
    assert of_a is not None
    assert other is not None
    assert (of_a.url, of_a.secret, of_a.events) == ("http://a.media", "of-a", [EventType.FAILED])
    assert (other.url, other.events) == ("https://app.example/hooks", list(EventType))
    pod = rendered.one("Deployment", "egress-operator")["spec"]["template"]["spec"]
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    assert list(secrets.values()) == [
        {"secretName": "of-a", "optional": True, "defaultMode": 0o440},
        {"secretName": "signing", "optional": True, "defaultMode": 0o440},
    ]
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    for name, secret in secrets.items():
        mount = mounts[str(settings.folder / secret["secretName"])]
        assert (mount["name"], mount["readOnly"]) == (name, True)


def test_the_defaults_of_webhooks_are_the_operators_own(tmp_path: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["webhooks"]
    assert values["default"]["events"] == [kind.value for kind in EventType]
    assert _settings(render(), tmp_path).webhooks == WebhookSettings()


def test_the_values_of_the_page_on_traces_reach_operator_and_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPOSITORY / "docs" / "tracing.md").read_text()
    plain, guarded = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    for values in (plain, guarded):
        rendered, wanted = render(values), values["tracing"]
        ours = _settings(rendered, tmp_path).tracing
        assert ours.model_dump(by_alias=True, exclude_unset=True) == {
            "sampleRatio": 1,
            "headersSecret": "",
            **wanted,
        }
        env = {item["name"]: item for item in _gateway_pod(values)["containers"][0]["env"]}
        monkeypatch.setenv("EGRESS_GATEWAY_TRACING", env["EGRESS_GATEWAY_TRACING"]["value"])
        theirs = GatewaySettings().tracing
        assert (theirs.endpoint, theirs.sample_ratio) == (ours.endpoint, ours.sample_ratio)
        (operator,) = rendered.one("Deployment", "egress-operator")["spec"]["template"]["spec"]["containers"]
        headers = [*operator.get("env", []), env.get("OTEL_EXPORTER_OTLP_HEADERS")]
        found = [item["valueFrom"]["secretKeyRef"] for item in headers if item]
        assert found == [{"name": "otlp", "key": "headers", "optional": True}] * (
            2 if wanted.get("headersSecret") else 0
        )


def test_without_an_endpoint_there_are_no_traces(tmp_path: Path) -> None:
    assert not _settings(render(), tmp_path).tracing.on
    assert not [item for item in _gateway_pod({})["containers"][0]["env"] if "TRACING" in item["name"]]


def test_a_volume_reaches_the_settings(tmp_path: Path) -> None:
    store = {"url": "file:///recordings", "volumeClaim": "recordings", "credentialsSecret": ""}
    assert _settings(render({"store": store}), tmp_path).store.volume_claim == "recordings"


def test_the_gateways_environment_holds_settings_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "namespaces": ["team-a"],
        "gateway": {
            "namespace": "team-a",
            "logLevel": "debug",
            "rateLimit": {
                "startsPerSecond": 0.5,
                "startsBurst": 2_000_000,
                "callsPerSecond": 7,
                "callsBurst": 8,
            },
        },
        "pages": {"apps": {"My.App": {"allow": ["pages.media:8080"]}}},
    }
    pod = render(values).one("Deployment", "egress-gateway")["spec"]["template"]["spec"]
    (gateway,) = pod["containers"]
    for variable in gateway["env"]:
        field = variable["name"].removeprefix("EGRESS_GATEWAY_").lower()
        assert field in GatewaySettings.model_fields
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = GatewaySettings()
    assert settings.namespace == "team-a"
    assert settings.log_level.value == "debug"
    assert (settings.starts_per_second, settings.starts_burst) == (0.5, 2_000_000)
    assert (settings.calls_per_second, settings.calls_burst) == (7, 8)
    assert settings.pages.of("My.App").allow == ["pages.media:8080"]
    assert settings.pages.of("other").ports == [80, 443]
    assert {"name": "http", "containerPort": settings.port} in gateway["ports"]
    assert settings.shutdown_seconds < pod["terminationGracePeriodSeconds"]


STORE = {
    "url": "s3://recordings/prefix",
    "folder": "{namespace}/{app_id}/{task_id}",
    "options": {"endpoint": "https://s3.example"},
    "credentialsSecret": "keys",
}


def _gateway_pod(values: dict[str, Any]) -> dict[str, Any]:
    return dict(render(values).one("Deployment", "egress-gateway")["spec"]["template"]["spec"])


def test_the_gateway_holds_no_keys_of_the_store_unless_history_is_on() -> None:
    pod = _gateway_pod({"store": STORE})
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert "EGRESS_GATEWAY_HISTORY" not in {variable["name"] for variable in pod["containers"][0]["env"]}


@pytest.mark.parametrize(("own", "mounted"), [("", "keys"), ("keys-to-read", "keys-to-read")])
def test_history_reads_the_store_that_the_operator_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str, mounted: str
) -> None:
    values = {
        "region": "eu",
        "store": STORE,
        "gateway": {"history": {"enabled": True, "credentialsSecret": own}},
    }
    pod = _gateway_pod(values)
    (value,) = [v["value"] for v in pod["containers"][0]["env"] if v["name"] == "EGRESS_GATEWAY_HISTORY"]
    monkeypatch.setenv("EGRESS_GATEWAY_HISTORY", value)
    history, operator = GatewaySettings().history, _settings(render(values), tmp_path)
    assert (history.url, history.folder, history.options) == (
        operator.store.url,
        operator.store.folder,
        operator.store.options,
    )
    assert history.region == operator.region == "eu"
    assert pod["volumes"][1]["secret"] == {"secretName": mounted, "defaultMode": 0o440}
    assert pod["containers"][0]["volumeMounts"][1] == {
        "name": "store-credentials",
        "mountPath": str(history.credentials_dir),
        "readOnly": True,
    }


APPS = {
    "My.App": {
        "url": "az://theirs",
        "folder": "{task_id}",
        "options": {"account_name": "theirs"},
        "credentialsSecret": "their-keys",
        "storageClass": "Cool",
        "tags": {"team": "theirs"},
    },
    "vol": {"url": "file:///srv/vol", "volumeClaim": "vol"},
}


def test_an_apps_own_store_is_the_operators_and_is_told_of_by_the_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"store": {**STORE, "apps": APPS}, "gateway": {"history": {"enabled": True}}}
    operator = _settings(render(values), tmp_path).store
    assert operator.of("My.App").model_dump(by_alias=True) == {"volumeClaim": "", **APPS["My.App"]}
    assert operator.of("another").url == operator.url
    pod = _gateway_pod(values)
    (value,) = [v["value"] for v in pod["containers"][0]["env"] if v["name"] == "EGRESS_GATEWAY_HISTORY"]
    monkeypatch.setenv("EGRESS_GATEWAY_HISTORY", value)
    history = GatewaySettings().history
    for app in (*APPS, "another"):
        theirs, ours = operator.of(app), history.of(app)
        assert (ours.url, ours.folder, ours.options) == (theirs.url, theirs.folder, theirs.options)
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() == volumes.keys() == {"tmp", "store-credentials", "store-credentials-0", "store-1"}
    assert volumes["store-credentials-0"]["secret"]["secretName"] == "their-keys"
    assert mounts["store-credentials-0"] == str(history.of("My.App").credentials_dir)
    assert volumes["store-1"] == {"persistentVolumeClaim": {"claimName": "vol"}}
    assert mounts["store-1"] == "/srv/vol"


def test_links_are_signed_with_the_keys_of_history_also_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "EGRESS_GATEWAY_LINKS" not in str(_gateway_pod({"store": STORE}))
    values = {
        "region": "eu",
        "store": STORE,
        "gateway": {
            "links": {"enabled": True, "ttlSeconds": 600},
            "history": {"credentialsSecret": "keys-to-read"},
        },
    }
    pod = _gateway_pod(values)
    assert "EGRESS_GATEWAY_HISTORY" not in str(pod)
    (value,) = [v["value"] for v in pod["containers"][0]["env"] if v["name"] == "EGRESS_GATEWAY_LINKS"]
    monkeypatch.setenv("EGRESS_GATEWAY_LINKS", value)
    links = GatewaySettings().links
    assert (links.url, links.options, links.region, links.ttl_seconds) == (
        STORE["url"],
        STORE["options"],
        "eu",
        600,
    )
    assert pod["volumes"][1]["secret"] == {"secretName": "keys-to-read", "defaultMode": 0o440}
    assert pod["containers"][0]["volumeMounts"][1]["mountPath"] == str(links.credentials_dir)


def test_tokens_may_be_renewed_where_a_value_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for enabled in (False, True):
        pod = _gateway_pod({"gateway": {"tokenRefresh": {"enabled": enabled}}})
        for variable in pod["containers"][0]["env"]:
            monkeypatch.setenv(variable["name"], variable["value"])
        assert GatewaySettings().token_refresh is enabled


def test_history_on_a_volume_is_mounted_to_be_read() -> None:
    store = {"url": "file:///srv/recordings", "volumeClaim": "recordings", "credentialsSecret": ""}
    pod = _gateway_pod({"store": store, "gateway": {"history": {"enabled": True}}})
    assert pod["volumes"][1]["persistentVolumeClaim"] == {"claimName": "recordings"}
    assert pod["containers"][0]["volumeMounts"][1] == {
        "name": "store",
        "mountPath": "/srv/recordings",
        "readOnly": True,
    }


def _auth(monkeypatch: pytest.MonkeyPatch, auth: dict[str, Any]) -> tuple[AuthSettings, dict[str, Any]]:
    """Return what the gateway reads, and its Pod."""
    deployment = render({"gateway": {"auth": auth}}).one("Deployment", "egress-gateway")
    pod = deployment["spec"]["template"]["spec"]
    (value,) = [v["value"] for v in pod["containers"][0]["env"] if v["name"] == "EGRESS_GATEWAY_AUTH"]
    monkeypatch.setenv("EGRESS_GATEWAY_AUTH", value)
    return GatewaySettings().auth, pod


def test_nobody_is_asked_unless_a_mode_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, pod = _auth(monkeypatch, {})
    assert settings.open
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]


def test_api_keys_are_mounted_where_the_gateway_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, pod = _auth(monkeypatch, {"modes": ["apiKeys"], "apiKeys": {"secret": "keys"}})
    assert [mode.value for mode in settings.modes] == ["apiKeys"]
    assert pod["volumes"][1]["secret"] == {"secretName": "keys", "defaultMode": 0o440}
    assert pod["containers"][0]["volumeMounts"][1] == {
        "name": "api-keys",
        "mountPath": str(settings.api_keys.folder),
        "readOnly": True,
    }


@pytest.mark.parametrize(
    "keys",
    [
        {"jwksUrl": "https://id.example/keys"},
        {"jwksUrl": "https://id.example/keys", "caConfigMap": "ca"},
        {"jwksConfigMap": "jwks"},
    ],
)
def test_settings_for_jwts_reach_the_gateway(monkeypatch: pytest.MonkeyPatch, keys: dict[str, str]) -> None:
    jwt = {
        "issuer": "https://id.example",
        "audience": "egress",
        "appsClaim": "a.b",
        "leewaySeconds": 5,
        **keys,
    }
    settings, pod = _auth(monkeypatch, {"modes": ["jwt"], "jwt": jwt})
    read = settings.jwt
    assert (read.issuer, read.audience, read.apps_claim) == ("https://id.example", "egress", "a.b")
    assert read.leeway_seconds == 5
    assert read.jwks_url == keys.get("jwksUrl", "")
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    maps = {volume["name"]: volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume}
    wanted = {"jwks.json": (read.jwks_file, "jwksConfigMap"), "ca.crt": (read.ca_file, "caConfigMap")}
    for file, (path, value) in wanted.items():
        assert (path is not None) is (value in keys)
        if path is not None:
            assert path.name == file
            assert maps[mounts[str(path.parent)]] == keys[value]
    assert len(maps) == sum(value in keys for _, value in wanted.values())


def test_settings_for_kubernetes_tokens_reach_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"audiences": ["a", "b"], "cacheSeconds": 7}
    settings, _ = _auth(monkeypatch, {"modes": ["kubernetes"], "kubernetes": given})
    assert settings.kubernetes.audiences == ["a", "b"]
    assert settings.kubernetes.cache_seconds == 7


def test_the_defaults_of_rate_limits_are_the_gateways_own() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["gateway"]["rateLimit"]
    own = GatewaySettings()
    assert list(values.values()) == [
        own.starts_per_second,
        own.starts_burst,
        own.calls_per_second,
        own.calls_burst,
    ]


def test_the_defaults_of_authentication_are_the_gateways_own() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["gateway"]["auth"]
    own = AuthSettings().model_dump(mode="json", by_alias=True)
    assert values["modes"] == own["modes"]
    for part, name in [
        ("jwt", "issuer"),
        ("jwt", "audience"),
        ("jwt", "jwksUrl"),
        ("jwt", "appsClaim"),
        ("jwt", "leewaySeconds"),
        ("kubernetes", "audiences"),
        ("kubernetes", "cacheSeconds"),
    ]:
        assert values[part][name] == own[part][name], name


def test_the_values_of_the_page_on_authentication_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs" / "auth.md").read_text()
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    values = [block["gateway"] for block in blocks if "gateway" in block]
    modes = [_auth(monkeypatch, block.get("auth", {}))[0].modes for block in values]
    assert {mode.value for found in modes for mode in found} == {"none", "apiKeys", "jwt", "kubernetes"}
    assert render({"gateway": values[-1]}).objects
    assert values[-1]["rateLimit"]["startsPerSecond"]


def test_the_values_and_the_start_of_the_page_on_the_queue_are_taken(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "queue.md").read_text()
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    limits, kueue = (_settings(render(block), tmp_path).queue for block in blocks)
    assert (limits.max_tasks, limits.limit_of("big-app"), limits.limit_of("free-app")) == (40, 25, 0)
    assert [kueue.queue_of(app, asked=None) for app in ("big-app", "other")] == ["big-team", "recordings"]
    (start,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert StartRequest.model_validate_json(start).payload.queue_name == "recordings"


def test_the_values_of_the_page_on_the_operator_are_taken(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "operator.md").read_text()
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    placed, sized = (_settings(render(block), tmp_path) for block in blocks)
    assert sorted(placed.placement.regions) == ["eu-west", "us-east"]
    assert [preset.layout for preset in sized.recorder.presets] == [Layout.FLAT]


def test_the_values_of_the_docs_are_taken_whole(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "install.md").read_text()
    section = page.partition("\n## Web pages\n")[2].partition("\n## ")[0]
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]
    assert len(blocks) == 4
    settings = [_settings(render(block), tmp_path) for block in blocks]
    assert settings[0].recorder.web.image
    assert settings[1].pages.of("board").allow == ["board.team-a:8080"]
    together = merged(blocks[0], blocks[2])
    rules = render(together).one("NetworkPolicy", "egress-recorder-pages")["spec"]["egress"]
    assert rules[2:] == blocks[2]["pages"]["networkPolicy"]["allow"]
    assert settings[3].recorder.web.require_sandbox
