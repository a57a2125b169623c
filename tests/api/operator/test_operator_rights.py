"""The rights that the chart gives the operator are enough for all that it does."""

from pathlib import Path

import pytest
import structlog
import yaml

from egress_cluster.apiserver import ApiServer
from egress_operator.errors import RefusedError
from support.operator_world import World, ago
from support.summaries import summary

RIGHTS = Path(__file__).parents[3] / "charts" / "egress-operator" / "files" / "rights.yaml"


@pytest.fixture
async def account(world: World, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have operators run under a service account with the chart's Role."""
    rules = [
        {k: v for k, v in rule.items() if k != "why"}
        for rule in yaml.safe_load(RIGHTS.read_text())["operator"]
    ]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}"
    await world.cluster.request(
        "POST",
        f"/api/v1/namespaces/{world.namespace}/serviceaccounts",
        body={"metadata": {"name": "operator"}},
    )
    await world.cluster.request(
        "POST", f"{rbac}/roles", body={"metadata": {"name": "operator"}, "rules": rules}
    )
    await world.cluster.request(
        "POST",
        f"{rbac}/rolebindings",
        body={
            "metadata": {"name": "operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": world.namespace}],
        },
    )
    kubeconfig = api_server.service_account("operator", namespace=world.namespace)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))


async def test_a_whole_life_needs_no_more_rights(world: World, account: None) -> None:
    with structlog.testing.capture_logs() as logs:
        async with world.operator(ttl_seconds_after_finished=1, resync_seconds=1):
            await world.create_task("waits")
            await world.until_pod("waits")
            await world.bind("waits-1")
            await world.waiting("waits-1", reason="ContainerCreating", since=ago(seconds=5))
            await world.until_state("waits", "ENQUEUED", reason="PodPending")
            await world.create_task("records")
            await world.start_recording("records")
            await world.until_state("records", "PROCESSING")
            await world.patch_task("records", pause=True)
            await world.until_told("records-1", "true")
            await world.stop_task("records")
            await world.until_told("records-1", "true", what="stop")
            await world.end_pod("records-1", message=summary())
            await world.kubelet_lets_go("records-1")
            await world.until_pod_gone("records-1")

            async def deleted() -> bool:
                return await world.cluster.task(world.namespace, "records") is None

            await world.until("the finished task's deletion", deleted)
    problems = [entry for entry in logs if entry["log_level"] in {"warning", "error"}]
    assert problems == []


async def test_no_secret_can_be_read(world: World, account: None) -> None:
    operators = await type(world.cluster).connect()
    try:
        with pytest.raises(RefusedError, match="secrets"):
            await operators.request("GET", f"/api/v1/namespaces/{world.namespace}/secrets")
    finally:
        await operators.close()
