"""Nodes that are drained, lose power, or vanish and come back, and the recordings that were on them.

The cluster's spare node is really taken away and really brought back; nothing else runs there.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from egress_cluster.kindconfig import SPARE
from support import breaking
from support.e2e import until
from support.fault_rows import NODES
from support.faults import SMALL, Fault, Place, run_fault
from support.kubectl import Kubectl
from support.publishers import publishing, user
from support.releases import scratch_release

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

CHANNEL = "faults-nodes"
PEOPLE = (user("user1", hue=0, tone=440),)
RECORDS_AGAIN_SECONDS = 15.0
"""From the instant the cluster knows of the loss."""
WHOLE_SECOND = 1.0
"""Conditions tell no more."""
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
ALL = Kubectl(namespace="default")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An operator that prefers the spare node for its recorders."""
    values = {"operator": {"settings": {"pollSeconds": 1}}, "recorder": {**SMALL, **PREFERRED}}
    with publishing(CHANNEL, PEOPLE, duration_seconds=1200), scratch_release(values=values) as tasks:
        yield Place(tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=tmp_path_factory.mktemp("nodes"))


@pytest.fixture
def spare() -> Iterator[str]:
    """The spare node, Ready before and after."""
    spares = breaking.cluster().spares()
    if not spares:
        pytest.fail("the cluster has no spare node: run `make down` and `make deploy`", pytrace=False)
    until("the spare node is Ready", lambda: ready(spares[0])["status"] == "True", seconds=60)
    try:
        yield spares[0]
    finally:
        breaking.cluster().start(spares[0])
        ALL.run("uncordon", spares[0])
        until("the spare node is Ready again", lambda: ready(spares[0])["status"] == "True", seconds=60)
        assert breaking.cluster().healthy(), "the next `make deploy` would make the cluster anew"


def ready(node: str) -> dict[str, Any]:
    conditions = ALL.get("node", node)["status"]["conditions"]
    return next(condition for condition in conditions if condition["type"] == "Ready")


@pytest.mark.parametrize("fault", NODES, ids=lambda fault: fault.name)
def test_a_recording_survives_its_node(place: Place, spare: str, fault: Fault) -> None:
    outcome = run_fault(fault, place)

    problems = outcome.problems()
    assert not problems, "\n".join(problems)
    assert outcome.recording is not None
    (second,) = (entry for entry in outcome.recording.playlist.entries if entry.discontinuity)
    assert second.at is not None
    assert second.at.timestamp() - outcome.known_since < RECORDS_AGAIN_SECONDS + WHOLE_SECOND
