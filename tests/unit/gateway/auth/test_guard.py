"""In front of every call: what is open, what is asked, what the refusals say, and that no credential is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from egress_gateway.auth.guard import OPEN_PATHS, Gate, credentials_of
from egress_gateway.auth.verdicts import Allowed, Call, Credentials, Forbidden, Undecided, Unknown, Verdict
from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.metrics import Metrics
from egress_gateway.middleware import Trace
from egress_gateway.verbs import verb_of
from support.auth import TASK, bearer, entry, new_key, write_keys
from support.bad_starts import START_FLAT

DEMO = Call("demo", "get")
ONE = "/egress/v1/{app_id}/tasks/{task_id}"


class Fixed:
    """A mode with one answer."""

    name = "fixed"

    def __init__(self, verdict: Verdict, hint: str = "something") -> None:
        self.verdict = verdict
        self.hint = hint
        self.asked = 0

    async def check(self, credentials: Credentials, call: Call) -> Verdict:
        self.asked += 1
        return self.verdict

    async def follow(self) -> None:
        pass


YES, NOT_YOURS = Allowed("alice"), Forbidden("alice", "not for app demo")
WHO, OTHER = Unknown("the token has expired"), Unknown(None)
LATER = Undecided("the API server can't be asked", "10.0.0.1 refused")


@pytest.mark.parametrize(
    ("verdicts", "kind"),
    [
        ([YES], None),
        ([OTHER, YES], None),
        ([NOT_YOURS, YES], None),
        ([LATER, YES], None),
        ([WHO], ProblemKind.UNAUTHENTICATED),
        ([OTHER], ProblemKind.UNAUTHENTICATED),
        ([WHO, NOT_YOURS], ProblemKind.FORBIDDEN),
        ([NOT_YOURS, OTHER], ProblemKind.FORBIDDEN),
        ([WHO, LATER], ProblemKind.AUTH_UNAVAILABLE),
        # The one that can't tell might have said yes.
        ([NOT_YOURS, LATER], ProblemKind.AUTH_UNAVAILABLE),
    ],
)
async def test_one_yes_is_enough_and_the_best_no_is_told(
    verdicts: list[Verdict], kind: ProblemKind | None
) -> None:
    gate = Gate([Fixed(verdict) for verdict in verdicts], metrics=Metrics())
    trace = Trace("r1")
    if kind is None:
        await gate.admit(Credentials(bearer="t"), DEMO, trace=trace)
        assert trace.caller == "alice"
        return
    with pytest.raises(ProblemError) as refused:
        await gate.admit(Credentials(bearer="t"), DEMO, trace=trace)
    assert refused.value.kind is kind
    assert trace.caller == ("alice" if kind is ProblemKind.FORBIDDEN else None)
    assert "10.0.0.1" not in refused.value.detail


async def test_without_modes_nobody_is_asked() -> None:
    await Gate([], metrics=Metrics()).admit(Credentials(), DEMO, trace=Trace("r1"))


async def test_without_credentials_no_mode_is_asked_and_all_are_explained() -> None:
    modes = [Fixed(YES, "this"), Fixed(YES, "that")]
    with pytest.raises(ProblemError) as refused:
        await Gate(modes, metrics=Metrics()).admit(Credentials(), DEMO, trace=Trace("r1"))
    assert refused.value.detail == "this gateway asks who calls. Send this, or that."
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="egress"'}
    assert [mode.asked for mode in modes] == [0, 0]


async def test_outcomes_are_counted() -> None:
    metrics = Metrics()
    for verdict in (YES, YES, WHO, NOT_YOURS, LATER):
        gate = Gate([Fixed(verdict)], metrics=metrics)
        try:
            await gate.admit(Credentials(bearer="t"), DEMO, trace=Trace("r1"))
        except ProblemError:
            continue
    text = metrics.render().decode()
    for outcome, count in {"allowed": 2, "unauthenticated": 1, "forbidden": 1, "undecided": 1}.items():
        assert f'egress_gateway_auth_checks_total{{outcome="{outcome}"}} {count}.0' in text


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "/egress/v1/{app_id}/tasks", "create"),
        ("GET", "/egress/v1/{app_id}/tasks", "list"),
        ("GET", ONE, "get"),
        ("HEAD", ONE, "get"),
        ("PATCH", ONE, "patch"),
        ("DELETE", ONE, "delete"),
        ("POST", f"{ONE}/stop", "patch"),
        ("POST", f"{ONE}/status", "get"),
        ("GET", f"{ONE}/events", "get"),
        ("GET", "/egress/v1/{app_id}/events", "list"),
    ],
)
def test_each_call_has_kubernetes_word_for_it(method: str, path: str, verb: str) -> None:
    assert verb_of(method, path) == verb


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Credentials()),
        ([("Authorization", "Bearer abc")], Credentials(bearer="abc")),
        ([("Authorization", "bearer   abc ")], Credentials(bearer="abc")),
        ([("Authorization", "Basic abc")], Credentials()),
        ([("Authorization", "Bearer")], Credentials()),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], Credentials()),
        ([("X-API-Key", "k")], Credentials(api_key="k")),
        ([("x-api-key", " ")], Credentials()),
        ([("X-API-Key", "k"), ("X-API-Key", "l")], Credentials()),
        ([("X-API-Key", "k"), ("Authorization", "Bearer t")], Credentials(bearer="t", api_key="k")),
    ],
)
def test_credentials_are_read_from_headers(headers: list[tuple[str, str]], expected: Credentials) -> None:
    request = make_mocked_request("GET", "/", headers=CIMultiDict(headers))
    assert credentials_of(request) == expected


def test_credentials_show_nothing_of_themselves() -> None:
    assert "hush" not in repr(Credentials(bearer="hush1", api_key="hush2"))


@pytest.fixture
async def keyed(tmp_path: Path, make_gateway: Any) -> Any:
    """A gateway that wants API keys, and a key for the app demo."""
    key = new_key()
    folder = write_keys(tmp_path / "keys", alice=entry(key, "demo"))
    return await make_gateway(auth={"modes": ["apiKeys"], "apiKeys": {"folder": str(folder)}}), key


async def test_every_path_is_open_on_purpose_or_names_an_app(keyed: Any) -> None:
    gateway, _ = keyed
    paths = {resource.canonical for resource in gateway.app.router.resources()}
    assert paths >= OPEN_PATHS
    assert [path for path in paths if path not in OPEN_PATHS and "{app_id}" not in path] == []


async def test_a_path_that_was_forgotten_lets_nobody_in(make_gateway: Any, monkeypatch: Any) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    monkeypatch.setattr("egress_gateway.health.Health.table", lambda _: [web.get("/forgotten", handler)])
    gateway = await make_gateway()
    assert (await gateway.get("/forgotten")).status == 500


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
async def test_health_and_metrics_ask_nobody(keyed: Any, path: str) -> None:
    gateway, _ = keyed
    assert (await gateway.get(path)).status in {200, 503}


async def test_paths_that_are_not_there_say_so_to_everybody(keyed: Any) -> None:
    gateway, _ = keyed
    assert (await gateway.get("/nothing")).status == 404
    assert (await gateway.put(TASK)).status == 405


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/egress/v1/demo/tasks"),
        ("GET", TASK),
        ("HEAD", TASK),
        ("PATCH", TASK),
        ("POST", f"{TASK}/stop"),
        ("GET", "/egress/v1/de%2Fmo/tasks/t1"),
        ("GET", "/egress/v1/demo/tasks/..%2F..%2Fhealthz"),
    ],
)
async def test_every_call_wants_credentials(keyed: Any, method: str, path: str) -> None:
    gateway, _ = keyed
    answer = await gateway.request(method, path, data=b"not even JSON")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="egress"'
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_unknown_key_is_a_problem_that_says_what_to_do(keyed: Any) -> None:
    gateway, _ = keyed
    answer = await gateway.get(TASK, headers={"X-API-Key": new_key()})
    problem = await answer.json()
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="egress", error="invalid_token"'
    assert problem["type"] == "urn:egress-operator:problem:unauthenticated"
    assert problem["detail"].startswith("The API key is not known, or no longer. Send X-API-Key: KEY")


async def test_another_app_is_forbidden(keyed: Any) -> None:
    gateway, key = keyed
    answer = await gateway.get("/egress/v1/other/tasks/t1", headers=bearer(key))
    problem = await answer.json()
    assert (answer.status, problem["type"]) == (403, "urn:egress-operator:problem:forbidden")
    assert "The API key alice is not for app other" in problem["detail"]


async def test_a_key_that_fits_lets_the_call_through(keyed: Any) -> None:
    gateway, key = keyed
    for headers in (bearer(key), {"X-API-Key": key}):
        assert (await gateway.post("/egress/v1/demo/tasks", json={}, headers=headers)).status == 400
        assert (await gateway.get(TASK, headers=headers)).status == 503


async def test_the_log_says_who_and_never_by_what(keyed: Any, json_logs: Any) -> None:
    gateway, key = keyed
    wrong = new_key()
    await gateway.get(TASK, headers={"X-API-Key": key})
    await gateway.post("/egress/v1/other/tasks", json=START_FLAT, headers=bearer(key))
    await gateway.get(TASK, headers=bearer(wrong))
    await gateway.get(TASK, headers=bearer("eyJhbGciOiJub25lIn0.e30."))
    lines = json_logs()
    requests = [line for line in lines if line["msg"] == "request"]
    assert requests[0]["caller"] == "apiKeys:alice"
    assert requests[1]["caller"] == "apiKeys:alice"
    assert [line.get("problem") for line in requests[1:]] == [
        "forbidden",
        "unauthenticated",
        "unauthenticated",
    ]
    written = json.dumps(lines)
    for secret in (key, wrong, "eyJhbGciOiJub25lIn0", START_FLAT["payload"]["access_token"]):
        assert secret not in written
