"""A namespace of a real API server with the operator in it, and us in the kubelet's and scheduler's place.

Everything that a node would do to a Pod (bind it, pull, start, report Ready, end, go) is done here by the
same API calls that a kubelet makes. No controller runs: nothing is garbage-collected.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from egress_api.names import pod_name
from egress_api.results import LiveReport, TerminationSummary
from egress_operator import app
from egress_operator.cluster import MERGE_PATCH, Cluster, pods_path, tasks_path
from egress_operator.errors import NotFoundError
from egress_operator.settings import Settings

DEADLINE_SECONDS = 20.0
SPEC: dict[str, Any] = {
    "appId": "demo",
    "layout": "flat",
    "channel": "room",
    "accessTokenSecretRef": {"name": "some-token"},
}


PAGE: dict[str, Any] = {
    "layout": "freestyle",
    "url": "http://page.example/",
    "channel": None,
    "accessTokenSecretRef": None,
}
"""What makes a page of it; None takes a field away."""


def settings_for(namespace: str, **changes: Any) -> Settings:
    base: dict[str, Any] = {
        "namespaces": [namespace],
        "store": {"url": "s3://recordings", "credentials_secret": "store"},
        "sources": {"default": {"kind": "livekit", "url": "ws://livekit:7880"}},
        "recorder": {"image": "egress-recorder:test"},
        "poll_seconds": 0.2,
        "metrics_port": 0,
    }
    return Settings(**{**base, **changes})


def stamp(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


class World:
    """One namespace, its tasks, its Pods, and what nodes do."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.recorder_port = 0
        self.live: LiveReport | None = None

    # What users do.

    async def create_task(self, name: str, **spec: Any) -> dict[str, Any]:
        body = {
            "apiVersion": "egress-operator.dev/v1alpha1",
            "kind": "EgressTask",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {name: value for name, value in {**SPEC, **spec}.items() if value is not None},
        }
        return await self.cluster.request("POST", tasks_path(self.namespace), body=body)

    async def stop_task(self, name: str) -> None:
        await self.patch_task(name, stop=True)

    async def patch_task(self, name: str, **spec: Any) -> None:
        path = tasks_path(self.namespace, name)
        await self.cluster.request("PATCH", path, body={"spec": spec}, content_type=MERGE_PATCH)

    async def delete_task(self, name: str) -> None:
        await self.cluster.request("DELETE", tasks_path(self.namespace, name))

    async def delete_pod(self, name: str, *, grace_seconds: int | None = None) -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        await self.cluster.request("DELETE", pods_path(self.namespace, name), body=body)

    # What can be seen.

    async def task(self, name: str) -> dict[str, Any]:
        found = await self.cluster.task(self.namespace, name)
        assert found is not None, f"no task {name}"
        return found

    async def status(self, name: str) -> dict[str, Any]:
        return dict((await self.task(name)).get("status") or {})

    async def pod(self, name: str) -> dict[str, Any] | None:
        try:
            return await self.cluster.request("GET", pods_path(self.namespace, name))
        except NotFoundError:
            return None

    async def pods(self) -> list[dict[str, Any]]:
        return [pod async for pod in self.cluster.listed(pods_path(self.namespace))]

    async def until(
        self,
        what: str,
        look: Callable[[], Awaitable[Any]],
        *,
        seconds: float = DEADLINE_SECONDS,
    ) -> Any:
        """Look again and again until `look` gives something true; fail with the last state of all tasks."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            found = await look()
            if found:
                return found
            if asyncio.get_running_loop().time() > deadline:
                tasks = [task.get("status") async for task in self.cluster.listed(tasks_path(self.namespace))]
                raise AssertionError(f"{what} did not happen in {seconds} s; tasks: {tasks}")
            await asyncio.sleep(0.05)

    async def until_state(self, name: str, state: str, *, reason: str | None = None) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            status = await self.status(name)
            fits = status.get("state") == state and reason in {None, status.get("reason")}
            return status if fits else None

        found: dict[str, Any] = await self.until(f"{name} in {state} {reason or ''}", look)
        return found

    async def until_pod(self, task: str, *, attempt: int = 1) -> dict[str, Any]:
        name = pod_name(task, attempt=attempt)
        found: dict[str, Any] = await self.until(f"Pod {name}", lambda: self.pod(name))
        return found

    async def until_pod_gone(self, name: str) -> None:
        async def look() -> bool:
            return await self.pod(name) is None

        await self.until(f"the end of Pod {name}", look)

    async def until_told(self, name: str, value: str, *, what: str = "pause") -> None:
        """Wait until the Pod's annotation says so: the kubelet would write it into the recorder's file."""

        async def look() -> bool:
            pod = await self.pod(name)
            return pod is not None and pod["metadata"]["annotations"][f"egress-operator.dev/{what}"] == value

        await self.until(f"{what}={value} on Pod {name}", look)

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return a task's Events, the oldest first."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        found = [event async for event in self.cluster.listed(path)]
        found = [event for event in found if event["regarding"]["name"] == name]
        return sorted(found, key=lambda event: event["eventTime"])

    async def all_events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the Events of all tasks."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        async for event in self.cluster.listed(path):
            yield event

    async def until_deleting(self, name: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            pod = await self.pod(name)
            return pod if pod is not None and pod["metadata"].get("deletionTimestamp") else None

        found: dict[str, Any] = await self.until(f"the deletion of Pod {name}", look)
        return found

    # What the scheduler and a kubelet do.

    async def bind(self, name: str, *, node: str = "node-1") -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self.cluster.request("POST", f"{pods_path(self.namespace, name)}/binding", body=body)

    async def pod_status(self, name: str, **status: Any) -> None:
        path = f"{pods_path(self.namespace, name)}/status"
        await self.cluster.request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)

    async def waiting(
        self, name: str, *, reason: str, message: str = "", since: datetime | None = None
    ) -> None:
        await self.pod_status(
            name,
            phase="Pending",
            conditions=[{"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(since)}],
            containerStatuses=[container({"waiting": {"reason": reason, "message": message}})],
        )

    async def unschedulable(self, name: str, message: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": stamp(),
        }
        await self.pod_status(name, phase="Pending", conditions=[condition])

    async def give_node_up(self, name: str) -> None:
        """What the cluster does to a Pod whose node has been silent for too long."""
        now = stamp()
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "lastTransitionTime": now,
        }
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": now}
        await self.pod_status(name, conditions=[condition, ready])
        await self.delete_pod(name)

    async def run_pod(self, name: str, *, ready: bool = True) -> None:
        now = stamp()
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodScheduled", "PodReadyToStartContainers", *(["Ready"] if ready else []))
        ]
        await self.pod_status(
            name,
            phase="Running",
            podIP="127.0.0.1",
            podIPs=[{"ip": "127.0.0.1"}],
            conditions=conditions,
            containerStatuses=[container({"running": {"startedAt": now}}, ready=ready)],
        )

    async def start_recording(self, task: str, *, attempt: int = 1) -> str:
        pod = await self.until_pod(task, attempt=attempt)
        name: str = pod["metadata"]["name"]
        await self.bind(name)
        await self.run_pod(name)
        return name

    async def end_pod(
        self,
        name: str,
        *,
        message: str | TerminationSummary = "",
        exit_code: int = 0,
        reason: str = "",
        pod_reason: str = "",
        conditions: list[dict[str, Any]] | None = None,
    ) -> None:
        """The kubelet's last status of a Pod; if it was deleted, the kubelet then lets it go."""
        text = message if isinstance(message, str) else message.to_message()
        now = stamp()
        terminated = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "message": text,
            "startedAt": now,
            "finishedAt": now,
        }
        await self.pod_status(
            name,
            phase="Succeeded" if exit_code == 0 and not pod_reason else "Failed",
            reason=pod_reason or None,
            conditions=[
                {"type": "Ready", "status": "False", "lastTransitionTime": now},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
                *(conditions or []),
            ],
            containerStatuses=[container({"terminated": terminated})],
        )

    async def kubelet_lets_go(self, name: str) -> None:
        """What a kubelet does last with a Pod that was deleted: delete it with no grace period."""
        with contextlib.suppress(NotFoundError):
            await self.delete_pod(name, grace_seconds=0)

    # The operator.

    @contextlib.asynccontextmanager
    async def operator(self, **changes: Any) -> AsyncIterator[None]:
        """Run the operator while in the block; its failure fails the test."""
        stop = asyncio.Event()
        settings = settings_for(self.namespace, **changes)
        running = asyncio.create_task(app.run(settings, stop=stop, recorder_port=self.recorder_port))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, 30)

    @contextlib.asynccontextmanager
    async def recorder_answers(self) -> AsyncIterator[None]:
        """Serve `self.live` where a recorder would serve its /status."""

        async def status(_: web.Request) -> web.Response:
            if self.live is None:
                return web.Response(status=503)
            return web.Response(
                text=self.live.model_dump_json(by_alias=True), content_type="application/json"
            )

        application = web.Application()
        application.add_routes([web.get("/status", status)])
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.recorder_port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


def container(state: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
    return {
        "name": "recorder",
        "image": "egress-recorder:test",
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }


def ago(**parts: float) -> datetime:
    return datetime.now(UTC) - timedelta(**parts)
