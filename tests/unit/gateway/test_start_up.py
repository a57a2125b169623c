"""The process refuses to start with a sentence where its setup is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.otlp import without_opentelemetry

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: only
clusters: [{name: only, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: only, user: {}}]
contexts: [{name: only, context: {cluster: only, user: only}}]
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "EGRESS"))}
    return subprocess.run(
        [sys.executable, "-m", "egress_gateway"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**kept, **environment},
    )


def test_without_a_cluster_it_says_what_to_set(tmp_path: Path) -> None:
    ended = run(KUBECONFIG=str(tmp_path / "none"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("egress-gateway: no cluster to work with: this is not a Pod")
    assert "Set KUBECONFIG" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_pod_without_a_token_says_so() -> None:
    ended = run(KUBERNETES_SERVICE_HOST="10.96.0.1", KUBERNETES_SERVICE_PORT="443")
    assert ended.returncode == 2
    assert "automountServiceAccountToken" in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "high"),
        ("LOG_LEVEL", "loud"),
        ("SHUTDOWN_SECONDS", "-1"),
        ("PAGES", "{default"),
        ("AUTH", "{modes"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str) -> None:
    ended = run(**{f"EGRESS_GATEWAY_{name}": value})
    assert ended.returncode == 2
    assert f"EGRESS_GATEWAY_{name}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_rule_for_pages_that_is_wrong_is_named_with_its_place() -> None:
    ended = run(EGRESS_GATEWAY_PAGES='{"apps": {"a": {"ports": [0]}}}')
    assert ended.returncode == 2
    assert "EGRESS_GATEWAY_PAGES: apps.a.ports.0: " in ended.stderr


def test_authentication_that_cannot_work_is_refused_with_its_place() -> None:
    ended = run(EGRESS_GATEWAY_AUTH='{"modes": ["jwt"]}')
    assert ended.returncode == 2
    assert "egress-gateway: EGRESS_GATEWAY_AUTH: " in ended.stderr
    assert "mode jwt needs jwt.issuer" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_api_keys_without_a_secret_are_refused(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    auth = '{"modes": ["apiKeys"], "apiKeys": {"folder": "/nowhere"}}'
    ended = run(EGRESS_GATEWAY_AUTH=auth, KUBECONFIG=str(kubeconfig))
    assert ended.returncode == 2
    assert "mount the Secret with the keys at /nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_traces_without_opentelemetry_are_refused(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    missing = without_opentelemetry(tmp_path)
    ended = run(
        KUBECONFIG=str(kubeconfig),
        EGRESS_GATEWAY_TRACING='{"endpoint": "http://collector:4318"}',
        PYTHONPATH=f"{missing}:{os.environ.get('PYTHONPATH', '')}",
    )
    assert ended.returncode == 2
    assert "egress-gateway: tracing.endpoint is set, but OpenTelemetry is not installed" in ended.stderr
    assert "egress-operator[otel]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_receiver_of_traces_with_a_password_is_refused() -> None:
    ended = run(EGRESS_GATEWAY_TRACING='{"endpoint": "http://a:hush@collector:4318"}')
    assert ended.returncode == 2
    assert "EGRESS_GATEWAY_TRACING: endpoint: " in ended.stderr
    assert "goes into a Secret" in ended.stderr
    assert "hush" not in ended.stderr
