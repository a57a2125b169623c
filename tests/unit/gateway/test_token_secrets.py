"""Secrets with access tokens: which of them are written, and what callers are told: never the token, in no form."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from egress_api.task import EgressTask
from egress_gateway.errors import ClusterRefusedError, ProblemError
from egress_gateway.token_secrets import TokenSecrets, new_secret_name, token_secret

TOKEN = "007eJxSECRETSECRET"
SECRET = "t1-token-0123abcd"
TASK = EgressTask.from_resource(
    {
        "metadata": {"name": "t1", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": SECRET}},
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

    async def replace_secret(self, name: str, resource: dict[str, Any]) -> None:
        assert name == resource["metadata"]["name"]
        await self.create_secret(resource)


def secrets_of(cluster: Any) -> TokenSecrets:
    return TokenSecrets(cluster, refresh=True)


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (422, "Invalid"), (500, ""), (409, "Conflict")]
)
@pytest.mark.parametrize("act", [TokenSecrets.keep, TokenSecrets.renew], ids=["keep", "renew"])
async def test_a_policy_that_quotes_the_secret_gives_nothing_away(
    code: int, reason: str, act: Callable[[TokenSecrets, EgressTask, SecretStr], Awaitable[None]]
) -> None:
    with pytest.raises(ProblemError) as caught:
        await act(secrets_of(Refuses(code, reason)), TASK, SecretStr(TOKEN))
    secret = token_secret("t1-token", SecretStr(TOKEN), owner=TASK.metadata, immutable=True)
    quoted = secret["data"]["access_token"]
    assert TOKEN not in caught.value.detail
    assert quoted not in caught.value.detail
    assert caught.value.detail.count("***") == 2
    assert caught.value.__suppress_context__


async def test_a_secret_that_is_there_is_enough() -> None:
    await secrets_of(Refuses(409, "AlreadyExists")).keep(TASK, SecretStr(TOKEN))


class Keeps:
    """Stands where the API server does, and keeps what it is sent."""

    def __init__(self, *, there: bool = True, immutable: bool = False) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._there = there
        self._immutable = immutable

    async def create_secret(self, resource: dict[str, Any]) -> None:
        self.sent.append(("create", resource))

    async def replace_secret(self, name: str, resource: dict[str, Any]) -> None:
        if not self._there:
            raise ClusterRefusedError(404, reason="NotFound", message=name, names_object=True)
        if self._immutable:
            told = "data: Forbidden: field is immutable when `immutable` is set"
            raise ClusterRefusedError(422, reason="Invalid", message=told, causes=[("data", told)])
        self.sent.append(("replace", resource))


def with_secret(**reference: str) -> EgressTask:
    spec = {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": SECRET, **reference}}
    metadata = {"name": "t1", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return EgressTask.from_resource({"metadata": metadata, "spec": spec})


async def test_another_token_is_written_whole_into_the_tasks_secret() -> None:
    cluster = Keeps()
    await secrets_of(cluster).renew(TASK, SecretStr(TOKEN))
    [(how, sent)] = cluster.sent
    assert (how, sent) == (
        "replace",
        token_secret(SECRET, SecretStr(TOKEN), owner=TASK.metadata, immutable=False),
    )
    assert sent["metadata"]["ownerReferences"][0]["uid"] == "u"


async def test_a_secret_that_is_missing_is_made() -> None:
    cluster = Keeps(there=False)
    await secrets_of(cluster).renew(TASK, SecretStr(TOKEN))
    assert [(how, sent["immutable"]) for how, sent in cluster.sent] == [("create", False)]


class Races(Keeps):
    """Stands where the API server does, with another call that makes the Secret just before ours."""

    def __init__(self, *, stays: bool) -> None:
        super().__init__(there=False)
        self._stays = stays

    async def create_secret(self, resource: dict[str, Any]) -> None:
        self._there = self._stays
        raise ClusterRefusedError(409, reason="AlreadyExists", message=resource["metadata"]["name"])


async def test_a_secret_that_another_call_makes_meanwhile_gets_this_calls_token() -> None:
    cluster = Races(stays=True)
    await secrets_of(cluster).renew(TASK, SecretStr(TOKEN))
    secret = token_secret(SECRET, SecretStr(TOKEN), owner=TASK.metadata, immutable=False)
    assert cluster.sent == [("replace", secret)]


async def test_a_token_that_cannot_be_written_down_is_not_said_to_be() -> None:
    cluster = Races(stays=False)
    with pytest.raises(ProblemError) as caught:
        await secrets_of(cluster).renew(TASK, SecretStr(TOKEN))
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "2"})
    assert cluster.sent == []


@pytest.mark.parametrize("refresh", [True, False])
async def test_secrets_can_be_changed_only_where_tokens_may_be(*, refresh: bool) -> None:
    cluster = Keeps()
    await TokenSecrets(cluster, refresh=refresh).keep(TASK, SecretStr(TOKEN))  # type: ignore[arg-type]
    assert [sent["immutable"] for _, sent in cluster.sent] == [not refresh]


@pytest.mark.parametrize(
    "reference",
    [
        {"name": "store-keys"},
        {"name": "t1-token"},
        {"name": "t1-token-0123abcde"},
        {"name": "t2-token-0123abcd"},
        {"name": "t1-token-0123ABCD".lower().replace("a", "x")},
        {"key": "other"},
    ],
    ids=lambda reference: "-".join(reference.values()),
)
async def test_a_secret_that_the_gateway_has_not_made_is_left_alone(reference: dict[str, str]) -> None:
    cluster = Keeps()
    with pytest.raises(ProblemError) as caught:
        await secrets_of(cluster).renew(with_secret(**reference), SecretStr(TOKEN))
    assert (caught.value.kind, caught.value.status) == ("token-fixed", 409)
    assert "not the gateway's" in caught.value.detail
    assert cluster.sent == []


async def test_a_token_from_before_they_could_be_changed_stays() -> None:
    with pytest.raises(ProblemError) as caught:
        await secrets_of(Keeps(immutable=True)).renew(TASK, SecretStr(TOKEN))
    assert (caught.value.kind, caught.value.status) == ("token-fixed", 409)
    assert "before tokens could be given anew" in caught.value.detail


async def test_a_gateway_without_the_right_does_not_try_and_says_what_to_set() -> None:
    cluster = Keeps()
    with pytest.raises(ProblemError) as caught:
        await TokenSecrets(cluster, refresh=False).renew(TASK, SecretStr(TOKEN))  # type: ignore[arg-type]
    assert (caught.value.kind, caught.value.status) == ("token-fixed", 409)
    assert "gateway.tokenRefresh.enabled" in caught.value.detail
    assert cluster.sent == []


async def test_a_page_has_no_token() -> None:
    page = EgressTask.from_resource(
        {
            "metadata": {
                "name": "t1",
                "namespace": "n",
                "uid": "u",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"appId": "demo", "layout": "freestyle", "url": "http://good.example/"},
        }
    )
    with pytest.raises(ProblemError) as caught:
        await secrets_of(Keeps()).renew(page, SecretStr(TOKEN))
    assert (caught.value.status, caught.value.errors[0].detail) == (
        409,
        "does not go with layout freestyle: task t1 has no token",
    )


def test_every_name_of_a_secret_is_another() -> None:
    names = {new_secret_name("t1") for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith("t1-token-") for name in names)
