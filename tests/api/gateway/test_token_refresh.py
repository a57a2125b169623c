"""Another access token for a task that runs: into its own Secret, and into no other, whatever the gateway is made to do."""

import asyncio
import base64
import copy
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from egress_api.states import TERMINAL_STATES, State
from egress_gateway.cluster import Cluster
from egress_gateway.errors import ClusterRefusedError
from egress_gateway.settings import Settings
from support.bad_starts import START_FLAT, START_FREESTYLE
from support.charts import NAMESPACE, render
from support.gateway import Admin, Client, MakeGateway, gateway_of, give_rights, until, until_ready
from support.manifests import changed

START = "/egress/v1/demo/tasks"
NEW = "007eJxtNEWNEWNEWNEW"
STOP = {"request_id": "2yui23k5"}


def update(token: str = NEW, **more: Any) -> dict[str, Any]:
    return {"request_id": "u7d3", "payload": {"access_token": token, **more}}


@pytest.fixture
def kubeconfig(admin: Admin) -> Path:
    """With the right to update Secrets, for the gateways that use it and for those that don't."""
    return give_rights(admin.server, admin.namespace, token_refresh=True)


@pytest.fixture
def renewing(kubeconfig: Path, admin: Admin, aiohttp_client: AiohttpClient) -> MakeGateway:
    """Make gateways that take other tokens."""

    async def make(**settings: Any) -> Client:
        given = {"token_refresh": True, **settings}
        return await until_ready(await gateway_of(kubeconfig, admin.namespace, aiohttp_client, given))

    return make


async def start(gateway: Client, body: dict[str, Any] = START_FLAT) -> str:
    return str((await (await gateway.post(START, json=body)).json())["task_id"])


async def until_told(gateway: Client, task: str, state: str) -> None:
    async def told() -> bool:
        return bool((await (await gateway.get(f"{START}/{task}")).json())["status"] == state)

    await until(f"the gateway tells {state}", told)


def token_of(admin: Admin) -> str:
    [secret] = admin.secrets()
    return base64.b64decode(secret["data"]["access_token"]).decode()


