"""The fault table, row by row, on the node with real media: what is promised of a recording that met a fault is held.

The rows that were picked run beside one another from the first test on, in an operator's namespace of their own;
each test waits for its row's outcome.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.fault_rows import NOBODY, OWN_RTC, OWN_RTC_APP, PEOPLE, ROWS
from support.faults import SMALL, Fault, Outcome, Place, PlaceOf, running
from support.own_rtc import own_rtc
from support.publishers import publishing, user
from support.releases import scratch_release

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SECONDS = 1800
SHOWN = (user("user1", hue=0, tone=440),)
MOVED = (*SHOWN, user("user2", hue=220, tone=880))
"""One of them goes away; a channel that all have left is closed."""
CHANNEL = "faults"
RELEASE = {
    "operator": {"settings": {"pollSeconds": 1}},
    "recorder": SMALL,
    "gateway": {"enabled": True, "service": {"type": "ClusterIP", "nodePort": None}},
}


def places(stack: ExitStack, wanted: set[str], *, folder: Path) -> PlaceOf:
    """Set up an operator of its own, and what the picked rows need; those that need it get people of their own."""
    people = (
        stack.enter_context(publishing(CHANNEL, SHOWN, duration_seconds=SECONDS)) if "" in wanted else None
    )
    rtc = stack.enter_context(own_rtc(CHANNEL, SHOWN, seconds=SECONDS)) if OWN_RTC in wanted else None
    sources = {"sources": {"apps": {OWN_RTC_APP: {"kind": "livekit", "url": rtc.url}}}} if rtc else {}
    tasks = stack.enter_context(scratch_release(values={**RELEASE, **sources}))
    there = {
        "": Place(tasks=tasks, channel=CHANNEL, people=SHOWN, folder=folder, publishers=people),
        NOBODY: Place(tasks=tasks, channel="faults-nobody", people=(), folder=folder),
        OWN_RTC: Place(tasks=tasks, channel=CHANNEL, people=SHOWN, folder=folder, rtc=rtc),
    }

    @contextmanager
    def place_of(fault: Fault) -> Iterator[Place]:
        if fault.place != PEOPLE:
            yield there[fault.place]
            return
        channel = f"faults-{fault.name.replace(' ', '-')}"
        with publishing(channel, MOVED, duration_seconds=SECONDS) as own:
            yield Place(tasks=tasks, channel=channel, people=MOVED, folder=folder, publishers=own)

    return place_of


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
        place_of = places(stack, wanted, folder=tmp_path_factory.mktemp("faults"))
        yield stack.enter_context(running(picked, place_of))


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.name)
def test_a_row_holds(fault: Fault, outcomes: "dict[str, Future[Outcome]]") -> None:
    problems = outcomes[fault.name].result().problems()
    assert not problems, "\n".join(problems)
