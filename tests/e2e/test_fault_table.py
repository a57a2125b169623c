"""The fault table, row by row, on the node with real media: what is promised of a recording that met a fault is held.

The rows that were picked run beside one another from the first test on, in an operator's namespace of their own;
each test waits for its row's outcome.
"""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from support.fault_rows import ROWS
from support.faults import Fault, Outcome, Place, running
from support.publishers import Publishers, publishing, user
from support.releases import scratch_release

pytestmark = pytest.mark.timeout(900)

CHANNEL = "faults"
PEOPLE = (user("user1", hue=0, tone=440),)


@pytest.fixture(scope="module")
def shown() -> Iterator[Publishers]:
    """One person who publishes in `CHANNEL` all the time."""
    with publishing(CHANNEL, PEOPLE, duration_seconds=1800) as people:
        yield people


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, shown: Publishers, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[dict[str, Future[Outcome]]]":
    """Every picked row's outcome, by its name; they run from here on, in the tests' order."""
    picked = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "fault" in item.fixturenames
    ]
    folder = tmp_path_factory.mktemp("faults")
    with scratch_release(values={"operator": {"settings": {"pollSeconds": 1}}}) as tasks:
        place = Place(tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=folder)
        with running(picked, lambda fault: place) as futures:
            yield futures


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.name)
def test_a_row_holds(fault: Fault, outcomes: "dict[str, Future[Outcome]]") -> None:
    assert outcomes[fault.name].result().problems() == []
