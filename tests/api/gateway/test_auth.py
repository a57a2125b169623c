"""Callers with real tokens of a real API server, and rights that RBAC gives or doesn't; beside API keys."""

import asyncio
import json
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from support.auth import bearer, entry, new_key, write_keys
from support.bad_starts import START_FLAT
from support.gateway import (
    Admin,
    Client,
    MakeGateway,
    gateway_of,
    give_rights,
    kubectl,
    until,
    until_ready,
)
from support.rest_page import DOCS

TASKS = "/egress/v1/demo/tasks"
PAGE = (DOCS / "auth.md").read_text()
RBAC = "rbac.authorization.k8s.io"
KUBERNETES = {"modes": ["kubernetes"]}

Token = Callable[..., str]


@pytest.fixture
def token(admin: Admin) -> Token:
    """Make a service account with these verbs on EgressTasks, and a token of it."""

    def make(name: str, *verbs: str, audience: str = "egress-gateway") -> str:
        base = f"/api/v1/namespaces/{admin.namespace}/serviceaccounts"
        admin.create(base, {"metadata": {"name": name}})
        if verbs:
            bind(admin, name, *verbs)
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience] if audience else []},
        }
        return str(admin.create(f"{base}/{name}/token", request)["status"]["token"])

    return make


def bind(admin: Admin, account: str, *verbs: str) -> None:
    path = f"/apis/{RBAC}/v1/namespaces/{admin.namespace}"
    rule = {"apiGroups": ["egress-operator.dev"], "resources": ["egresstasks"], "verbs": list(verbs)}
    admin.create(f"{path}/roles", {"metadata": {"name": account}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": admin.namespace}
    admin.create(
        f"{path}/rolebindings",
        {
            "metadata": {"name": account},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": account},
            "subjects": [subject],
        },
    )


@pytest.fixture
def reviewing(admin: Admin, aiohttp_client: AiohttpClient) -> Callable[..., Awaitable[Client]]:
    """Make ready gateways with the rights that the chart gives in mode kubernetes; keywords are settings."""
    kubeconfig = give_rights(admin.server, admin.namespace, kubernetes_auth=True)

    async def make(**settings: Any) -> Client:
        return await until_ready(await gateway_of(kubeconfig, admin.namespace, aiohttp_client, settings))

    return make


async def test_a_service_account_does_what_its_role_allows_and_nothing_else(
    reviewing: MakeGateway, token: Token, admin: Admin
) -> None:
    gateway = await reviewing(auth=KUBERNETES)
    starter, reader = bearer(token("starter", "create")), bearer(token("reader", "get"))
    started = await gateway.post(TASKS, json=START_FLAT, headers=starter)
    assert started.status == 202, await started.text()
    path = f"{TASKS}/{(await started.json())['task_id']}"
    assert (await gateway.get(path, headers=reader)).status == 200
    for answer in (
        await gateway.post(TASKS, json={**START_FLAT, "request_id": "b"}, headers=reader),
        await gateway.get(path, headers=starter),
        await gateway.patch(path, json={"payload": {"pause": True}}, headers=reader),
        await gateway.post(f"{path}/stop", headers=reader),
    ):
        problem = await answer.json()
        assert (answer.status, problem["type"]) == (403, "urn:egress-operator:problem:forbidden")
        assert f"in namespace {admin.namespace}: have a Role with that verb bound" in problem["detail"]
    assert len(admin.tasks()) == 1
    assert admin.tasks()[0]["spec"]["stop"] is False
    stopper = bearer(token("stopper", "patch"))
    assert (await gateway.post(f"{path}/stop", headers=stopper)).status == 200
    assert admin.tasks()[0]["spec"]["stop"] is True


@pytest.mark.parametrize(
    ("audience", "says"), [("another", "does not know the token"), ("", "does not know the token")]
)
async def test_a_token_for_somebody_else_is_not_taken(
    reviewing: MakeGateway, token: Token, audience: str, says: str
) -> None:
    gateway = await reviewing(auth=KUBERNETES)
    answer = await gateway.get(f"{TASKS}/t1", headers=bearer(token("a", "get", audience=audience)))
    assert answer.status == 401
    assert says in (await answer.json())["detail"]


async def test_tokens_for_the_api_server_are_taken_where_that_is_wanted(
    reviewing: MakeGateway, token: Token
) -> None:
    gateway = await reviewing(auth={**KUBERNETES, "kubernetes": {"audiences": []}})
    assert (await gateway.get(f"{TASKS}/t1", headers=bearer(token("a", "get", audience="")))).status == 404


@pytest.mark.parametrize("made_up", ["nonsense", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"])
async def test_a_made_up_token_is_not_known(reviewing: MakeGateway, made_up: str) -> None:
    gateway = await reviewing(auth=KUBERNETES)
    answer = await gateway.get(f"{TASKS}/t1", headers=bearer(made_up))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="egress", error="invalid_token"'
    assert "kubectl create token NAME --audience egress-gateway" in (await answer.json())["detail"]


async def test_a_right_that_is_given_later_is_taken_soon(
    reviewing: MakeGateway, token: Token, admin: Admin
) -> None:
    gateway = await reviewing(auth={**KUBERNETES, "kubernetes": {"refusedCacheSeconds": 0.2}})
    caller = bearer(token("late"))
    assert (await gateway.get(f"{TASKS}/t1", headers=caller)).status == 403
    bind(admin, "late", "get")

    async def taken() -> bool:
        return (await gateway.get(f"{TASKS}/t1", headers=caller)).status == 404

    await until("the right is taken", taken)


async def test_the_commands_of_the_page_make_a_caller(reviewing: MakeGateway, admin: Admin) -> None:
    section = PAGE.partition("\n## Kubernetes\n")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    printed = ""
    for line in commands.replace("media", admin.namespace).splitlines():
        name, *arguments = shlex.split(line)
        assert name == "kubectl"
        printed = await asyncio.to_thread(kubectl, admin, *arguments)
    gateway = await reviewing(auth=KUBERNETES)
    caller = bearer(printed.strip())  # of the last command
    started = await gateway.post(TASKS, json=START_FLAT, headers=caller)
    path = f"{TASKS}/{(await started.json())['task_id']}"
    assert (await gateway.get(path, headers=caller)).status == 200
    assert (await gateway.post(f"{path}/stop", headers=caller)).status == 200


async def test_without_the_rights_of_the_mode_nobody_is_let_in_and_the_log_says_what_is_missing(
    make_gateway: MakeGateway, token: Token, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    gateway = await make_gateway(auth=KUBERNETES)
    caller = token("a", "get")
    answer = await gateway.get(f"{TASKS}/t1", headers=bearer(caller))
    problem = await answer.json()
    assert (answer.status, problem["type"]) == (503, "urn:egress-operator:problem:auth-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    (line,) = [line for line in json_logs() if line["msg"] == "it can't be told who calls"]
    assert "cannot create resource" in line["reason"]
    assert "the Helm chart gives them with mode kubernetes" in line["reason"]
    assert caller not in json.dumps(json_logs())


async def test_no_token_is_logged_at_any_level(
    reviewing: MakeGateway, token: Token, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    gateway = await reviewing(auth=KUBERNETES)
    good, made_up = token("reader", "get"), "eyJhbGciOiJSUzI1NiJ9.e30.bWFkZSB1cA"
    assert (await gateway.get(f"{TASKS}/t1", headers=bearer(good))).status == 404
    assert (await gateway.get(f"{TASKS}/t1", headers=bearer(made_up))).status == 401
    written = json.dumps(json_logs())
    assert "system:serviceaccount" in written
    for secret in (good, good.rpartition(".")[2], made_up):
        assert secret not in written


async def test_modes_stand_beside_one_another(reviewing: MakeGateway, token: Token, tmp_path: Path) -> None:
    key = new_key()
    folder = write_keys(tmp_path / "keys", alice=entry(key, "demo"))
    gateway = await reviewing(auth={"modes": ["apiKeys", "kubernetes"], "apiKeys": {"folder": str(folder)}})
    for headers in (bearer(key), {"X-API-Key": key}, bearer(token("reader", "get"))):
        assert (await gateway.get(f"{TASKS}/t1", headers=headers)).status == 404
    assert (await gateway.get("/egress/v1/other/tasks/t1", headers=bearer(key))).status == 403
    assert (await gateway.get(f"{TASKS}/t1", headers=bearer(new_key()))).status == 401
    assert (await gateway.get(f"{TASKS}/t1")).status == 401
    assert (await gateway.get("/readyz")).status == 200
