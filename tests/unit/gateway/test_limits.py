"""How often an app may call."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_gateway.errors import ProblemError, ProblemKind
from egress_gateway.limits import Buckets, Limits
from egress_gateway.metrics import Metrics
from egress_gateway.settings import Settings
from support.auth import entry, new_key, write_keys
from support.bad_starts import START_FLAT

TASKS = "/egress/v1/demo/tasks"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_as_many_as_flow_in() -> None:
    clock = Clock()
    buckets = Buckets(2, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, pytest.approx(0.5)]
    clock.now += 100
    assert [bool(buckets.take("a")) for _ in range(4)] == [False, False, False, True]


def test_refused_calls_do_not_count() -> None:
    clock = Clock()
    buckets = Buckets(1, 1, clock=clock)
    buckets.take("a")
    for _ in range(50):
        assert buckets.take("a") > 0
    clock.now += 1
    assert buckets.take("a") == 0


def test_apps_do_not_touch_one_another() -> None:
    buckets = Buckets(1, 1, clock=Clock())
    assert [bool(buckets.take(app)) for app in ("a", "b", "a", "b")] == [False, False, True, True]


def test_no_limit_remembers_nobody() -> None:
    buckets = Buckets(0, 1, clock=Clock())
    assert {buckets.take("a") for _ in range(1000)} == {0}
    assert len(buckets) == 0


def test_made_up_apps_cost_no_memory() -> None:
    buckets = Buckets(1, 1, apps=100, clock=Clock())
    for number in range(10_000):
        assert buckets.take(f"app-{number}") == 0
        assert len(buckets) <= 100


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 2), max_size=200),
)
def test_never_more_than_the_burst_and_what_flowed_in(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = Clock()
    buckets = Buckets(per_second, burst, clock=clock)
    begun, taken = clock.now, 0
    for pause in pauses:
        clock.now += pause
        missing = buckets.take("a")
        taken += not missing
        assert taken <= burst + (clock.now - begun) * per_second + 1e-3
        # Who waits as long as told gets a call.
        if missing:
            clock.now += missing
            assert buckets.take("a") == 0
            taken += 1


def test_starts_and_other_calls_are_counted_apart() -> None:
    settings = Settings(starts_per_second=1, starts_burst=1, calls_per_second=1, calls_burst=2)
    limits = Limits(settings, metrics=Metrics(), clock=Clock())
    limits.check("a", start=True)
    limits.check("a", start=False)
    limits.check("a", start=False)
    for start in (True, False):
        with pytest.raises(ProblemError) as refused:
            limits.check("a", start=start)
        assert refused.value.kind is ProblemKind.RATE_LIMITED


@pytest.mark.parametrize(("per_second", "retry_after"), [(100, "1"), (0.2, "5"), (0.3, "4")])
def test_retry_after_is_whole_seconds_and_long_enough(per_second: float, retry_after: str) -> None:
    limits = Limits(Settings(starts_per_second=per_second, starts_burst=1), metrics=Metrics(), clock=Clock())
    limits.check("a", start=True)
    with pytest.raises(ProblemError) as refused:
        limits.check("a", start=True)
    assert refused.value.headers == {"Retry-After": retry_after}


async def test_a_caller_reads_what_to_do(make_gateway: Any) -> None:
    gateway = await make_gateway(starts_per_second=0.1, starts_burst=1)
    assert (await gateway.post(TASKS, json=START_FLAT)).status == 503
    answer = await gateway.post(TASKS, json=START_FLAT)
    problem = await answer.json()
    assert (answer.status, problem["type"]) == (429, "urn:egress-operator:problem:rate-limited")
    assert answer.headers["Retry-After"] == "10"
    assert problem["detail"] == (
        "App demo may make 0.1 starts a second, and 1 at once: send the same request again in 10 s, with the same "
        "request_id: it never makes a second task"
    )
    assert (await gateway.get(f"{TASKS}/t1")).status == 503  # other calls have a bucket of their own
    assert (await gateway.post("/egress/v1/other/tasks", json=START_FLAT)).status == 503
    text = await (await gateway.get("/metrics")).text()
    assert 'egress_gateway_rate_limited_total{what="starts"} 1.0' in text


async def test_health_is_never_limited(make_gateway: Any) -> None:
    gateway = await make_gateway(calls_per_second=0.1, calls_burst=1)
    assert {(await gateway.get("/healthz")).status for _ in range(20)} == {200}


async def test_who_may_not_call_an_app_uses_up_none_of_its_calls(make_gateway: Any, tmp_path: Path) -> None:
    key = new_key()
    folder = write_keys(tmp_path / "keys", alice=entry(key, "demo"))
    auth = {"modes": ["apiKeys"], "apiKeys": {"folder": str(folder)}}
    gateway = await make_gateway(auth=auth, calls_per_second=0.1, calls_burst=1)
    for _ in range(5):
        assert (await gateway.get(f"{TASKS}/t1")).status == 401
    assert (await gateway.get(f"{TASKS}/t1", headers={"X-API-Key": key})).status == 503
    assert (await gateway.get(f"{TASKS}/t1", headers={"X-API-Key": key})).status == 429
