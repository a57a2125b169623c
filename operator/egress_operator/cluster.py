"""The few calls to the Kubernetes API that the operator makes: dicts in, dicts out, our errors.

A thin layer over the transport of `kubernetes.aio` (its connection, TLS and credentials): the models of
that package are strict and would refuse what a newer API server adds. Nothing is cached, every read is live.
"""

import os
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn, Self
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config
from pydantic_core import from_json

from egress_api.constants import API_VERSION, PLURAL, RELEASED_LABEL, RESULTS_FINALIZER
from egress_api.states import State
from egress_operator.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
    QuotaExceededError,
    RefusedError,
    SettingsError,
    UnavailableError,
)
from egress_operator.pod_state import PodView

REQUEST_SECONDS: Final = 30
PAGE: Final = 500
LONGEST_WAIT_SECONDS: Final = 60.0
"""What an API server that is busy may ask for; it asks for 1."""
MERGE_PATCH: Final = "application/merge-patch+json"


def tasks_path(namespace: str, name: str = "") -> str:
    """Return the API path of a namespace's tasks, or of one."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}" + (f"/{name}" if name else "")


def pods_path(namespace: str, name: str = "") -> str:
    """Return the API path of a namespace's Pods, or of one."""
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name else "")


def state_of(task: dict[str, Any]) -> State:
    """Return a listed task's state; a word that only a later version knows is none that ends it here."""
    word = (task.get("status") or {}).get("state")
    return State(word) if word in set(State) else State.ENQUEUED


