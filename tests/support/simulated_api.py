"""An API server in memory, as much of one as the operator talks to: fast enough for thousands of lives.

In: the calls that `Cluster` makes. Out: what a kube-apiserver would answer, with resource versions, finalizers,
grace periods and preconditions. The same calls are made to a real one in tests/api; this one is for what needs many tries.
"""

import copy
import enum
import itertools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from egress_api.states import TERMINAL_STATES, State
from egress_operator.cluster import Cluster, _raise
from egress_operator.errors import UnavailableError

RANK = {State.ENQUEUED: 0, State.PROCESSING: 1, State.STOPPING: 2} | dict.fromkeys(TERMINAL_STATES, 3)
NAMESPACE = "media"


class Fault(enum.StrEnum):
    """What can go wrong with one call."""

    RESET = "the connection is reset before the call arrives"
    LOST = "the call is carried out and its answer is lost"
    CONFLICT = "409 Conflict"
    GONE = "410 Gone"
    BUSY = "429 Too Many Requests"
    BROKEN = "500"
    DIES = "the operator dies before the call"
    DIES_AFTER = "the operator dies after the call"


_ANSWERS = {Fault.CONFLICT: (409, "Conflict"), Fault.GONE: (410, "Gone"),
            Fault.BUSY: (429, "TooManyRequests"), Fault.BROKEN: (500, "InternalError")}  # fmt: skip


class OperatorDied(BaseException):
    """The process is gone: nobody catches this."""