async def problem_of(gateway: Client, task: str, body: dict[str, Any]) -> tuple[int, str, str]:
    answer = await gateway.patch(f"{START}/{task}", json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert NEW not in str(problem)
    return answer.status, problem["type"].rpartition(":")[2], problem["detail"]


async def test_another_token_stands_in_the_tasks_own_secret(renewing: MakeGateway, admin: Admin) -> None:
    gateway = await renewing()
    task = await start(gateway)
    [before] = admin.secrets()
    admin.set_status(task, state="PROCESSING", reason="Recording")
    await until_told(gateway, task, "PROCESSING")
    answer = await gateway.patch(f"{START}/{task}", json=update())
    assert (answer.status, (await answer.json())["status"]) == (200, "PROCESSING")
    assert NEW not in await answer.text()
    assert token_of(admin) == NEW
    [after] = admin.secrets()
    kept = ("name", "uid", "labels", "ownerReferences")
    assert [after["metadata"][field] for field in kept] == [before["metadata"][field] for field in kept]
    assert admin.task(task)["metadata"]["generation"] == 1


async def test_a_pause_and_a_token_go_together(renewing: MakeGateway, admin: Admin) -> None:
    gateway = await renewing()
    task = await start(gateway)
    answer = await gateway.patch(f"{START}/{task}", json=update(pause=True))
    assert (answer.status, (await answer.json())["pause"]) == (200, True)
    assert (token_of(admin), admin.task(task)["spec"]["pause"]) == (NEW, True)


async def test_the_first_start_again_neither_conflicts_nor_brings_the_old_token_back(
    renewing: MakeGateway, admin: Admin
) -> None:
    gateway = await renewing()
    task = await start(gateway)
    await gateway.patch(f"{START}/{task}", json=update())
    again = await gateway.post(START, json=START_FLAT)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert token_of(admin) == NEW


async def test_a_secret_that_never_came_is_made(renewing: MakeGateway, admin: Admin) -> None:
    gateway = await renewing()
    task = await start(gateway)
    [secret] = admin.secrets()
    path = f"/api/v1/namespaces/{admin.namespace}/secrets/{secret['metadata']['name']}"
    admin.server.request("DELETE", path)
    assert (await gateway.patch(f"{START}/{task}", json=update())).status == 200
    assert token_of(admin) == NEW


async def test_many_at_once_leave_one_of_them(renewing: MakeGateway, admin: Admin) -> None:
    gateways = [await renewing(), await renewing()]
    task = await start(gateways[0])
    tokens = [f"007eJxt-token-{number}" for number in range(10)]
    answers = await asyncio.gather(
        *(
            gateways[number % 2].patch(f"{START}/{task}", json=update(token))
            for number, token in enumerate(tokens)
        )
    )
    assert {answer.status for answer in answers} == {200}
    assert token_of(admin) in tokens


@pytest.mark.parametrize("state", [*sorted(TERMINAL_STATES), State.STOPPING])
async def test_a_task_that_has_ended_takes_no_token(
    renewing: MakeGateway, admin: Admin, state: State
) -> None:
    gateway = await renewing()
    task = await start(gateway)
    admin.set_status(task, state=state)

    await until_told(gateway, task, state)
    assert (await problem_of(gateway, task, update()))[:2] == (409, "task-ended")
    assert token_of(admin) == START_FLAT["payload"]["access_token"]


async def test_a_task_of_another_app_is_as_unknown_as_none(renewing: MakeGateway, admin: Admin) -> None:
    gateway = await renewing()
    task = await start(gateway)
    answer = await gateway.patch(f"/egress/v1/other/tasks/{task}", json=update())
    assert answer.status == 404
    assert token_of(admin) == START_FLAT["payload"]["access_token"]


async def test_a_page_takes_no_token(renewing: MakeGateway) -> None:
    gateway = await renewing()
    task = await start(gateway, START_FREESTYLE)
    status, kind, detail = await problem_of(gateway, task, update())
    assert (status, kind) == (409, "wrong-layout")
    assert "does not go with layout freestyle" in detail


async def test_a_secret_of_somebody_else_is_left_alone(renewing: MakeGateway, admin: Admin) -> None:
    """A task may name any Secret: the gateway writes only to what it has made."""
    gateway = await renewing()
    data = {"access_token": base64.b64encode(b"somebody's own").decode()}
    path = f"/api/v1/namespaces/{admin.namespace}/secrets"
    admin.create(path, {"metadata": {"name": "own"}, "data": data})
    spec = {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": "own"}}
    manifest = {"apiVersion": "egress-operator.dev/v1alpha1", "kind": "EgressTask", "spec": spec}
    admin.create(admin.tasks_path, {**manifest, "metadata": {"name": "applied"}})
    assert (await problem_of(gateway, "applied", update()))[:2] == (409, "token-fixed")
    assert token_of(admin) == "somebody's own"


async def test_a_task_from_before_is_told_apart(gateway: Client, renewing: MakeGateway, admin: Admin) -> None:
    task = await start(gateway)
    status, kind, detail = await problem_of(await renewing(), task, update())
    assert (status, kind) == (409, "token-fixed")
    assert "before tokens could be given anew" in detail


async def test_a_gateway_that_is_not_to_says_what_to_set(gateway: Client, admin: Admin) -> None:
    task = await start(gateway)
    status, kind, detail = await problem_of(gateway, task, update())
    assert (status, kind) == (409, "token-fixed")
    assert "gateway.tokenRefresh.enabled" in detail
    assert token_of(admin) == START_FLAT["payload"]["access_token"]


async def test_no_token_is_in_the_logs(
    renewing: MakeGateway, json_logs: Callable[[], list[dict[str, Any]]]
) -> None:
    gateway = await renewing()
    task = await start(gateway)
    await gateway.patch(f"{START}/{task}", json=update())
    await gateway.patch(f"{START}/{task}", json=changed(update(), {"payload.access_token": "short"}))
    assert "short" not in str(json_logs())
    assert NEW not in str(json_logs())


@pytest.fixture
def policy(admin: Admin) -> Iterator[None]:
    """The chart's policy, for the service account of these tests."""
    rendered = render({"gateway": {"tokenRefresh": {"enabled": True}}})
    group = "/apis/admissionregistration.k8s.io/v1"
    name = f"{admin.namespace}-token-refresh"
    [policy] = copy.deepcopy(rendered.all_of("ValidatingAdmissionPolicy"))
    [binding] = copy.deepcopy(rendered.all_of("ValidatingAdmissionPolicyBinding"))
    policy["metadata"] = binding["metadata"] = {"name": name}
    binding["spec"]["policyName"] = name
    where = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchLabels"]
    where["kubernetes.io/metadata.name"] = admin.namespace
    [condition] = policy["spec"]["matchConditions"]
    theirs = "request.userInfo.username == 'system:serviceaccount:{}:{}'"
    assert condition["expression"] == theirs.format(NAMESPACE, "egress-gateway")
    condition["expression"] = theirs.format(admin.namespace, "gateway")
    admin.create(f"{group}/validatingadmissionpolicies", policy)
    admin.create(f"{group}/validatingadmissionpolicybindings", binding)
    yield
    for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        admin.server.request("DELETE", f"{group}/{plural}/{name}")


async def test_the_charts_policy_holds_the_right_to_the_secrets_of_tasks(
    renewing: MakeGateway, admin: Admin, kubeconfig: Path, policy: None
) -> None:
    gateway = await renewing()
    task = await start(gateway)
    path = f"/api/v1/namespaces/{admin.namespace}/secrets"
    data = {"aws_access_key_id": base64.b64encode(b"AK").decode()}
    for name in ("probe", "store"):
        admin.create(path, {"metadata": {"name": name}, "data": data})
    labels = {"app.kubernetes.io/managed-by": "egress-operator", "egress-operator.dev/task": task}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        patch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        cluster = await Cluster.connect(Settings(namespace=admin.namespace))

    async def refused(name: str) -> bool:
        # Labels that it puts there itself don't help: what was there before counts.
        try:
            await cluster.replace_secret(name, {"metadata": {"name": name}, "data": {}})
        except ClusterRefusedError as error:
            return error.code == HTTPStatus.FORBIDDEN and "and no others" in error.message
        return False

    try:
        await until("the policy holds", lambda: refused("probe"))
        stolen = {"metadata": {"name": "store", "labels": labels}, "data": {}}
        with pytest.raises(ClusterRefusedError, match="and no others"):
            await cluster.replace_secret("store", stolen)
    finally:
        await cluster.close()
    assert (await gateway.patch(f"{START}/{task}", json=update())).status == 200
    now = {secret["metadata"]["name"]: secret for secret in admin.secrets()}
    assert now["store"]["data"] == data
    [ours] = [secret for name, secret in now.items() if name.startswith(task)]
    assert base64.b64decode(ours["data"]["access_token"]).decode() == NEW
