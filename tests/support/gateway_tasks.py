"""Tasks as the API server gives them, for a gateway's cache that no API server feeds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp.test_utils import TestClient

from egress_api.constants import API_VERSION, KIND
from egress_api.task import EgressTask
from egress_gateway.app import CACHE
from egress_gateway.cache import TaskCache

BEGIN = datetime(2026, 11, 23, tzinfo=UTC)


def made(
    name: str,
    version: int,
    *,
    app_id: str = "demo",
    second: int = 0,
    uid: str = "",
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> EgressTask:
    """Return a task.

    Args:
        name: its name.
        version: its resourceVersion.
        app_id: whose it is.
        second: of its creation, after `BEGIN`.
        uid: its uid; its name and second where none is given.
        spec: what else is asked for; without a layout it is a channel.
        status: fields of its status.
    """
    created = BEGIN + timedelta(seconds=second)
    wished = spec or {}
    if wished.get("layout") == "freestyle":
        wished = {"url": "http://good.example/", **wished}
    else:
        wished = {"channel": "room", "accessTokenSecretRef": {"name": f"{name}-token"}, **wished}
    return EgressTask.from_resource(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": name,
                "namespace": "tasks",
                "uid": uid or f"{name}/{second}",
                "resourceVersion": str(version),
                "creationTimestamp": created.isoformat(),
            },
            "spec": {"appId": app_id, **wished},
            "status": status,
        }
    )


def cache_of(client: TestClient[Any, Any]) -> TaskCache:
    """Return a gateway's cache."""
    assert client.app is not None
    return client.app[CACHE]
