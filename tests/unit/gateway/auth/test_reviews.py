"""Kubernetes' word, from a reviewer that counts what it is asked; tests/api/gateway has the real one."""

import asyncio
from typing import Any

import pytest

from egress_gateway.auth.reviews import Reviews, access_review
from egress_gateway.auth.settings import KubernetesSettings
from egress_gateway.auth.verdicts import Allowed, Call, Credentials, Forbidden, Undecided, Unknown, Verdict
from egress_gateway.errors import ClusterRefusedError, ClusterUnreachableError
from support.auth import new_key

ALICE = {"username": "alice", "uid": "u1", "groups": ["g"], "extra": {"k": ["v"]}}
GET, STOP = Call("demo", "get"), Call("demo", "patch")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Reviewer:
    """Knows the token "good", and lets its user get."""

    namespace = "tasks"

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.audiences: list[str] | None = ["egress-gateway"]
        self.error: Exception | None = None
        self.at_once = self.most = 0

    async def create_review(self, path: str, resource: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((path, resource))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        for _ in range(3):
            await asyncio.sleep(0)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        spec = resource["spec"]
        if resource["kind"] == "TokenReview":
            if spec["token"] != "good":
                return {"status": {"authenticated": False, "user": {}, "error": "invalid bearer token"}}
            return {"status": {"authenticated": True, "user": ALICE, "audiences": self.audiences}}
        return {"status": {"allowed": spec["resourceAttributes"]["verb"] == "get"}}

    def kinds(self) -> list[str]:
        return [resource["kind"] for _, resource in self.asked]


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reviews(reviewer: Reviewer, clock: Clock) -> Reviews:
    return Reviews(KubernetesSettings(), reviewer, clock=clock)


async def verdict(reviews: Reviews, token: str, call: Call = GET) -> Verdict:
    return await reviews.check(Credentials(bearer=token), call)


async def test_who_may_is_let_in(reviews: Reviews) -> None:
    assert await verdict(reviews, "good") == Allowed("kubernetes:alice")


async def test_who_may_not_reads_what_is_missing(reviews: Reviews) -> None:
    assert await verdict(reviews, "good", STOP) == Forbidden(
        "kubernetes:alice",
        "alice may not patch egresstasks in namespace tasks: have a Role with that verb bound to them",
    )


async def test_the_questions_are_these(reviews: Reviews, reviewer: Reviewer) -> None:
    await verdict(reviews, "good")
    (token_path, token), (access_path, access) = reviewer.asked
    assert token_path == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert token == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "good", "audiences": ["egress-gateway"]},
    }
    assert access_path == "/apis/authorization.k8s.io/v1/namespaces/tasks/localsubjectaccessreviews"
    assert access == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview",
        "metadata": {"namespace": "tasks"},
        "spec": {
            "user": "alice",
            "uid": "u1",
            "groups": ["g"],
            "extra": {"k": ["v"]},
            "resourceAttributes": {
                "namespace": "tasks",
                "verb": "get",
                "group": "egress-operator.dev",
                "version": "v1alpha1",
                "resource": "egresstasks",
            },
        },
    }


def test_a_user_of_few_words_is_asked_about_without_the_others() -> None:
    spec = access_review({"username": "bob"}, verb="get", namespace="n")["spec"]
    assert {"uid", "extra"}.isdisjoint(spec)


async def test_a_yes_holds_for_a_while(reviews: Reviews, reviewer: Reviewer, clock: Clock) -> None:
    for _ in range(5):
        await verdict(reviews, "good")
    assert reviewer.kinds() == ["TokenReview", "LocalSubjectAccessReview"]
    clock.now += 60
    await verdict(reviews, "good")
    assert len(reviewer.asked) == 4


async def test_a_no_holds_for_a_shorter_one(reviews: Reviews, reviewer: Reviewer, clock: Clock) -> None:
    for _ in range(5):
        assert isinstance(await verdict(reviews, "bad"), Unknown)
        await verdict(reviews, "good", STOP)
    assert reviewer.kinds() == ["TokenReview", "TokenReview", "LocalSubjectAccessReview"]
    clock.now += 5
    await verdict(reviews, "bad")
    await verdict(reviews, "good", STOP)
    assert reviewer.kinds()[3:] == ["TokenReview", "LocalSubjectAccessReview"]


@pytest.mark.parametrize("audiences", [None, [], ["another"]])
async def test_a_token_for_somebody_else_is_refused(
    reviews: Reviews, reviewer: Reviewer, audiences: list[str] | None
) -> None:
    reviewer.audiences = audiences
    assert await verdict(reviews, "good") == Unknown("the token is not for egress-gateway")


async def test_without_audiences_tokens_for_the_api_server_do(reviewer: Reviewer) -> None:
    reviewer.audiences = ["https://kubernetes.default.svc"]
    reviews = Reviews(KubernetesSettings(audiences=[]), reviewer)
    assert isinstance(await verdict(reviews, "good"), Allowed)
    assert "--audience" not in reviews.hint


@pytest.mark.parametrize("credentials", [Credentials(bearer=new_key()), Credentials(api_key="good")])
async def test_an_api_key_is_never_sent_to_the_api_server(
    reviews: Reviews, reviewer: Reviewer, credentials: Credentials
) -> None:
    assert await reviews.check(credentials, GET) == Unknown(None)
    assert reviewer.asked == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClusterUnreachableError("it didn't answer in time"), "in time"),
        (ClusterRefusedError(403, message='User "x" cannot create'), "the Helm chart gives them"),
        (ClusterRefusedError(429, message="slow down"), "slow down"),
    ],
)
async def test_an_api_server_that_does_not_answer_lets_nobody_in_and_is_asked_again(
    reviews: Reviews, reviewer: Reviewer, error: Exception, reason: str
) -> None:
    reviewer.error = error
    found = await verdict(reviews, "good")
    assert isinstance(found, Undecided)
    assert reason in found.reason
    reviewer.error = None
    assert isinstance(await verdict(reviews, "good"), Allowed)


async def test_a_flood_asks_a_few_questions_at_a_time_and_pushes_nobody_out(
    reviews: Reviews, reviewer: Reviewer
) -> None:
    await verdict(reviews, "good")
    await asyncio.gather(*(verdict(reviews, f"bad{number}") for number in range(11_000)))
    assert reviewer.most <= 8
    asked = len(reviewer.asked)
    assert isinstance(await verdict(reviews, "good"), Allowed)
    assert len(reviewer.asked) == asked
    assert len(reviews._strangers) <= 10_000


async def test_many_calls_with_one_new_token_ask_only_a_few_times(
    reviews: Reviews, reviewer: Reviewer
) -> None:
    verdicts = await asyncio.gather(*(verdict(reviews, "good") for _ in range(200)))
    assert set(verdicts) == {Allowed("kubernetes:alice")}
    assert len(reviewer.asked) <= 16


async def test_no_token_is_kept(reviews: Reviews) -> None:
    await verdict(reviews, "good")
    await verdict(reviews, "bad-token")
    assert "bad-token" not in repr(vars(reviews._strangers)) + repr(vars(reviews._users))
