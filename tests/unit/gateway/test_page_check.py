"""Which pages are refused at the start: by their URL, and by what their host resolves to."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from egress_api.app_rules import AppPageRules
from egress_gateway.errors import ProblemError
from egress_gateway.metrics import Metrics
from egress_gateway.pages import PageCheck

Names = dict[str, list[str]]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the resolver says in a test; it knows nothing else. Answers of a real one can't be chosen."""
    known: Names = {}

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def counted(metrics: Metrics) -> Callable[[str], float | None]:
    def value(outcome: str) -> float | None:
        return metrics.registry.get_sample_value("egress_gateway_page_checks_total", {"outcome": outcome})

    return value


def check_of(metrics: Metrics, **rules: Any) -> PageCheck:
    return PageCheck(AppPageRules.model_validate(rules), resolve_seconds=1, metrics=metrics)


async def refusal(check: PageCheck, url: str, *, app_id: str = "demo") -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        await check.check(url, app_id=app_id)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://good.example:22/",
    ],
)
async def test_a_url_that_leads_inside_is_refused_without_a_name(
    names: Names, metrics: Metrics, counted: Callable[[str], float], url: str
) -> None:
    problem = await refusal(check_of(metrics), url)
    assert (problem.status, problem.kind) == (422, "page-forbidden")
    (error,) = problem.errors
    assert error.pointer == "/payload/url"
    assert error.detail in problem.detail
    assert counted("refused") == 1


async def test_a_name_is_judged_by_all_its_addresses(names: Names, metrics: Metrics) -> None:
    names["two.example"] = ["93.184.215.14", "10.96.0.1"]
    problem = await refusal(check_of(metrics), "https://two.example/a")
    assert "two.example leads to a private address" in problem.detail
    assert "10.96.0.1" not in problem.detail


async def test_a_public_page_is_let_through(
    names: Names, metrics: Metrics, counted: Callable[[str], float]
) -> None:
    names["good.example"] = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
    await check_of(metrics).check("https://good.example/a?b#c", app_id="demo")
    assert counted("allowed") == 1


async def test_a_name_that_is_not_known_here_is_left_to_the_recorder(
    names: Names, metrics: Metrics, counted: Callable[[str], float]
) -> None:
    await check_of(metrics).check("http://your_freestyle_canvas.good.example", app_id="demo")
    assert counted("unresolved") == 1


async def test_a_resolver_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, metrics: Metrics, counted: Callable[[str], float]
) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    check = PageCheck(AppPageRules(), resolve_seconds=0.05, metrics=metrics)
    await check.check("http://slow.example/", app_id="demo")
    assert counted("unresolved") == 1


async def test_each_app_has_its_own_rules_or_the_default(names: Names, metrics: Metrics) -> None:
    names["pages.media"] = ["10.1.2.3"]
    check = check_of(
        metrics, default={"deny": ["pages.media"]}, apps={"mine": {"allow": ["pages.media:8080"]}}
    )
    await check.check("http://pages.media:8080/", app_id="mine")
    assert "deny list" in (await refusal(check, "http://pages.media/", app_id="other")).detail
    assert "port 8081" in (await refusal(check, "http://pages.media:8081/", app_id="mine")).detail


async def test_real_names_are_resolved(metrics: Metrics, counted: Callable[[str], float]) -> None:
    check = check_of(metrics, default={"allow": ["127.0.0.0/8", "::1"]})
    await check.check("http://localhost/", app_id="demo")
    assert counted("allowed") == 1
