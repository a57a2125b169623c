"""A page can't reach where it should not: every evasion, carried out by a page in a real recorder's Pod.

The page runs twice: under rules that forbid, where no listener may hear of it, and under rules that allow everything,
where the same evasions arrive. So none of them is harmless for a reason of its own, and every listener is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.e2e import Gateway, Tasks, start_body
from support.kubectl import KubectlError
from support.releases import scratch_release
from support.walls import VALUES, Findings, attack
from support.walls_attacker import Attacker, attacker
from support.walls_evasions import (
    ALLOWED,
    CONTROL,
    EVASIONS,
    LED_ASTRAY,
    STARTS,
    Evasion,
    Start,
    port_of,
    start_port,
)
from support.web_tasks import page_task

pytestmark = pytest.mark.timeout(400)

AT_ONCE = 4
"""Pods that a node of two cores takes at a time."""


@dataclass(frozen=True)
class Stage:
    """The attacker's servers, and an operator with the rules."""

    attacker: Attacker
    tasks: Tasks


@pytest.fixture(scope="module")
def stage(tasks: Tasks) -> Iterator[Stage]:
    with scratch_release(values=VALUES) as scratch, attacker() as there:
        yield Stage(there, scratch)


@pytest.fixture(scope="module")
def closed(stage: Stage) -> Findings:
    return attack(stage.attacker, stage.tasks, "closed")


@pytest.fixture(scope="module", name="opened")
def _opened(stage: Stage) -> Findings:
    return attack(stage.attacker, stage.tasks, "open")


def reached(findings: Findings, evasion: Evasion, run: str) -> list[dict[str, Any]]:
    return [hit for hit in findings.hits if hit["port"] == port_of(evasion, run)]


@pytest.mark.parametrize("evasion", EVASIONS, ids=lambda evasion: evasion.name)
def test_an_evasion_reaches_nobody(closed: Findings, evasion: Evasion) -> None:
    outcome = closed.outcomes.get(evasion.name)

    assert outcome is not None, "the page did not try"
    assert not outcome.endswith("reached"), outcome
    # A name may lead to the attacker's own server first; that is not where it should not.
    assert [hit for hit in reached(closed, evasion, "closed") if hit["address"] != ALLOWED] == []
    if evasion.proven:
        asked = f"port {port_of(evasion, 'closed')}: "
        assert asked in closed.log, "the browser never asked the proxy for it"


@pytest.mark.parametrize("evasion", [e for e in EVASIONS if e.proven], ids=lambda evasion: evasion.name)
def test_an_evasion_arrives_where_everything_is_allowed(opened: Findings, evasion: Evasion) -> None:
    assert reached(opened, evasion, "open"), opened.outcomes.get(evasion.name)


def test_a_name_that_changes_is_followed_where_everything_is_allowed(opened: Findings) -> None:
    (rebinding,) = (evasion for evasion in EVASIONS if evasion.way == "rebinding")

    assert [hit["address"] for hit in reached(opened, rebinding, "open")] == [ALLOWED, rebinding.reaches]
    assert opened.outcomes[rebinding.name] == "first reached, then reached"


def test_what_is_allowed_is_reached_under_both_rules(closed: Findings, opened: Findings) -> None:
    assert reached(closed, CONTROL, "closed")
    assert reached(opened, CONTROL, "open")


def test_nothing_but_the_attackers_own_server_heard_of_the_page(closed: Findings) -> None:
    assert {hit["address"] for hit in closed.hits} == {ALLOWED}


def test_the_pods_own_ports_and_the_clusters_are_out_of_reach(closed: Findings, opened: Findings) -> None:
    there = [name for name in closed.outcomes if name.startswith(("service ", "port "))]
    services = [name for name in there if name.startswith("service ")]

    assert len(services) == 4
    assert [name for name in there if not closed.outcomes[name].startswith("refused")] == []
    # Any port that something listens on in the Pod is tried; those are no ports of the rules, as it is by default.
    assert [name for name in services if opened.outcomes[name] != "reached"] == []


def test_a_page_that_is_held_back_is_recorded_all_the_same(closed: Findings, opened: Findings) -> None:
    for findings in (closed, opened):
        status = findings.task["status"]
        assert (status["state"], status["reason"]) == ("STOPPED", "PageEnded")
        assert [file["name"] for file in status["files"]] == ["file_output.m3u8"]


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.name)
def test_the_gateway_makes_no_task_of_a_page_that_may_not_be_opened(
    stage: Stage, gateway: Gateway, start: Start
) -> None:
    body = start_body(channel="", token="", layout="freestyle", url=start.url.replace(":{port}", ""))
    for field in ("channel", "access_token", "workerUid", "users"):
        del body["payload"][field]

    answer = gateway.start(body)

    assert answer.status == (400 if start.malformed else 422), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.body["errors"]] == ["/payload/url"]
    assert start.says in answer.body["errors"][0]["detail"]


@pytest.fixture(scope="module")
def ends(stage: Stage) -> dict[str, dict[str, Any]]:
    """The status of tasks made with kubectl, a few at a time: no gateway looks at them."""
    found = {}
    left = [start for start in (*STARTS, LED_ASTRAY) if not start.malformed]
    while left:
        batch, left = left[:AT_ONCE], left[AT_ONCE:]
        made = {s.name: page_task(s.url.format(port=start_port(s)), appId="walls-closed") for s in batch}
        stage.tasks.kubectl.apply(*made.values())
        for name, task in made.items():
            ended = stage.tasks.until_state(task["metadata"]["name"], "FAILED", seconds=90)
            found[name] = ended["status"]
    return found


@pytest.mark.parametrize(
    "start", [s for s in (*STARTS, LED_ASTRAY) if not s.malformed], ids=lambda start: start.name
)
def test_the_recorder_opens_no_page_that_may_not_be_opened(
    stage: Stage, ends: dict[str, dict[str, Any]], start: Start
) -> None:
    status = ends[start.name]

    assert status["reason"] == "PageForbidden", status
    assert start.says in status["message"]
    assert [hit for hit in stage.attacker.hits() if hit["port"] == start_port(start)] == []


@pytest.mark.parametrize("start", [s for s in STARTS if s.malformed], ids=lambda start: start.name)
def test_the_api_server_takes_no_url_of_another_kind(stage: Stage, start: Start) -> None:
    task = page_task(start.url.format(port=start_port(start)), appId="walls-closed")

    with pytest.raises(KubectlError, match="must be an http or https URL"):
        stage.tasks.kubectl.apply(task)