class SimulatedApi:
    """The objects, and what the API server does with them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.tasks: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.made_at: dict[str, datetime] = {}
        self.refuses_pods: tuple[int, str] | None = None
        self.changes = 0
        self.rings = 0
        """Changes of which a watch tells what the operator's doorbells let in."""
        self.status_writes_of_pass = 0
        self._uids = itertools.count(1)

    # For those who play users, scheduler and kubelet.

    def create_task(self, name: str, **spec: Any) -> None:
        meta = self._new(name) | {"generation": 1}
        base = {"appId": "demo", "layout": "flat", "channel": "room", "accessTokenSecretRef": {"name": "t"}}
        self.tasks[name] = {"metadata": meta, "spec": base | spec}

    def change_spec(self, name: str, **spec: Any) -> None:
        task = self.tasks.get(name)
        if task is not None and {**task["spec"], **spec} != task["spec"]:
            task["spec"].update(spec)
            task["metadata"]["generation"] += 1
            self._touch(task)

    def change_pod(self, name: str, *, node: str | None = None, **status: Any) -> None:
        pod = self.pods[name]
        if node is not None:
            pod["spec"]["nodeName"] = node
        pod["status"].update(status)
        self._touch(pod)

    def delete_pod(self, name: str, *, grace: int | None = None, force: bool = False) -> None:
        pod = self.pods.get(name)
        if pod is None:
            return
        meta = pod["metadata"]
        if force:
            del self.pods[name]
            self._tell()
            return
        ended = pod["status"].get("phase") in {"Succeeded", "Failed"}
        grace = 120 if grace is None else grace
        grace = 0 if not pod["spec"].get("nodeName") or ended else grace
        before = meta.get("deletionGracePeriodSeconds")
        if before is None or grace < before:
            meta["deletionGracePeriodSeconds"] = grace
            meta["deletionTimestamp"] = _stamp(self.clock() + timedelta(seconds=grace))
            self._touch(pod)
        self._collect(name)

    def delete_task(self, name: str) -> None:
        if self.tasks.pop(name, None) is not None:
            self._tell()

    # The API.

    def answer(  # noqa: PLR0911 - one for each kind of call
        self, method: str, path: str, body: Any, query: Mapping[str, str | int], content_type: str
    ) -> tuple[int, dict[str, Any]]:
        """Return an HTTP status and an answer."""
        parts = path.split("/")
        kind = parts[parts.index(NAMESPACE) + 1]
        name, *sub = parts[parts.index(NAMESPACE) + 2 :] or [""]
        if kind == "events":
            if method == "POST":
                self.events.append(body)
            return 201, {"items": []}
        objects = self.tasks if kind == "egresstasks" else self.pods
        if method == "POST":
            return self._create(body)
        if not name and method == "DELETE":
            for fits in [n for n, o in self.pods.items() if _fits(o, query)]:
                self.delete_pod(fits)
            return 200, {}
        if not name:
            return 200, {"items": [copy.deepcopy(o) for o in objects.values() if _fits(o, query)]}
        found = objects.get(name)
        if found is None:
            return 404, {"reason": "NotFound", "message": f'"{name}" not found'}
        match method:
            case "GET":
                return 200, copy.deepcopy(found)
            case "DELETE":
                return self._delete(objects, name, body)
        return (self._write_status if sub else self._change_pod)(found, body)

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = body["metadata"]["name"]
        if name in self.pods:
            return 409, {"reason": "AlreadyExists", "message": f'pods "{name}" already exists'}
        if self.refuses_pods is not None:
            status, message = self.refuses_pods
            return status, {"reason": "Forbidden" if status == 403 else "InternalError", "message": message}
        assert name not in self.made_at, f"{name} was made twice"
        self.made_at[name] = self.clock()
        pod = copy.deepcopy(body)
        pod["metadata"] |= self._new(name)
        pod["status"] = {"phase": "Pending"}
        self.pods[name] = pod
        return 201, copy.deepcopy(pod)

    def _delete(
        self, objects: dict[str, dict[str, Any]], name: str, options: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        meta, wanted = objects[name]["metadata"], options.get("preconditions") or {}
        if any(meta[key] != value for key, value in wanted.items()):
            return 409, {"reason": "Conflict", "message": "Precondition failed"}
        if objects is self.tasks:
            self.delete_task(name)
        else:
            self.delete_pod(name, grace=options.get("gracePeriodSeconds"))
        return 200, {}

    def _write_status(self, task: dict[str, Any], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if body["metadata"]["resourceVersion"] != task["metadata"]["resourceVersion"]:
            return 409, {"reason": "Conflict", "message": "the object has been modified"}
        old = task.get("status") or {}
        new = {key: value for key, value in {**old, **body["status"]}.items() if value is not None}
        self.status_writes_of_pass += 1
        assert self.status_writes_of_pass == 1, "one look writes one status"
        before, after = State(old.get("state", State.ENQUEUED)), State(new["state"])
        assert not before.terminal, f"an end is not changed: {body['status']}"
        assert RANK[after] >= RANK[before], f"{before} to {after}"
        task["status"] = new
        meta = task["metadata"]
        self._touch(task, ring=new.get("observedGeneration") != meta["generation"] and not after.terminal)
        return 200, copy.deepcopy(task)

    def _change_pod(self, pod: dict[str, Any], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        meta, wanted = pod["metadata"], body["metadata"]
        if any(wanted.get(key, meta[key]) != meta[key] for key in ("uid", "resourceVersion")):
            return 409, {"reason": "Conflict", "message": "Precondition failed"}
        for key in ("annotations", "labels"):
            meta[key].update(wanted.get(key, {}))
        meta["finalizers"] = wanted.get("finalizers", meta["finalizers"])
        self._touch(pod)
        self._collect(meta["name"])
        return 200, copy.deepcopy(pod)

    def _collect(self, name: str) -> None:
        meta = self.pods[name]["metadata"]
        if meta.get("deletionGracePeriodSeconds") == 0 and not meta.get("finalizers"):
            del self.pods[name]
            self._tell()

    def _tell(self) -> None:
        self.changes += 1
        self.rings += 1

    def _new(self, name: str) -> dict[str, Any]:
        self._tell()
        return {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{next(self._uids)}",
            "resourceVersion": str(self.changes),
            "creationTimestamp": _stamp(self.clock()),
        }

    def _touch(self, resource: dict[str, Any], *, ring: bool = True) -> None:
        self.changes += 1
        self.rings += ring
        resource["metadata"]["resourceVersion"] = str(self.changes)


class SimulatedCluster(Cluster):
    """The operator's connection to it; one call can be told to fail."""

    def __init__(self, api: SimulatedApi) -> None:
        self._api = api
        self.calls: list[str] = []
        self.fault: tuple[int, Fault] | None = None
        """The number of the call (from 0) and what befalls it."""
        self.every = 0
        """After how many more calls it befalls another one; 0 is never."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        number = len(self.calls)
        self.calls.append(f"{method} {path}")
        fault = self._fault(number)
        match fault:
            case Fault.DIES:
                raise OperatorDied
            case Fault.RESET:
                raise UnavailableError("connection reset")
            case Fault.CONFLICT | Fault.GONE | Fault.BUSY | Fault.BROKEN:
                status, reason = _ANSWERS[fault]
                _raise(method, status, {"reason": reason, "message": "injected"})
        status, answer = self._api.answer(method, path, body, query or {}, content_type)
        match fault:
            case Fault.DIES_AFTER:
                raise OperatorDied
            case Fault.LOST:
                raise UnavailableError("no answer in time")
        if status >= 400:
            _raise(method, status, answer)
        return answer

    def _fault(self, number: int) -> Fault | None:
        if self.fault is None or number < self.fault[0]:
            return None
        due = number == self.fault[0] or (self.every and (number - self.fault[0]) % self.every == 0)
        return self.fault[1] if due else None


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fits(resource: dict[str, Any], query: Mapping[str, str | int]) -> bool:
    labels = resource["metadata"].get("labels") or {}
    wanted = [term.split("=") for term in str(query.get("labelSelector") or "").split(",") if term]
    return all(labels.get(key) == value for key, value in wanted)
