"""The fault table's rows on what lies outside of a recorder's Pod: its store, and its node.

The two groups run beside one another from the first test on: most of their time is waiting, for a store that is away
and for a cluster that has to notice. The cluster's spare node is really taken away and really brought back; nothing else
runs there.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from egress_cluster.kindconfig import SPARE
from support import breaking, store_faults
from support.e2e import until
from support.fault_rows import NODES
from support.faults import SMALL, Fault, Outcome, Place, run_fault, running
from support.kubectl import Kubectl
from support.publishers import publishing, user
from support.releases import scratch_release
from support.store_fault_rows import FULL, KEYS, SMALL_SPOOL, STORE, Rules, StorePlace
from support.store_fault_rows import ROWS as STORE_ROWS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

CHANNEL = "faults-outside"
PEOPLE = (user("user1", hue=0, tone=440),)
AT_ONCE = 2
"""Beside one of those whose spool is small, and one whose node goes."""
RECORDS_AGAIN_SECONDS = 30.0
"""From the instant the cluster knows of the loss, on a machine with other work; the bench holds the aim of half of it."""
SHORT_GRACE = {"graceSeconds": 20}
"""Stores are away for longer than it."""
PREFERRED = {
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "preference": {"matchExpressions": [{"key": SPARE, "operator": "Exists"}]},
                }
            ]
        }
    },
    "tolerations": [{"key": SPARE, "operator": "Exists", "effect": "NoSchedule"}],
}
"""On the spare node while it is there, on the other one when it is not."""
POLL = {"operator": {"settings": {"pollSeconds": 1}}}
Outcomes = dict[str, "Future[Outcome]"]


def store_place(stack: ExitStack, name: str, *, folder: Path, recorder: dict[str, Any]) -> StorePlace:
    """Set up an operator whose store is behind a proxy of its own."""
    namespace = f"{store_faults.demo.NAMESPACE}-{name}"
    kubectl = Kubectl(namespace=namespace)
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    stack.callback(kubectl.run, "delete", "namespace", namespace, "--wait=false")
    proxy = stack.enter_context(store_faults.in_cluster(namespace=namespace))
    values = {
        **POLL,
        "store": {"options": {"endpoint": proxy.endpoint}},
        "recorder": SMALL | SHORT_GRACE | recorder,
    }
    tasks = stack.enter_context(scratch_release(values=values))
    return StorePlace(
        tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=folder / name, rules=Rules(proxy=proxy)
    )


def node_place(stack: ExitStack, *, folder: Path) -> Place:
    """Set up an operator that prefers the spare node for its recorders."""
    tasks = stack.enter_context(scratch_release(values={**POLL, "recorder": {**SMALL, **PREFERRED}}))
    return Place(tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=folder / "nodes")


@contextmanager
def on_the_spare_node(place: Place) -> Iterator[Place]:
    """Have the spare node Ready before and after."""
    spares = breaking.cluster().spares()
    assert spares, "the cluster has no spare node: run `make down` and `make deploy`"
    until("the spare node is Ready", lambda: is_ready(spares[0]), seconds=60)
    try:
        yield place
    finally:
        breaking.cluster().start(spares[0])
        breaking.ALL.run("uncordon", spares[0])
        until("the spare node is Ready again", lambda: is_ready(spares[0]), seconds=60)
        assert breaking.cluster().healthy(), "the next `make deploy` would make the cluster anew"


def is_ready(node: str) -> bool:
    return bool(breaking.readiness(node)["status"] == "True")


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """Every picked row's outcome, by its name; those with the small spool are alone, one by one."""
    picked = {
        item.callspec.params["fault"].name
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "fault" in item.fixturenames
    }
    folder = tmp_path_factory.mktemp("faults-outside")
    store, full, keys, nodes = (
        [fault for fault in group if fault.name in picked] for group in (STORE, FULL, KEYS, NODES)
    )
    found: Outcomes = {}
    with ExitStack() as stack, ThreadPoolExecutor(3) as setting_up:
        stack.enter_context(publishing(CHANNEL, PEOPLE, duration_seconds=1800))
        large = (
            setting_up.submit(store_place, stack, "faults-large", folder=folder, recorder={})
            if store
            else None
        )
        small = (
            setting_up.submit(store_place, stack, "faults-small", folder=folder, recorder=SMALL_SPOOL)
            if full or keys
            else None
        )
        spare = setting_up.submit(node_place, stack, folder=folder) if nodes else None
        if large:
            there = large.result()
            found |= stack.enter_context(running(store, lambda _: nullcontext(there), at_once=AT_ONCE))
        if spare:
            place = spare.result()
            found |= stack.enter_context(running(nodes, lambda _: on_the_spare_node(place), at_once=1))
        if small:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            found |= {fault.name: pool.submit(run_fault, fault, small.result()) for fault in [*full, *keys]}
        yield found


@pytest.mark.parametrize("fault", STORE_ROWS, ids=lambda fault: fault.name)
def test_a_row_of_the_store_holds(fault: Fault, outcomes: Outcomes) -> None:
    problems = outcomes[fault.name].result().problems()
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("fault", NODES, ids=lambda fault: fault.name)
def test_a_recording_survives_its_node(fault: Fault, outcomes: Outcomes) -> None:
    outcome = outcomes[fault.name].result()
    problems = outcome.problems()
    assert not problems, "\n".join(problems)
    assert outcome.recording is not None
    second = next(entry for entry in outcome.recording.playlist.entries if entry.discontinuity)
    assert second.at is not None
    assert second.at.timestamp() - outcome.known_since < RECORDS_AGAIN_SECONDS
