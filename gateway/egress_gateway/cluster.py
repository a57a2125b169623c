"""The API server, seen from the gateway: calls on EgressTasks and Secrets, and reviews; dicts in and out.

Only what the gateway's rights allow stands here. Every call is safe to repeat (names are given, not
generated), so one that died with its connection is sent once more.
"""

import os
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject, RESTResponse
from pydantic_core import from_json

from egress_api.constants import GROUP, PLURAL, VERSION
from egress_gateway.errors import ClusterRefusedError, ClusterUnreachableError, ConfigError
from egress_gateway.settings import Settings

_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CONNECTIONS = 64
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_KEEPALIVE_SECONDS = 60
"""Under the API server's 90, so that it's us who close an idle connection and no request meets a dead one."""


class _WarmRest(RESTClientObject):
    """The client's transport, with connections that stay open between requests."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=_CONNECTIONS, ssl=self.ssl_context, keepalive_timeout=_KEEPALIVE_SECONDS
        )


class Cluster:
    """The tasks of one namespace, and the Secrets that go with them."""

    def __init__(self, configuration: Configuration, *, namespace: str, settings: Settings) -> None:
        # Otherwise each call asks a thread for .netrc and proxies: two thirds of what it costs here.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
        self._client = ApiClient(configuration)
        self._client.rest_client = _WarmRest(configuration)
        self._client.user_agent = f"egress-gateway/{version('egress-operator')}"
        self._settings = settings
        self.namespace = namespace
        self.host: str = configuration.host
        self._tasks = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Return the cluster that this process belongs to, or that KUBECONFIG names; nothing is sent yet.

        Raises:
            ConfigError: when there is neither.
        """
        configuration = type.__call__(Configuration)
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            try:
                kube_config.load_incluster_config(client_configuration=configuration)
            except kube_config.ConfigException as error:
                raise ConfigError(
                    f"this is a Pod, but its service account can't be used: {error} Mount its token "
                    "(automountServiceAccountToken: true)."
                ) from error
            return cls(configuration, namespace=_pod_namespace(settings), settings=settings)
        path = os.environ.get("KUBECONFIG") or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
        try:
            await kube_config.load_kube_config(config_file=path, client_configuration=configuration)
            _, active = kube_config.list_kube_config_contexts(config_file=path)
        except (kube_config.ConfigException, OSError) as error:
            raise ConfigError(
                f"no cluster to work with: this is not a Pod, and the kubeconfig {path} can't be used "
                f"({error}). Set KUBECONFIG to the file of a cluster."
            ) from error
        namespace = settings.namespace or active["context"].get("namespace") or "default"
        return cls(configuration, namespace=namespace, settings=settings)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def create_task(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Create an EgressTask; a field that the installed CRD doesn't know is an error, not dropped."""
        return await self._json("POST", self._tasks, query={"fieldValidation": "Strict"}, body=resource)

    async def get_task(self, name: str) -> dict[str, Any]:
        """Read an EgressTask."""
        return await self._json("GET", f"{self._tasks}/{name}")

    async def patch_task(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Send a merge patch to an EgressTask; a field that the installed CRD doesn't know is an error, not dropped."""
        return await self._json(
            "PATCH",
            f"{self._tasks}/{name}",
            query={"fieldValidation": "Strict"},
            body=patch,
            content_type="application/merge-patch+json",
        )

    async def delete_task(self, name: str, *, uid: str) -> dict[str, Any]:
        """Delete the EgressTask of that name and uid; return what is left of it, or a Status once nothing is."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        return await self._json("DELETE", f"{self._tasks}/{name}", body=options)

    async def create_secret(self, resource: dict[str, Any]) -> None:
        """Create a Secret; what comes back is not looked at."""
        await self._json("POST", self._secrets, body=resource)

    async def replace_secret(self, name: str, resource: dict[str, Any]) -> None:
        """Write a Secret anew, whole: a patch's answer would show what was there, this one shows what was sent."""
        await self._json("PUT", f"{self._secrets}/{name}", body=resource)

    async def create_review(self, path: str, resource: dict[str, Any]) -> dict[str, Any]:
        """Ask the API server about a token or a right, and return its answer; nothing is stored."""
        return await self._json("POST", path, body=resource)

    async def list_tasks(self, *, continue_token: str = "") -> dict[str, Any]:
        """Return one page of an EgressTaskList."""
        query = {"limit": str(self._settings.list_chunk)}
        if continue_token:
            query["continue"] = continue_token
        return await self._json("GET", self._tasks, query=query)

    async def watch_tasks(
        self, resource_version: str, *, on_open: Callable[[], None]
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield watch events from a resource version on, bookmarks among them, until the watch ends.

        Args:
            resource_version: of a list, or of the last event seen.
            on_open: called when the API server has accepted the watch.

        Raises:
            ClusterRefusedError: when the API server refuses, also in the middle; code 410 asks for a new list.
            ClusterUnreachableError: when the connection breaks or falls silent.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._settings.watch_seconds),
        }
        timeout = aiohttp.ClientTimeout(
            sock_connect=self._settings.api_timeout_seconds, sock_read=self._settings.watch_silence_seconds
        )
        answer = await self._send("GET", self._tasks, query=query, timeout=timeout)
        try:
            if answer.status != HTTPStatus.OK:
                raise _refusal(answer, await answer.read())
            on_open()
            async for line in answer.response.content:
                event = from_json(line)
                if event["type"] == "ERROR":
                    raise _refusal_of_status(event["object"])
                yield event
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterUnreachableError(f"the watch broke: {_words(error)}") from error
        finally:
            # There is nothing to say goodbye to: an orderly TLS end would outlive the loop.
            connection = answer.response.connection
            if connection is not None and connection.transport is not None:
                connection.transport.abort()
            answer.response.close()

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._settings.api_timeout_seconds)
        answer = await self._send(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout
        )
        try:
            content = await answer.read()
            if answer.status not in _DONE:
                raise _refusal(answer, content)
            value: dict[str, Any] = from_json(content)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ClusterUnreachableError(
                f"the answer of {self.host} can't be read: {_words(error)}"
            ) from error
        return value

    async def _send(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - a limit of the transport, not of this function
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> RESTResponse:
        try:
            method, url, headers, _, _ = await self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            try:
                return await self._client.call_api(method, url, headers, body, _request_timeout=timeout)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A kept connection that the other side had closed; a refused one fails again at once.
                return await self._client.call_api(method, url, headers, body, _request_timeout=timeout)
        except (aiohttp.ClientError, OSError, kube_config.ConfigException) as error:
            raise ClusterUnreachableError(f"{self.host} can't be reached: {_words(error)}") from error


def _pod_namespace(settings: Settings) -> str:
    if settings.namespace:
        return settings.namespace
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"the Pod's namespace can't be read ({error}): set EGRESS_GATEWAY_NAMESPACE"
        ) from error


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it didn't answer in time"
    return str(error) or type(error).__name__


def _refusal(answer: RESTResponse, content: bytes) -> ClusterRefusedError:
    try:
        status = from_json(content)
    except ValueError:
        status = {"message": content[:300].decode(errors="replace")}
    retry_after = answer.headers.get("Retry-After", "")
    return _refusal_of_status(
        status if isinstance(status, dict) else {},
        code=answer.status,
        retry_after=int(retry_after) if retry_after.isdecimal() else None,
    )


def _refusal_of_status(
    status: dict[str, Any], *, code: int | None = None, retry_after: int | None = None
) -> ClusterRefusedError:
    details = status.get("details") or {}
    causes = details.get("causes") or []
    return ClusterRefusedError(
        code or status.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR,
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        causes=[(cause.get("field") or "", cause.get("message") or "") for cause in causes],
        names_object=bool(details.get("name")),
        retry_after=retry_after or details.get("retryAfterSeconds"),
    )