class Cluster:
    """A connection to a Kubernetes API server."""

    def __init__(self, client: aio_client.ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> Self:
        """Connect with the Pod's service account, or outside a cluster as kubectl would.

        Args:
            kubeconfig: the file to use in any case.

        Raises:
            SettingsError: when there is no cluster to connect to.
        """
        configuration = aio_client.Configuration()
        # Read here and now: the package reads the variable once, when it is imported.
        path = kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"
        try:
            if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
                aio_config.load_incluster_config(client_configuration=configuration)
            else:
                await aio_config.load_kube_config(str(path), client_configuration=configuration)
        except (aio_config.ConfigException, OSError) as error:
            raise SettingsError(
                f"no cluster to work with ({error}): in a Pod, mount the service account's token; elsewhere set "
                f"KUBECONFIG, here {path}"
            ) from error
        # Otherwise each call asks a thread for .netrc and proxies: two thirds of what it costs here.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
        return cls(aio_client.ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Make one call and return the answer's object.

        Raises:
            ApiError: the subclass that says what to do about it.
        """
        serialized = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        url, headers = serialized[1], serialized[2]
        try:
            response = await self._client.call_api(
                method, url, headers, body, _request_timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            )
            raw = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {type(error).__name__} {error}") from error
        try:
            answer = from_json(raw)  # in half the time that json takes
        except ValueError:
            answer = {"message": raw[:200].decode(errors="replace")}
        if response.status >= HTTPStatus.BAD_REQUEST:
            _raise(method, response.status, answer, retry_after=_seconds(response.headers.get("Retry-After")))
        return dict(answer)

    async def listed(
        self, path: str, *, query: Mapping[str, str | int] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        token = ""
        while True:
            page = await self.request("GET", path, query={**(query or {}), "limit": PAGE, "continue": token})
            for item in page.get("items") or []:
                yield item
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return

    async def task(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a task, or None."""
        return await self._get(tasks_path(namespace, name))

    async def pod(self, namespace: str, name: str) -> PodView | None:
        """Return a Pod, or None."""
        found = await self._get(pods_path(namespace, name))
        return PodView.from_resource(found) if found is not None else None

    async def _get(self, path: str) -> dict[str, Any] | None:
        try:
            return await self.request("GET", path)
        except NotFoundError:
            return None

    async def create_pod(self, pod: dict[str, Any]) -> PodView:
        """Create a Pod.

        Raises:
            AlreadyExistsError: the name is taken.
            QuotaExceededError: there is no room.
            RefusedError: by validation or admission.
        """
        return PodView.from_resource(
            await self.request("POST", pods_path(pod["metadata"]["namespace"]), body=pod)
        )

    async def write_status(
        self, namespace: str, name: str, patch: dict[str, Any], *, resource_version: str
    ) -> dict[str, Any]:
        """Merge `patch` into a task's status, if nobody has written the task since it was read.

        Raises:
            ConflictError: somebody has.
        """
        return await self.request(
            "PATCH",
            f"{tasks_path(namespace, name)}/status",
            body={"metadata": {"resourceVersion": resource_version}, "status": patch},
            content_type=MERGE_PATCH,
        )

    async def release_pod(self, pod: PodView) -> None:
        """Take our finalizer off a Pod, and say so on it; whoever else's stay. A Pod that is gone is released.

        Raises:
            ConflictError: the Pod was written since it was read.
        """
        metadata = {
            "uid": pod.uid,
            "resourceVersion": pod.resource_version,
            "finalizers": [name for name in pod.finalizers if name != RESULTS_FINALIZER],
            "labels": {RELEASED_LABEL: "true"},
        }
        try:
            await self.request(
                "PATCH",
                pods_path(pod.namespace, pod.name),
                body={"metadata": metadata},
                content_type=MERGE_PATCH,
            )
        except NotFoundError:
            return

    async def annotate_pod(self, pod: PodView, annotations: Mapping[str, str]) -> PodView | None:
        """Write annotations on this very Pod (by UID) and return it; one that is gone needs none."""
        body = {"metadata": {"uid": pod.uid, "annotations": dict(annotations)}}
        try:
            return PodView.from_resource(
                await self.request(
                    "PATCH", pods_path(pod.namespace, pod.name), body=body, content_type=MERGE_PATCH
                )
            )
        except (NotFoundError, ConflictError):
            return None

    async def delete_pod(self, pod: PodView, *, grace_seconds: int) -> None:
        """Delete this very Pod (by UID); one that is gone, or has been replaced, is deleted."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": grace_seconds,
            "preconditions": {"uid": pod.uid},
        }
        try:
            await self.request("DELETE", pods_path(pod.namespace, pod.name), body=body)
        except (NotFoundError, ConflictError):
            return

    async def delete_pods(self, namespace: str, *, selector: str) -> None:
        """Delete all Pods with these labels, each with its own grace period."""
        await self.request("DELETE", pods_path(namespace), query={"labelSelector": selector})

    async def delete_task(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Delete this very task, if it is still as it was read.

        Raises:
            ConflictError: it has been written since.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        try:
            await self.request("DELETE", tasks_path(namespace, name), body=body)
        except NotFoundError:
            return

    async def pod_events(self, pod: PodView) -> list[dict[str, Any]]:
        """Return the Events of a Pod: a few, each with a count."""
        path = f"/api/v1/namespaces/{pod.namespace}/events"
        query = {"fieldSelector": f"involvedObject.uid={pod.uid}"}
        return [event async for event in self.listed(path, query=query)]

    async def post_event(self, namespace: str, event: dict[str, Any]) -> None:
        """Create an Event."""
        await self.request("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=event)


def _seconds(retry_after: str | None) -> float:
    # It may also be a date, which an API server doesn't send.
    return min(float(retry_after), LONGEST_WAIT_SECONDS) if retry_after and retry_after.isdecimal() else 0.0


def _raise(method: str, status: int, answer: dict[str, Any], *, retry_after: float = 0) -> NoReturn:
    reason, message = answer.get("reason") or "", answer.get("message") or ""
    match status:
        case HTTPStatus.NOT_FOUND:
            kind: type[ApiError] = NotFoundError
        case HTTPStatus.CONFLICT:
            kind = AlreadyExistsError if (method, reason) == ("POST", "AlreadyExists") else ConflictError
        case HTTPStatus.FORBIDDEN if "exceeded quota" in message:
            kind = QuotaExceededError
        # Gone: a list whose next page is too old, to be read anew.
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.GONE:
            kind = UnavailableError
        case _:
            kind = UnavailableError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else RefusedError
    raise kind(message, status=status, reason=reason, retry_after=retry_after)
