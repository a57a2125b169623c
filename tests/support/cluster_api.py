"""Read the demo's cluster over connections that are kept: what tests look at again and again.

In: a kubeconfig, a namespace, names. Out: objects as the API has them. A kubectl process costs a tenth of a second of
a core for each look; with recordings beside it on two cores, those who look would be what disturbs.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kubernetes import client, config

from egress_api.constants import GROUP, PLURAL, VERSION

SECONDS = 15.0
"""Until a call is given up."""
READ_AGAIN = 3
"""An API server that starts again is no test's subject here."""
CONNECTIONS = 8


@cache
def _api(kubeconfig: Path) -> client.ApiClient:
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.connection_pool_maxsize = CONNECTIONS
    settings.retries = READ_AGAIN
    return client.ApiClient(settings)


def tasks(kubeconfig: Path, namespace: str) -> list[dict[str, Any]]:
    """Return the tasks of a namespace."""
    found = client.CustomObjectsApi(_api(kubeconfig)).list_namespaced_custom_object(
        GROUP, VERSION, namespace, PLURAL, _request_timeout=SECONDS
    )
    items: list[dict[str, Any]] = found["items"]
    return items


def task(kubeconfig: Path, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a task, or None where there is none."""
    try:
        found: dict[str, Any] = client.CustomObjectsApi(_api(kubeconfig)).get_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURAL, name, _request_timeout=SECONDS
        )
    except client.ApiException as problem:
        if problem.status == 404:
            return None
        raise
    return found


def pods(kubeconfig: Path, namespace: str, *, selector: str) -> list[dict[str, Any]]:
    """Return the Pods that have these labels."""
    answer = client.CoreV1Api(_api(kubeconfig)).list_namespaced_pod(
        namespace, label_selector=selector, _request_timeout=SECONDS, _preload_content=False
    )
    items: list[dict[str, Any]] = json.loads(answer.data)["items"]
    return items
