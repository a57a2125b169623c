"""Where a recorder runs: the region and zone of a node that a task asks for, and what one is told that none has."""

from collections.abc import Iterator

import pytest

from egress_cluster.kindconfig import SPARE
from egress_operator.placement import REGION_LABEL, ZONE_LABEL
from support import breaking
from support.e2e import until
from support.faults import SMALL
from support.releases import scratch_release, small_task

REGION, ZONE = "e2e-region", "e2e-zone"
ON_SPARES = [{"key": SPARE, "operator": "Exists", "effect": "NoSchedule"}]


@pytest.fixture
def labelled() -> Iterator[str]:
    """The spare node, with a region and a zone of its own; behind it the labels are as they were."""
    spares = breaking.cluster().spares()
    assert spares, "the cluster has no spare node: run `make down` and `make deploy`"
    node = spares[0]
    breaking.ALL.run("wait", "--for=condition=Ready", f"node/{node}", "--timeout=60s", timeout_seconds=70)
    before = breaking.ALL.get("node", node)["metadata"]["labels"]
    back = [
        f"{label}={before[label]}" if label in before else f"{label}-" for label in (REGION_LABEL, ZONE_LABEL)
    ]
    try:
        breaking.ALL.run(
            "label", "node", node, "--overwrite", f"{REGION_LABEL}={REGION}", f"{ZONE_LABEL}={ZONE}"
        )
        yield node
    finally:
        breaking.ALL.run("label", "node", node, "--overwrite", *back)


def test_a_recorder_runs_where_the_task_asks_for_and_nowhere_else(labelled: str) -> None:
    with scratch_release(values={"recorder": {**SMALL, "tolerations": ON_SPARES}}) as tasks:
        here = small_task(placement={"region": REGION, "zone": ZONE})
        nowhere = small_task(
            placement={"region": REGION, "zone": "no-such-zone"}, limits={"enqueueTimeoutSeconds": 30}
        )
        tasks.kubectl.apply(*here, *nowhere)
        name, waiting = (objects[-1]["metadata"]["name"] for objects in (here, nowhere))

        status = tasks.until_state(name, "PROCESSING")["status"]
        assert status["nodeName"] == labelled
        (pod,) = tasks.pods(name)
        assert pod["spec"]["nodeName"] == labelled

        def unschedulable() -> str | None:
            found = tasks.get(waiting).get("status", {})
            return found["message"] if found.get("reason") == "Unschedulable" else None

        assert "node" in until("the scheduler's word", unschedulable, seconds=20)
        ended = tasks.until_state(waiting, "TIMEOUT")["status"]
        assert (ended["reason"], ended["attempt"]) == ("Unschedulable", 1)
