"""What callers are told when a Secret can't be made: never the token, in no form."""

from typing import Any

import pytest
from pydantic import SecretStr

from egress_api.app_rules import AppPageRules
from egress_api.task import EgressTask
from egress_gateway.cache import TaskCache
from egress_gateway.errors import ClusterRefusedError, ProblemError
from egress_gateway.lookup import Lookup
from egress_gateway.metrics import Metrics
from egress_gateway.pages import PageCheck
from egress_gateway.tasks import Tasks, token_secret

TOKEN = "007eJxSECRETSECRET"
PAGES = PageCheck(AppPageRules(), resolve_seconds=1, metrics=Metrics())
TASK = EgressTask.from_resource(
    {
        "metadata": {"name": "t1", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": "t1-token"}},
    }
)


class Refuses:
    """Stands where the API server does, with a policy that quotes what it refuses."""

    namespace = "n"

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason

    async def create_secret(self, resource: dict[str, dict[str, str]]) -> None:
        told = f"no {resource['data']} here, and no {TOKEN}"
        raise ClusterRefusedError(self.code, reason=self.reason, message=told)


def tasks_of(cluster: Any) -> Tasks:
    return Tasks(cluster, Lookup(cluster, TaskCache(stale_seconds=1)), PAGES)


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (422, "Invalid"), (500, ""), (409, "Conflict")]
)
async def test_a_policy_that_quotes_the_secret_gives_nothing_away(code: int, reason: str) -> None:
    tasks = tasks_of(Refuses(code, reason))
    with pytest.raises(ProblemError) as caught:
        await tasks._keep_token(TASK, SecretStr(TOKEN))
    quoted = token_secret("t1-token", SecretStr(TOKEN), owner=TASK.metadata)["data"]["access_token"]
    assert TOKEN not in caught.value.detail
    assert quoted not in caught.value.detail
    assert caught.value.detail.count("***") == 2
    assert caught.value.__suppress_context__


async def test_a_secret_that_is_there_is_enough() -> None:
    tasks = tasks_of(Refuses(409, "AlreadyExists"))
    await tasks._keep_token(TASK, SecretStr(TOKEN))
