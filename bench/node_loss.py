"""What the loss of a node costs: its power goes, with recordings on it, and they go on elsewhere.

In: a cluster with a spare node, as `make deploy` makes one. Out: `Loss`es, and the node is back. The time until the
cluster knows is the cluster's own (node-monitor-grace-period), so it is told apart from what comes after.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.losses import CHANNEL, PEOPLE, Loss, Way, ended, goes_on
from egress_cluster.kindconfig import SPARE
from support import breaking
from support.e2e import until
from support.faults import Fault, Place, Run, begin
from support.publishers import publishing
from support.releases import scratch_release

RECORDINGS = 3
"""On the node, when it goes."""
KNOWN_SECONDS = 90
BACK_SECONDS = 120
WAY = Way(
    name="node lost (its power goes)",
    again="from its loss being known, new Pod records",
    make=lambda _: 0.0,
    new_pod=True,
)
VALUES: dict[str, Any] = {
    "recorder": {
        "tolerations": [{"key": SPARE, "operator": "Exists"}],
        # not a nodeSelector: the next attempt has to go elsewhere
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
    }
}


def measure(*, rounds: int, say: Callable[[str], None]) -> list[Loss]:
    """Take the spare node away so many times."""
    spares = breaking.cluster().spares()
    if not spares:
        raise BenchError("the cluster has no spare node to lose: make it anew (`make down deploy`)")
    with (
        tempfile.TemporaryDirectory(prefix="egress-bench-") as folder,
        publishing(CHANNEL, PEOPLE, duration_seconds=3600),
        scratch_release(values=VALUES) as tasks,
        ThreadPoolExecutor(RECORDINGS) as pool,
    ):
        place = Place(tasks=tasks, channel=CHANNEL, people=PEOPLE, folder=Path(folder))
        found: list[Loss] = []
        for _ in range(rounds):
            runs = list(pool.map(lambda _: started(place), range(RECORDINGS)))
            known = lose(runs, spares[0])
            found += pool.map(partial(ended, broken=known, way=WAY), runs)
            say(
                f"{WAY.name}: lost {', '.join(f'{loss.seconds:.2f}' for loss in found)} s, new Pods record"
                f" {', '.join(f'{loss.again:.2f}' for loss in found)} s after the loss was known"
            )
        return found


def started(place: Place) -> Run:
    """Have a recording that runs."""
    run = begin(Fault(name=WAY.name, says="", make=lambda _: None), place)
    run.until_state("PROCESSING", seconds=60)
    goes_on(run)
    return run


def lose(runs: list[Run], node: str) -> float:
    """Take the node away until every recording goes on, and bring it back; return when its loss was known."""
    for run in runs:
        if (there := run.pod()["spec"]["nodeName"]) != node:
            raise BenchError(f"{run.task} records on {there}, not on {node}")
    breaking.cluster().cut_power(node)
    try:
        known = until("the cluster knows", lambda: unknown_since(node), seconds=KNOWN_SECONDS)
        for run in runs:
            run.until("a second attempt", lambda status: status["attempt"] > 1, seconds=60)
            goes_on(run)
    finally:
        breaking.cluster().start(node)
        until(f"{node} is back", lambda: not unknown_since(node), seconds=BACK_SECONDS)
    return known


def unknown_since(node: str) -> float:
    """Return since when (Unix seconds) the node is not Ready; 0 where it is."""
    ready = breaking.readiness(node)
    if ready["status"] == "True":
        return 0.0
    return datetime.fromisoformat(ready["lastTransitionTime"]).timestamp()
