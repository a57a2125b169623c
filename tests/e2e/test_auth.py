"""Who may call, on a node: the chart's Secret mount and rights, tokens of the cluster, and calls through the Service.

One gateway with both modes, as they may be on together; tests/unit/gateway/auth has every way to be wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.auth import bearer, entry, new_key
from support.e2e import Answer, Tasks, request_id, start_body
from support.faults import SMALL
from support.helper_pod import HelperPod, helper_objects
from support.publishers import recorder_token
from support.releases import RELEASE, scratch_release

OURS, THEIRS = "my-app", "their-app"
AUDIENCE = "egress-gateway"
VERBS = ["create", "get", "list", "patch", "delete"]
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Callers:
    """Calls to the gateway of a namespace, by those who may and those who may not."""

    helper: HelperPod
    key: str
    tasks: Tasks

    def call(self, method: str, path: str, body: Any = None, *, app: str = OURS, **headers: str) -> Answer:
        url = f"http://{RELEASE}-gateway:8091/egress/v1/{app}/tasks{path}"
        return self.helper.call(method, url, body, headers=headers)

    def token_of(self, account: str, *, audience: str = AUDIENCE) -> str:
        return self.tasks.kubectl.run("create", "token", account, f"--audience={audience}").strip()


def account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def objects(key: str) -> list[dict[str, Any]]:
    """Return an API key's entry, a ServiceAccount that may call, and one that may not."""
    metadata = {"metadata": {"name": "caller"}}
    rule = {"apiGroups": ["egress-operator.dev"], "resources": ["egresstasks"], "verbs": VERBS}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "keys"},
            "stringData": {"ours": entry(key, OURS)},
        },
        account("caller"),
        account("stranger"),
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", **metadata, "rules": [rule]},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            **metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "caller"},
            "subjects": [{"kind": "ServiceAccount", "name": "caller"}],
        },
    ]


@pytest.fixture(scope="module")
def callers() -> Iterator[Callers]:
    key = new_key()
    values = {
        "recorder": SMALL,
        "gateway": {
            "enabled": True,
            "service": {"type": "ClusterIP", "nodePort": None},
            "history": {"enabled": False},
            "tokenRefresh": {"enabled": False},
            "auth": {"modes": ["apiKeys", "kubernetes"], "apiKeys": {"secret": "keys"}},
        },
    }
    with scratch_release(values=values, objects=[*objects(key), *helper_objects()]) as tasks:
        helper = HelperPod(tasks.kubectl)
        helper.until_ready()
        yield Callers(helper, key, tasks)


def assert_refused(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_who_shows_nothing_or_nothing_that_holds_is_unknown(callers: Callers) -> None:
    assert_refused(callers.call("GET", ""), 401)
    assert_refused(callers.call("GET", "", **{"X-API-Key": new_key()}), 401)
    assert_refused(callers.call("GET", "", **bearer("eyJhbGciOiJub25lIn0.e30.")), 401)
    others = callers.token_of("caller", audience="somebody-else")
    assert_refused(callers.call("GET", "", **bearer(others)), 401)


def test_a_key_starts_reads_and_stops_for_its_app_alone(callers: Callers) -> None:
    key = {"X-API-Key": callers.key}
    channel = f"nobody-{request_id()}"
    body = start_body(channel=channel, token=recorder_token(channel, identity=request_id()))
    assert_refused(callers.call("POST", "", body, app=THEIRS, **key), 403)
    started = callers.call("POST", "", body, **key)
    assert started.status == 202, started.body
    path = f"/{started.body['task_id']}"
    assert callers.call("GET", path, **bearer(callers.key)).status == 200
    assert_refused(callers.call("GET", path, app=THEIRS, **key), 403)
    assert_refused(callers.call("GET", path), 401)
    assert callers.call("POST", f"{path}/stop", {"request_id": request_id()}, **key).status == 200
    callers.tasks.until_state(started.body["task_id"], "STOPPED")


def test_a_token_of_the_cluster_may_what_its_account_may(callers: Callers) -> None:
    caller, stranger = (bearer(callers.token_of(name)) for name in ("caller", "stranger"))
    for app in (OURS, THEIRS):
        listed = callers.call("GET", "", app=app, **caller)
        assert listed.status == 200, listed.body
    assert_refused(callers.call("GET", "", **stranger), 403)
    assert_refused(callers.call("POST", "/t1/stop", {"request_id": request_id()}, **stranger), 403)
    assert callers.call("GET", "/t-nobody-made", **caller).status == 404
