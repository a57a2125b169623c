"""The fault table's rows on the store: the capture never notices, the status tells, and at the end all is verified."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from support import store_faults
from support.faults import SMALL, Fault, Outcome, run_fault, running
from support.publishers import publishing, user
from support.releases import scratch_release
from support.store_fault_rows import FULL, KEYS, ROWS, SMALL_SPOOL, STORE, Rules, StorePlace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

CHANNEL = "store-faults"
PEOPLE = (user("user1", hue=0, tone=440),)
AT_ONCE = 3
"""Beside the one of the other group."""


def place(stack: ExitStack, name: str, *, folder: Path, recorder: dict[str, Any]) -> StorePlace:
    """Set up an operator whose store is behind a proxy of its own."""
    namespace = f"{store_faults.demo.NAMESPACE}-{name}"
    kubectl = store_faults.Kubectl(namespace=namespace)
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    stack.callback(kubectl.run, "delete", "namespace", namespace, "--wait=false")
    proxy = stack.enter_context(store_faults.in_cluster(namespace=namespace))
    tasks = stack.enter_context(
        scratch_release(
            values={
                "store": {"options": {"endpoint": proxy.endpoint}},
                "operator": {"settings": {"pollSeconds": 1}},
                "recorder": SMALL | recorder,
            }
        )
    )
    return StorePlace(
        tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=folder / name, rules=Rules(proxy=proxy)
    )


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[dict[str, Future[Outcome]]]":
    """Every picked row's outcome, by its name: two groups beside one another; the small spool's are alone, one by one."""
    picked = {
        item.callspec.params["fault"].name
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "fault" in item.fixturenames
    }
    folder = tmp_path_factory.mktemp("store-faults")
    first, then, last = ([fault for fault in group if fault.name in picked] for group in (STORE, FULL, KEYS))
    with ExitStack() as stack, ThreadPoolExecutor(2) as setting_up:
        stack.enter_context(publishing(CHANNEL, PEOPLE, duration_seconds=1800))
        large = setting_up.submit(place, stack, "faults-large", folder=folder, recorder={})
        small = setting_up.submit(place, stack, "faults-small", folder=folder, recorder=SMALL_SPOOL)
        places = {False: large.result(), True: small.result()}
        futures = stack.enter_context(running(first, lambda _: nullcontext(places[False]), at_once=AT_ONCE))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        others = {fault.name: pool.submit(run_fault, fault, places[True]) for fault in [*then, *last]}
        yield {**futures, **others}


@pytest.mark.parametrize("fault", ROWS, ids=lambda fault: fault.name)
def test_a_store_row_holds(fault: Fault, outcomes: "dict[str, Future[Outcome]]") -> None:
    assert outcomes[fault.name].result().problems() == []
