"""The fault table, row by row, on the node with real media: what is promised of a recording that met a fault is held.

The rows that were picked run beside one another from the first test on, in an operator's namespace of their own;
each test waits for its row's outcome.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.fault_rows import NOBODY, OWN_RTC, OWN_RTC_APP, PEOPLE, ROWS
from support.faults import SMALL, Fault, Outcome, Place, running
from support.own_rtc import own_rtc
from support.publishers import publishing, user
from support.releases import scratch_release

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SECONDS = 1800
SHOWN = (user("user1", hue=0, tone=440),)
MOVED = (*SHOWN, user("user2", hue=220, tone=880))
"""One of them goes away; a channel that all have left is closed."""
RELEASE = {
    "operator": {"settings": {"pollSeconds": 1}},
    "recorder": SMALL,
    "gateway": {"enabled": True, "service": {"type": "ClusterIP", "nodePort": None}},
}


def places(stack: ExitStack, wanted: set[str], *, folder: Path) -> dict[str, Place]:
    """Set up an operator of its own, and the channels that the picked rows need."""
    channels = {"": ("faults", SHOWN), PEOPLE: ("faults-people", MOVED)}
    there = {
        name: stack.enter_context(publishing(channel, people, duration_seconds=SECONDS))
        for name, (channel, people) in channels.items()
        if name in wanted
    }
    rtc = stack.enter_context(own_rtc("faults", SHOWN, seconds=SECONDS)) if OWN_RTC in wanted else None
    sources = {"sources": {"apps": {OWN_RTC_APP: {"kind": "livekit", "url": rtc.url}}}} if rtc else {}
    tasks = stack.enter_context(scratch_release(values={**RELEASE, **sources}))
    found = {
        name: Place(
            tasks=tasks,
            channel=channels[name][0],
            people=channels[name][1],
            folder=folder,
            publishers=publishers,
        )
        for name, publishers in there.items()
    }
    found[NOBODY] = Place(tasks=tasks, channel="faults-nobody", people=(), folder=folder)
    if rtc:
        found[OWN_RTC] = Place(tasks=tasks, channel="faults", people=SHOWN, folder=folder, rtc=rtc)
    return found


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[dict[str, Future[Outcome]]]":
    """Every picked row's outcome, by its name; they run from here on, in the tests' order."""
    picked = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "fault" in item.fixturenames
    ]
    with ExitStack() as stack:
        wanted = {fault.place for fault in picked}
        there = places(stack, wanted, folder=tmp_path_factory.mktemp("faults"))
        yield stack.enter_context(running(picked, lambda fault: there[fault.place]))


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.name)
def test_a_row_holds(fault: Fault, outcomes: "dict[str, Future[Outcome]]") -> None:
    problems = outcomes[fault.name].result().problems()
    assert not problems, "\n".join(problems)
