"""A proxy in front of a real API server, which lets chosen calls go wrong and does to watches what networks do to them.

In: faults by task and number of the call that concerns it. Out: a kubeconfig that goes through the proxy. It runs in a
thread of its own: kopf, when it ends, ends what else was begun in its loop.
"""

import asyncio
import contextlib
import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

from egress_cluster.apiserver import ApiServer

DELAY_SECONDS = 0.7
RETRY_AFTER_SECONDS = 1
_START_SECONDS = 10
_HOP_BY_HOP = {"host", "transfer-encoding", "connection", "content-length", "content-encoding"}
_NAMED = re.compile(r"/(egresstasks|pods|secrets)/([^/?]+)")
_ATTEMPT = re.compile(r"-(\d+|token-[0-9a-f]+)$")


class Fault(StrEnum):
    """What can go wrong with one call."""

    RESET = "reset"
    """The connection is reset before the call arrives."""
    LOST = "lost"
    """The call is carried out, and its answer is lost."""
    DROPPED = "dropped"
    """The call never arrives, and nobody says so."""
    DELAYED = "delayed"
    CONFLICT = "409"
    GONE = "410"
    BUSY = "429"
    BROKEN = "500"


_ANSWERS = {
    Fault.CONFLICT: "Conflict",
    Fault.GONE: "Expired",
    Fault.BUSY: "TooManyRequests",
    Fault.BROKEN: "InternalError",
}


class ApiProxy:
    """The proxy. A context manager; `faults`, `before` and `after` may be set at any time."""

    def __init__(self, server: ApiServer, folder: Path, *, kubeconfig: Path | None = None) -> None:
        self.kubeconfig = folder / "proxy.kubeconfig"
        self.calls: dict[str, list[str]] = {}
        """By task: the calls that concern it, as "METHOD what"."""
        self.faults: dict[tuple[str, int], Fault] = {}
        """By task and number of the call, from 0."""
        self.met: Counter[tuple[str, int]] = Counter()
        self.before: Callable[[str, int, str], bool] = lambda *_: False
        """Told task, number and call before it is passed on; True cuts it off."""
        self.after: Callable[[str, int, str], bool] = lambda *_: False
        """The same after it was carried out."""
        self.dead = threading.Event()
        """While set, nobody gets through, as from a process that is no more."""
        self.watches = 0
        """How many have been opened."""
        self.expired: str = ""
        """"event" or "status": how the next new watch is told that its version is too old."""
        self._server = server
        self._config = yaml.safe_load((kubeconfig or server.kubeconfig).read_text())
        self._loop = asyncio.new_event_loop()
        self._silent_up_to = 0
        self._transports: set[asyncio.BaseTransport] = set()
        self._up = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run()), daemon=True
        )
        self._port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._up.wait(_START_SECONDS):
            raise RuntimeError("the proxy did not start")
        self._config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._port}"}
        self.kubeconfig.write_text(json.dumps(self._config))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_START_SECONDS)
        self._loop.close()

    def cut_all(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._cut, self._transports)

    @contextlib.contextmanager
    def while_dead(self) -> Iterator[None]:
        """Let nobody through."""
        self.dead.set()
        self.cut_all()
        try:
            yield
        finally:
            self.dead.clear()

    def silence(self) -> None:
        """Have the watches that are open say nothing more, and stay open."""
        self._silent_up_to = self.watches

    def _cut(self, transports: set[asyncio.BaseTransport]) -> None:
        for transport in list(transports):
            transport.abort()  # type: ignore[attr-defined]

    async def _run(self) -> None:
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        connector = aiohttp.TCPConnector(ssl=insecure, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, skip_auto_headers=("Content-Type",)
        )
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._up.set()
        await self._end.wait()
        self._cut(self._transports)
        await runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0.05)  # the session's TLS connections say goodbye

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None or self.dead.is_set():
            return self._reset(request)
        self._transports.add(transport)
        try:
            if "watch=true" in request.query_string or request.query.get("watch") == "1":
                return await self._watch(request)
            return await self._call(request, await request.read())
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return self._reset(request)
        finally:
            self._transports.discard(transport)

    async def _call(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        task, what = self._told(request, body)
        if task is None:
            return await self._pass_on(request, body)
        number = len(self.calls.setdefault(task, []))
        self.calls[task].append(what)
        fault = self.faults.get((task, number))
        if fault is not None:
            self.met[task, number] += 1
        if fault is Fault.RESET or self.before(task, number, what):
            return self._reset(request)
        if fault is Fault.DROPPED:
            await asyncio.sleep(60)
        if fault is Fault.DELAYED:
            await asyncio.sleep(DELAY_SECONDS)
        if fault in _ANSWERS:
            return _refusal(fault)
        response = await self._pass_on(request, body)
        return self._reset(request) if fault is Fault.LOST or self.after(task, number, what) else response

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        headers["Accept-Encoding"] = "identity"
        url = f"{self._server.url}{request.raw_path}"
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            return web.Response(
                status=answer.status,
                body=await answer.read(),
                content_type=answer.content_type,
                headers={k: v for k, v in answer.headers.items() if k == "Retry-After"},
            )

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
                "message": "too old resource version: 1 (2)"}  # fmt: skip
        self.watches += 1
        number, how = self.watches, self.expired
        self.expired = ""
        if how == "status":
            return web.json_response(gone, status=410)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        headers["Accept-Encoding"] = "identity"
        response = web.StreamResponse()
        async with self._session.get(
            f"{self._server.url}{request.raw_path}",
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            response.set_status(answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            if how == "event":
                await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
                return response
            async for part in answer.content.iter_any():
                if number <= self._silent_up_to:
                    await asyncio.sleep(3600)
                await response.write(part)
        return response

    def _reset(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()  # type: ignore[attr-defined]
        return web.Response()

    def _told(self, request: web.BaseRequest, body: bytes) -> tuple[str | None, str]:
        named = _NAMED.search(request.path)
        if named is not None:
            kind, name = named.groups()
            tail = request.path[named.end() :]
            return (
                name if kind == "egresstasks" else _ATTEMPT.sub("", name)
            ), f"{request.method} {kind}{tail}"
        selector = re.search(r"egress-operator.dev/task=([^,&]+)", request.query.get("labelSelector", ""))
        if selector is not None:
            return selector[1], f"{request.method} list"
        if request.method != "POST":
            return None, ""
        content = json.loads(body)
        regarding, meta = content.get("regarding"), content.get("metadata") or {}
        kind = request.path.rsplit("/", 1)[1]
        name = regarding["name"] if regarding else meta.get("name", "")
        return (name if kind in {"events", "egresstasks"} else _ATTEMPT.sub("", name)), f"POST {kind}"


def _refusal(fault: Fault) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if fault is Fault.BUSY else {}
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": int(fault),
                            "reason": _ANSWERS[fault], "message": "injected by the test's proxy"}  # fmt: skip
    return web.json_response(body, status=int(fault), headers=headers)
