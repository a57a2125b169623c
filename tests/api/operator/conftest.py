"""The operator against a real API server: `world` is a namespace with nobody in it yet."""

from collections.abc import AsyncIterator

import pytest

from egress_cluster.apiserver import ApiServer
from egress_operator.cluster import Cluster
from support.operator_world import World


@pytest.fixture
async def world(
    api_server: ApiServer, crd: None, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster = await Cluster.connect(api_server.kubeconfig)
    yield World(cluster, namespace)
    await cluster.close()
