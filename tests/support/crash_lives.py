"""Whole lives of tasks, played on a simulated API server: what users, scheduler and kubelet do, each when its time has come.

In: a world after the operator has come to rest. Out: True where somebody has acted, so that the operator goes on. However
often a call fails and wherever the operator dies, the same end must come of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from egress_api.states import Reason
from support.simulated_kubelet import SimulatedKubelet, bound, deleting, finished, ready, told_to_stop
from support.simulated_operator import SimulatedOperator
from support.summaries import failed, summary

Act = Callable[[SimulatedOperator, SimulatedKubelet, str, dict[str, Any]], bool]


@dataclass(frozen=True)
class Life:
    """A task's life: what comes of it, and what is done to its Pods on the way."""

    name: str
    end: tuple[str, str] | None
    act: Act
    spec: dict[str, Any] = field(default_factory=dict)


def _begins(kubelet: SimulatedKubelet, name: str, pod: dict[str, Any]) -> bool:
    if bound(pod):
        return False
    kubelet.bind(name)
    kubelet.runs(name, ready=True)
    return True


def _stopped(world: SimulatedOperator, kubelet: SimulatedKubelet, name: str, pod: dict[str, Any]) -> bool:
    if _begins(kubelet, name, pod):
        return True
    if world.status["state"] == "PROCESSING" and not (world.task or {})["spec"].get("stop"):
        world.api.change_spec(world.key.name, stop=True)
        return True
    if told_to_stop(pod):
        kubelet.ends(name, summary())
        return True
    return False


def _retried(world: SimulatedOperator, kubelet: SimulatedKubelet, name: str, pod: dict[str, Any]) -> bool:
    if not bound(pod) and name.endswith("-1"):
        kubelet.bind(name)
        kubelet.ends(name, failed(Reason.SOURCE_UNREACHABLE, retryable=True), code=1)
        return True
    if _begins(kubelet, name, pod):
        return True
    if world.status["state"] == "PROCESSING":
        kubelet.ends(name, summary(reason=Reason.SOURCE_CLOSED, attempt=2))
        return True
    return False


def _closed(world: SimulatedOperator, kubelet: SimulatedKubelet, name: str, pod: dict[str, Any]) -> bool:
    if name.endswith("-2"):
        kubelet.bind(name)
        kubelet.ends(name, summary(attempt=2))
        return True
    if _begins(kubelet, name, pod):
        return True
    if world.status["state"] == "PROCESSING":
        kubelet.ends(name, code=137, why="OOMKilled")
        return True
    return False


def _deleted(world: SimulatedOperator, kubelet: SimulatedKubelet, name: str, pod: dict[str, Any]) -> bool:
    if _begins(kubelet, name, pod):
        return True
    if world.status.get("state") == "PROCESSING" and ready(pod):
        world.api.delete_task(world.key.name)
        return True
    if deleting(pod):
        kubelet.ends(name, summary())
        return True
    return False


LIVES = [
    Life("recorded and stopped", ("STOPPED", "StopRequested"), _stopped),
    Life("failed, tried again, ended by itself", ("STOPPED", "SourceClosed"), _retried),
    Life(
        "out of memory, its playlist closed by another", ("FAILED", "OOMKilled"), _closed, {"retryLimit": 0}
    ),
    Life("deleted while it records", None, _deleted),
]


def live_through(life: Life, world: SimulatedOperator) -> None:
    """Play a life to its end."""
    kubelet = SimulatedKubelet(world.api)
    world.api.create_task(world.key.name, **life.spec)
    for _ in range(80):
        world.settle()
        moved = [_moves(life, world, kubelet, name) for name in list(world.api.pods)]
        if any(moved):
            continue
        if world.due is None:
            return
        world.now = max(world.now, world.due)
    raise AssertionError(f"no end of it: {world.status}")


def _moves(life: Life, world: SimulatedOperator, kubelet: SimulatedKubelet, name: str) -> bool:
    pod = world.api.pods[name]
    if not finished(pod):
        return life.act(world, kubelet, name, pod)
    kubelet.lets_go(name)
    return name not in world.api.pods


def outcome(world: SimulatedOperator) -> dict[str, Any]:
    """Return what is left in the API server, without times."""
    status = world.status
    return {
        "state": (status.get("state"), status.get("reason"), status.get("message")),
        "attempt": status.get("attempt"),
        "files": status.get("files"),
        "conditions": [(c["type"], c["status"], c["reason"]) for c in status.get("conditions") or []],
        "other": sorted(status),
        "pods": sorted(world.api.pods),
    }
