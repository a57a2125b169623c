"""Tasks that can't record: each ends in bounded time, in the right state, with words a person understands.

Each fault has an operator of its own, installed from the chart with that one setting wrong: the faults are
real, and nobody else's recordings see them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from egress_api.constants import API_VERSION, KIND, TOKEN_KEY
from support.e2e import Gateway, Tasks, request_id
from support.publishers import recorder_token
from support.releases import scratch_release


@dataclass(frozen=True)
class Fault:
    what: str
    values: dict[str, Any]
    state: str
    reason: str
    says: str
    """A part of the sentence."""
    spec: dict[str, Any] = field(default_factory=dict)
    seconds: float = 60


FAULTS = [
    Fault(
        what="RTC server down",
        values={
            "sources": {"default": {"url": "ws://livekit-gone.egress-demo:7880"}},
            "recorder": {"joinTimeoutSeconds": 4},
        },
        state="FAILED",
        reason="SourceUnreachable",
        says="livekit-gone",
        spec={"retryLimit": 1},
    ),
    Fault(
        what="image not there",
        values={
            "recorder": {"image": {"tag": "absent"}},
            "operator": {"settings": {"imagePullPatienceSeconds": 5}},
        },
        state="FAILED",
        reason="ImagePullFailed",
        says="egress-recorder:absent",
    ),
    Fault(
        what="bucket not there",
        values={"store": {"url": "s3://absent-bucket"}},
        state="FAILED",
        reason="StoreRefused",
        says="absent-bucket",
    ),
    Fault(
        what="store down",
        values={"store": {"options": {"endpoint": "http://store-gone.egress-demo:7070"}}},
        state="FAILED",
        reason="StoreUnreachable",
        says="store-gone",
        spec={"retryLimit": 0},
        seconds=90,
    ),
    Fault(
        what="no node fits",
        values={"recorder": {"nodeSelector": {"there-is": "none"}}},
        state="TIMEOUT",
        reason="Unschedulable",
        says="node",
        spec={"limits": {"enqueueTimeoutSeconds": 5}},
    ),
]


def manifest(spec: dict[str, Any], *, secret: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": f"t{request_id()}"},
        "spec": {"appId": "demo", "channel": "egress_test", "accessTokenSecretRef": {"name": secret}, **spec},
    }


def token_secret(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {TOKEN_KEY: recorder_token("egress_test", identity=name)},
    }


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_ends_with_a_reason(tasks: Tasks, fault: Fault) -> None:
    with scratch_release(values=fault.values) as there:
        task = manifest(fault.spec, secret="token")
        there.kubectl.apply(token_secret("token"), task)
        ended = there.until_state(task["metadata"]["name"], fault.state, seconds=fault.seconds)
    status = ended["status"]
    assert status["reason"] == fault.reason
    assert fault.says in status["message"]
    assert status.get("files", []) == []
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert (conditions["Failed"], conditions["Complete"]) == ("True", "False")


def test_a_wrong_token_is_refused_once_and_never_shown(
    gateway: Gateway, tasks: Tasks, start_body: Callable[..., dict[str, Any]]
) -> None:
    body = start_body()
    token = body["payload"]["access_token"][:-8] + "wrongwro"
    body["payload"]["access_token"] = token
    task = gateway.start(body).body["task_id"]
    ended = tasks.until_state(task, "FAILED", seconds=60)
    assert ended["status"]["reason"] == "JoinRefused"
    assert ended["status"]["attempt"] == 1
    assert "token" in ended["status"]["message"]
    logs = tasks.kubectl.run("logs", "-l", "app.kubernetes.io/part-of=egress-operator", "--tail=-1")
    events = tasks.kubectl.run("get", "events", "-o", "json")
    for part in (token, token.split(".")[2]):
        assert part not in json.dumps(ended) + logs + events
    answer = gateway.status(task).body
    assert (answer["status"], answer["reason"]) == ("FAILED", "JoinRefused")


def test_a_missing_secret_is_named(tasks: Tasks) -> None:
    task = manifest({"limits": {"enqueueTimeoutSeconds": 8}}, secret="nobody-made-this")
    tasks.kubectl.apply(task)
    ended = tasks.until_state(task["metadata"]["name"], "TIMEOUT", seconds=60)
    assert ended["status"]["reason"] == "SecretMissing"
    assert "nobody-made-this" in ended["status"]["message"]
