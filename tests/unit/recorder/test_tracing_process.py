"""A recorder that is traced: what a receiver gets of it, and that nothing of a recording depends on one."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from egress_api.tracing.traceparent import TraceParent
from support.otlp import otlp_receiver, without_opentelemetry
from support.recorder import SCRIPT, RecorderProcess
from support.recorder_checks import assert_ended

Make = Callable[..., RecorderProcess]

ABOVE = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)


def traced(url: str, *, above: TraceParent = ABOVE) -> dict[str, Any]:
    return {"tracing": {"endpoint": url, "traceparent": str(above)}}


async def record(it: RecorderProcess, *, segments: int = 3) -> None:
    await it.start()
    await it.until(lambda: it.listed() >= segments)
    summary = await it.stop()
    assert (summary.outcome, summary.uploaded) == ("stopped", True), it.log.read_text()
    assert_ended(it)


async def test_a_recording_is_one_tree_below_its_attempt(recorder: Make) -> None:
    async with otlp_receiver() as receiver:
        await record(recorder([{}], **traced(receiver.url)))
        spans = receiver.spans
        root, capture, finalize = (
            receiver.one(f"egress.{name}") for name in ("recorder", "capture", "finalize")
        )
        uploads = receiver.named("egress.upload")
    assert {span.trace_id for span in spans} == {ABOVE.trace_id}
    assert {span.service for span in spans} == {"egress-recorder"}
    assert all(span.began <= span.ended for span in spans)
    assert root.parent_id == ABOVE.span_id
    parents = {span.name: span.parent_id for span in spans}
    assert parents == {
        "egress.recorder": ABOVE.span_id,
        "egress.claim": root.span_id,
        "egress.capture": root.span_id,
        "egress.join": capture.span_id,
        "egress.first_frame": capture.span_id,
        "egress.upload": root.span_id,
        "egress.finalize": root.span_id,
        "egress.close_lists": finalize.span_id,
    }
    assert len({span.span_id for span in spans}) == len(spans)
    assert root.attributes == {
        "egress.task.id": "t1",
        "egress.app.id": "app1",
        "egress.attempt": 1,
        "egress.layout": "flat",
        "egress.reason": "StopRequested",
        "k8s.namespace.name": "egress",
        "k8s.pod.name": "t1-1",
    }
    assert len(uploads) >= 3
    assert uploads[0].attributes["egress.segments"] == 1
    assert uploads[0].attributes["egress.bytes"] > 0
    assert not any(span.error for span in spans)


async def test_a_failure_is_a_word_and_never_its_sentence(recorder: Make) -> None:
    async with otlp_receiver() as receiver:
        it = recorder([{"refuse": "JoinRefused"}], **traced(receiver.url))
        await it.start()
        await it.ended()
        root, capture = receiver.one("egress.recorder"), receiver.one("egress.capture")
    assert root.error
    assert capture.error
    assert root.attributes["error.type"] == capture.attributes["error.type"] == "JoinRefused"
    assert not any(" " in str(value) for span in (root, capture) for value in span.attributes.values())


async def test_many_segments_make_few_spans(recorder: Make) -> None:
    async with otlp_receiver() as receiver:
        it = recorder(
            [{"every": 0.005, "segments": 200, "then": "ended:SourceClosed"}], **traced(receiver.url)
        )
        await it.start()
        await it.ended()
        uploads = receiver.named("egress.upload")
    stored = sum(span.attributes["egress.segments"] for span in uploads)
    assert stored == 200
    assert 32 < len(uploads) < 130


async def test_headers_come_from_the_environment_and_end_there(recorder: Make, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    async with otlp_receiver() as receiver:
        it = recorder([{}], **traced(receiver.url))
        it.environment["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=Bearer%20some-key"
        tell = ["sh", "-c", f'env > {seen}; exec "$0" "$@"', sys.executable, str(SCRIPT), str(it.scenario)]
        it.settings["capture_command"] = json.dumps(tell)
        await record(it)
        assert {headers["authorization"] for headers in receiver.headers} == {"Bearer some-key"}
        assert b"some-key" not in receiver.bodies
    assert "OTEL_EXPORTER" not in seen.read_text()
    assert "some-key" not in it.log.read_text()


@pytest.mark.parametrize("receiver_is", ["away", "broken", "mute"])
async def test_a_receiver_that_takes_nothing_disturbs_nothing(recorder: Make, receiver_is: str) -> None:
    async with otlp_receiver() as receiver:
        receiver.answers_with = 500
        receiver.hangs = receiver_is == "mute"
        url = f"http://127.0.0.1:{closed_port()}" if receiver_is == "away" else receiver.url
        it = recorder([{"every": 0.2}], **traced(url))
        await it.start()
        await it.until(lambda: it.listed() >= 3)
        failed = await it.until(lambda: told(it))
        listed = it.listed()
        await it.until(lambda: it.listed() >= listed + 10)
        began = time.monotonic()
        summary = await it.stop()
        took = time.monotonic() - began
    assert (summary.outcome, summary.uploaded) == ("stopped", True)
    assert_ended(it)
    assert took < 5
    assert told(it) == failed, "it is said once"
    assert len(failed) == 1
    assert url in failed[0]["message"]
    assert [line for line in it.events("library") if line["logger"].startswith("opentelemetry")] == []


def told(it: RecorderProcess) -> list[dict[str, Any]]:
    return [line for line in it.events("library") if "Traces are not taken" in line["message"]]


async def test_a_trace_that_is_not_kept_is_not_exported(recorder: Make) -> None:
    unkept = TraceParent(ABOVE.trace_id, ABOVE.span_id, sampled=False)
    async with otlp_receiver() as receiver:
        await record(recorder([{}], **traced(receiver.url, above=unkept)))
        assert receiver.requests == 0


async def test_without_the_extra_it_says_so_and_records_nothing(recorder: Make, tmp_path: Path) -> None:
    it = recorder([{}], **traced("http://127.0.0.1:9"))
    it.environment["PYTHONPATH"] = f"{without_opentelemetry(tmp_path)}:{os.environ.get('PYTHONPATH', '')}"
    await it.start()
    summary = await it.ended()
    assert (summary.outcome, summary.retryable) == ("failed", False)
    assert "egress-operator[otel]" in summary.message


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
