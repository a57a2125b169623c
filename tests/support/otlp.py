"""An OTLP receiver: takes what any exporter sends over HTTP, and gives it as plain spans.

It decodes the protocol's own protobuf messages; nothing of the programs under test is used for that.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class Received:
    """A span as it came in."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    began: int
    ended: int
    error: bool
    attributes: dict[str, Any] = field(default_factory=dict)


class OtlpReceiver:
    """What has come in, and how it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Received] = []
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.bodies = b""
        self.answers_with = 200
        self.hangs = False
        self.over = asyncio.Event()

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Received:
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} spans are called {name}; there are {self.names()}"
        return found[0]

    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans)

    async def until(self, *names: str) -> None:
        """Wait until a span of each of these names is there."""
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while missing := set(names) - set(self.names()):
            assert asyncio.get_running_loop().time() < deadline, f"no {sorted(missing)} among {self.names()}"
            await asyncio.sleep(0.02)

    async def until_asked(self, requests: int) -> None:
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while self.requests < requests:
            assert asyncio.get_running_loop().time() < deadline, f"{self.requests} requests"
            await asyncio.sleep(0.02)

    async def take(self, request: web.Request) -> web.Response:
        status = self.answers_with  # as it is when the request is counted, whatever a test sets then
        self.requests += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.hangs:
            await self.over.wait()
        body = await request.read()
        if status != 200:
            return web.Response(status=status)
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies += body
        message = ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            about = {pair.key: _plain(pair.value) for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_received(span, service=about["service.name"]) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def _received(span: Span, *, service: str) -> Received:
    return Received(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={pair.key: _plain(pair.value) for pair in span.attributes},
    )


def _plain(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value"))


@asynccontextmanager
async def otlp_receiver(*, port: int = 0) -> AsyncIterator[OtlpReceiver]:
    """Serve on a port of this machine; `url` is what programs are given."""
    receiver = OtlpReceiver()
    app = web.Application(client_max_size=1 << 26)
    app.add_routes([web.post("/v1/traces", receiver.take)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, bound = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{bound}"
        yield receiver
    finally:
        receiver.over.set()
        await runner.cleanup()


def without_opentelemetry(folder: Path) -> Path:
    """Return a folder for the PYTHONPATH in which OpenTelemetry stands as if it were not installed."""
    (folder / "shadow" / "opentelemetry").mkdir(parents=True)
    (folder / "shadow" / "opentelemetry" / "__init__.py").write_text("")
    return folder / "shadow"
