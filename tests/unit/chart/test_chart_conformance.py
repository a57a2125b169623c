"""helm lint, and kubeconform on the oldest and the newest Kubernetes, over sets of values that people use."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.charts import (
    CHART,
    ENOUGH,
    NEWEST,
    OLDEST,
    REPOSITORY,
    Rendered,
    conform,
    helm,
    merged,
    render,
    render_exactly,
)

VALUE_SETS: dict[str, dict[str, Any]] = {
    "the least": {},
    "without a gateway": {"gateway": {"enabled": False}},
    "every mode of authentication": {
        "gateway": {
            "auth": {
                "modes": ["apiKeys", "jwt", "kubernetes"],
                "apiKeys": {"secret": "keys"},
                "jwt": {"issuer": "https://id.example", "audience": "egress", "jwksConfigMap": "jwks"},
            }
        }
    },
    "JWTs of an issuer with a CA of its own": {
        "gateway": {
            "auth": {
                "modes": ["jwt"],
                "jwt": {
                    "issuer": "https://id.example",
                    "audience": "egress",
                    "jwksUrl": "https://id.example/keys",
                    "caConfigMap": "ca",
                },
            }
        }
    },
    "history and other tokens": {
        "store": {"url": "s3://recordings", "credentialsSecret": "keys"},
        "gateway": {
            "history": {"enabled": True, "credentialsSecret": "keys-to-read"},
            "tokenRefresh": {"enabled": True},
        },
    },
    "webhooks": {
        "webhooks": {
            "default": {"url": "https://app.example", "secret": "signing"},
            "apps": {"a": {"url": "http://a.media", "secret": "of.a", "events": ["task.file"]}},
        }
    },
    "node port": {"gateway": {"service": {"type": "NodePort", "nodePort": 30091}}},
    "many gateways, spread": {
        "gateway": {
            "replicas": 3,
            "podAnnotations": {"a": "b"},
            "serviceAccountAnnotations": {"a": "b"},
            "extraEnv": [{"name": "EGRESS_GATEWAY_STALE_SECONDS", "value": "30"}],
            "service": {"annotations": {"a": "b"}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
            ],
        }
    },
    "several namespaces": {"namespaces": ["media", "team-a"], "rbac": {"aggregateToDefaultRoles": True}},
    "every knob of a Pod": {
        "commonLabels": {"team": "media"},
        "imagePullSecrets": ["pull"],
        "scheduling": {
            "nodeSelector": {"pool": "system"},
            "tolerations": [{"key": "system", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "system-cluster-critical",
        },
        "operator": {
            "podAnnotations": {"a": "b"},
            "serviceAccountAnnotations": {"a": "b"},
            "extraEnv": [{"name": "EGRESS_OPERATOR_LOG_LEVEL", "value": "debug"}],
        },
    },
    "closed network": {
        "networkPolicy": {
            "extraIngressFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}],
        }
    },
    "web pages": {
        "recorder": {"web": {"image": "registry.example/web:1", "seccompProfile": "egress/chromium.json"}},
        "pages": {
            "default": {"allow": ["pages.media:8080", "10.1.0.0/16", "fd00::1"]},
            "networkPolicy": {"allow": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 9000}]}]},
        },
        "networkPolicy": {"egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]},
    },
    "recorders placed": {
        "placement": {
            "regions": {
                "eu": {
                    "nodeSelector": {"pool": "eu"},
                    "tolerations": [{"key": "media", "operator": "Exists"}],
                }
            },
            "allowedNodeLabels": ["disk"],
            "allowedTaints": ["dedicated"],
        },
        "recorder": {
            "presets": [
                {
                    "layout": "flat",
                    "upTo": {"width": 1280, "height": 720},
                    "resources": {"limits": {"cpu": "2"}},
                }
            ],
            "doNotDisrupt": False,
            "priorityClass": {"create": True, "preemptionPolicy": "PreemptLowerPriority"},
        },
    },
    "nothing optional": {
        "crds": {"install": False},
        "networkPolicy": {"enabled": False},
        "rbac": {"create": False},
        "recorder": {"serviceAccount": {"create": False}},
        "uninstall": {"release": False},
    },
}


EXAMPLES = {path.stem: path for path in REPOSITORY.glob("examples/values-*.yaml")}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_everything_that_is_rendered_fits_kubernetes_own_schemas(version: str, tmp_path: Path) -> None:
    sets = {name: render(values) for name, values in VALUE_SETS.items()}
    sets |= {name: render_exactly(yaml.safe_load(path.read_text())) for name, path in EXAMPLES.items()}
    assert len(EXAMPLES) >= 2
    assert conform(sets, version=version, folder=tmp_path) == ""


def test_a_field_that_kubernetes_does_not_know_would_be_found(tmp_path: Path) -> None:
    wrong = Rendered(render().text.replace("enableServiceLinks", "enableServiceLinkz"))
    assert "enableServiceLinkz" in conform({"wrong": wrong}, version=NEWEST, folder=tmp_path)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_lint_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump_all([{**ENOUGH, **VALUE_SETS[name]}]))
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--values", str(values))


@pytest.mark.parametrize("release", ["media.eu.1", "r" * 53])
def test_every_name_is_one_that_a_service_may_have(release: str) -> None:
    values = merged(ENOUGH, {"serviceMonitor": {"enabled": True}, **VALUE_SETS["several namespaces"]})
    command = ["template", release, str(CHART), "--namespace=media"]
    objects = Rendered(helm(*command, values=values)).objects
    names = {item["metadata"]["name"] for item in objects if item["kind"] != "CustomResourceDefinition"}
    assert len(names) > 5
    assert [name for name in names if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)] == []


def test_the_release_stays_far_below_what_helm_can_store() -> None:
    # Helm keeps a release in one Secret, gzipped, of 1 MiB at most.
    assert len(render().text) < 200_000
