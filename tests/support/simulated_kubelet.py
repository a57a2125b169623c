"""What scheduler, kubelet and cluster do to a Pod, on a simulated API server; in the forms of a real Pod's status."""

from datetime import datetime
from typing import Any

from egress_api.results import TerminationSummary
from egress_operator.pod_state import parse_time
from support.simulated_api import SimulatedApi

STOP = "egress-operator.dev/stop"


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, value: str, now: datetime, **more: str) -> dict[str, str]:
    return {"type": kind, "status": value, "lastTransitionTime": stamp(now), **more}


class SimulatedKubelet:
    """One for all nodes."""

    def __init__(self, api: SimulatedApi) -> None:
        self._api = api

    def _set(self, name: str, kind: str, value: str, **more: str) -> list[dict[str, str]]:
        before = self._api.pods[name]["status"].get("conditions") or []
        kept = [c for c in before if c["type"] != kind]
        return [*kept, condition(kind, value, self._api.clock(), **more)]

    def unschedulable(self, name: str) -> None:
        why = {"reason": "Unschedulable", "message": "0/3 nodes are available"}
        self._api.change_pod(name, conditions=self._set(name, "PodScheduled", "False", **why))

    def bind(self, name: str) -> None:
        self._api.change_pod(name, node="node-1", conditions=self._set(name, "PodScheduled", "True"))

    def waits(self, name: str, reason: str) -> None:
        self._api.change_pod(name, containerStatuses=_recorder(waiting={"reason": reason}))

    def runs(self, name: str, *, ready: bool) -> None:
        self._api.change_pod(
            name,
            phase="Running",
            podIP="10.0.0.9",
            conditions=self._set(name, "Ready", str(ready)),
            containerStatuses=_recorder(running={}),
        )

    def ends(
        self,
        name: str,
        words: TerminationSummary | str = "",
        *,
        code: int = 0,
        why: str = "",
        reason: str = "",
    ) -> None:
        text = words if isinstance(words, str) else words.to_message()
        end = {"exitCode": code, "reason": why or ("Error" if code else "Completed"), "message": text}
        self._api.change_pod(
            name,
            phase="Failed" if code or reason else "Succeeded",
            reason=reason,
            conditions=self._set(name, "Ready", "False"),
            containerStatuses=_recorder(terminated=end),
        )
        self.lets_go(name)

    def lets_go(self, name: str) -> None:
        """What a kubelet does last with a deleted Pod that has ended."""
        pod = self._api.pods.get(name)
        if pod is not None and deleting(pod) and finished(pod):
            self._api.delete_pod(name, grace=0)

    def refuses(self, name: str, reason: str) -> None:
        self._api.change_pod(name, phase="Failed", reason=reason, message=f"{reason} here")
        self.lets_go(name)

    def disrupts(self, name: str, reason: str) -> None:
        self._api.change_pod(name, conditions=self._set(name, "DisruptionTarget", "True", reason=reason))
        self._api.delete_pod(name)


def finished(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") in {"Succeeded", "Failed"}


def deleting(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def overdue(pod: dict[str, Any], now: datetime) -> bool:
    """Tell whether a kubelet would kill it now: its grace period is over."""
    until = parse_time(pod["metadata"].get("deletionTimestamp"))
    return until is not None and now >= until


def told_to_stop(pod: dict[str, Any]) -> bool:
    return bool(pod["metadata"]["annotations"].get(STOP) == "true")


def bound(pod: dict[str, Any]) -> bool:
    return bool(pod["spec"].get("nodeName"))


def ready(pod: dict[str, Any]) -> bool:
    return any((c["type"], c["status"]) == ("Ready", "True") for c in pod["status"].get("conditions") or [])


def _recorder(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "recorder", "state": state}]
