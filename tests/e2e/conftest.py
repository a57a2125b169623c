"""A real cluster with the chart of this checkout, two people in a channel, and nothing faked.

`make e2e` deploys first; here it is only looked at, so that a test run never builds for minutes in silence.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import e2e
from support.e2e import Gateway, Tasks
from support.publishers import Publishers, publishing, recorder_token, two_users

GATEWAY = "http://127.0.0.1:8091"
CHANNEL = "egress_test"
NICE = 10
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and give real media the time it takes."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session", autouse=True)
def _behind_the_node() -> None:
    """Let the node's programs go first: all its Pods weigh together as one process of this machine does.

    What is fetched, decoded and looked at here would take the cores from the recordings that are still being made.
    """
    os.nice(max(0, NICE - os.nice(0)))


@pytest.fixture(scope="session")
def gateway() -> Gateway:
    """The gateway at its published port."""
    found = Gateway(GATEWAY)
    try:
        assert found.call("GET", "/readyz").status == 200
    except OSError as problem:
        pytest.fail(f"no gateway answers at {GATEWAY} ({problem}): run `make deploy` first", pytrace=False)
    return found


@pytest.fixture(scope="session")
def tasks(gateway: Gateway) -> Tasks:
    """The tasks in the gateway's namespace."""
    return Tasks()


@pytest.fixture(scope="session")
def people(tasks: Tasks) -> Iterator[Publishers]:
    """Two people who publish in `CHANNEL` for as long as the tests run."""
    with publishing(CHANNEL, two_users(), duration_seconds=3600) as there:
        yield there


StartBody = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session", name="make_start_body")
def _make_start_body() -> StartBody:
    """Make a start call's body for `CHANNEL`, each with a token and an identity of its own."""

    def make(channel: str = CHANNEL, **payload: Any) -> dict[str, Any]:
        identity = f"recorder-{e2e.request_id()}"
        token = recorder_token(channel, identity=identity)
        return e2e.start_body(channel=channel, token=token, **payload)

    return make


@pytest.fixture
def start_body(make_start_body: StartBody) -> StartBody:
    """The same, under the name that reads best in a test."""
    return make_start_body


@pytest.fixture
def recording(
    gateway: Gateway, tasks: Tasks, people: Publishers, start_body: StartBody
) -> Iterator[Callable[..., str]]:
    """Start tasks that record; whatever still runs at the test's end is stopped."""
    started: list[str] = []

    def start(**payload: Any) -> str:
        answer = gateway.start(start_body(**payload))
        assert answer.status == 202, answer.body
        started.append(answer.body["task_id"])
        tasks.until_state(started[-1], "PROCESSING", seconds=60)
        return started[-1]

    yield start
    for task in started:
        gateway.stop(task)
