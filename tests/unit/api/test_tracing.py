"""Places in a trace, spans, and the way out to a real receiver."""

import asyncio
import dataclasses
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from egress_api.tracing import export
from egress_api.tracing.export import Exporter
from egress_api.tracing.settings import TracingSettings
from egress_api.tracing.spans import NO_SPAN, OpenSpan, Span, SpanKind
from egress_api.tracing.traceparent import TraceParent, derived_id, new_trace, trace_of_task
from support.otlp import otlp_receiver

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PLACE = TraceParent(TRACE, SPAN, sampled=True)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"00-{TRACE}-{SPAN}-01", PLACE),
        (f" 00-{TRACE}-{SPAN}-01 ", PLACE),
        (f"00-{TRACE}-{SPAN}-03", PLACE),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(TRACE, SPAN, sampled=False)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", PLACE),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_is_read_as_the_standard_says(text: str | None, place: TraceParent | None) -> None:
    assert TraceParent.parse(text) == place


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert TraceParent.parse(text) is None


@pytest.mark.parametrize("ratio", [0, 1])
def test_what_is_written_is_read_again(ratio: int) -> None:
    place = new_trace(sample_ratio=ratio)
    assert place.sampled == ratio
    assert TraceParent.parse(str(place)) == place


def test_a_task_s_trace_is_its_uid_again_and_again() -> None:
    uid = str(uuid4())
    place = trace_of_task(uid, sample_ratio=1)
    assert place == trace_of_task(uid, sample_ratio=1)
    assert (place.trace_id, place.span_id) == (uid.replace("-", ""), derived_id(uid))


def test_a_share_of_uids_and_of_random_traces_is_kept() -> None:
    kept = Counter[str]()
    for _ in range(4000):
        kept["uid"] += trace_of_task(str(uuid4()), sample_ratio=0.25).sampled
        kept["new"] += new_trace(sample_ratio=0.25).sampled
    assert all(800 < number < 1200 for number in kept.values())


@pytest.mark.parametrize(
    "endpoint",
    [
        "collector:4318",
        "ftp://collector",
        "http://",
        "http://a:b@collector",
        "http://a@c",
        "http://c?key=x",
        "http://c:x",
    ],
)
def test_an_endpoint_that_cannot_be_or_says_too_much_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        TracingSettings(endpoint=endpoint)


def test_an_endpoint_may_have_a_path() -> None:
    assert TracingSettings(endpoint="https://otlp.example/team/").endpoint == "https://otlp.example/team"


def test_a_span_ends_once_and_never_before_it_began() -> None:
    taken: list[Span] = []
    span = OpenSpan(taken.append, "one", place=PLACE, began=NOON, attributes={"a": 1, "b": None})
    span.end(at=NOON - timedelta(seconds=1))
    span.end()
    assert [(one.began, one.ended, dict(one.attributes)) for one in taken] == [(NOON, NOON, {"a": 1})]


def test_an_exception_is_its_class_and_not_its_text() -> None:
    taken: list[Span] = []
    with pytest.raises(ValueError, match="secret"), OpenSpan(taken.append, "one", place=PLACE):
        raise ValueError("a secret")
    assert [one.error for one in taken] == ["ValueError"]


@pytest.mark.parametrize(
    "span", [NO_SPAN, OpenSpan(print, "x", place=TraceParent(TRACE, SPAN, sampled=False))]
)
def test_what_is_not_kept_costs_nothing(span: OpenSpan, capsys: pytest.CaptureFixture[str]) -> None:
    span.set({"a": 1})
    with span.below("y") as below:
        below.set({"b": 2})
    span.end()
    assert capsys.readouterr().out == ""


def span(name: str, *, error: str = "") -> Span:
    return Span(
        name=name,
        place=PLACE.child(),
        parent_id=SPAN,
        began=NOON,
        ended=NOON + timedelta(milliseconds=1500),
        kind=SpanKind.CLIENT,
        attributes={"text": "t", "count": 2, "share": 0.5, "yes": True},
        error=error,
    )


async def test_a_span_arrives_as_it_was() -> None:
    async with otlp_receiver() as receiver:
        exporter = Exporter(receiver.url, program="a-program", headers="x-key=one%20two")
        sent = span("one", error="Broken")
        exporter(sent)
        await exporter.close(seconds=10)
        (came,) = receiver.spans
        assert receiver.headers[0]["x-key"] == "one two"
    assert (came.service, came.name, came.kind, came.error) == ("a-program", "one", "client", True)
    assert (came.trace_id, came.span_id, came.parent_id) == (TRACE, sent.place.span_id, SPAN)
    assert came.ended - came.began == 1_500_000_000
    assert came.began == NOON.timestamp() * 1_000_000_000
    assert came.attributes == {"text": "t", "count": 2, "share": 0.5, "yes": True, "error.type": "Broken"}


async def test_a_receiver_that_comes_back_is_told_once_and_gets_what_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with otlp_receiver() as receiver:
        receiver.answers_with = 400
        exporter = Exporter(receiver.url, program="a-program", headers="")
        for number in (1, 2):
            exporter(span(f"lost-{number}"))
            await receiver.until_asked(number)
        receiver.answers_with = 200
        exporter(span("kept"))
        await receiver.until("kept")
        await exporter.close(seconds=10)
        assert receiver.names() == ["kept"]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("egress_api")]
    assert [sentence.split(" by ")[0] for sentence in said] == ["Traces are not taken", "Traces are taken"]
    assert "400" in said[0]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_what_waits_has_a_bound_and_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "WAITING_SPANS", 300)
    async with otlp_receiver() as receiver:
        receiver.hangs = True
        exporter = Exporter(receiver.url, program="a-program", headers="")
        exporter(span("first"))
        await receiver.until_asked(1)
        for number in range(5000):
            exporter(span(f"n{number}"))
        receiver.hangs = False
        receiver.over.set()
        await exporter.close(seconds=10)
        assert receiver.names() == sorted(["first", *(f"n{number}" for number in range(4700, 5000))])


async def test_where_opentelemetry_cannot_be_set_up_the_program_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(export, "WAITING_SPANS", 1)  # fewer than go out at once
    exporter = Exporter("http://127.0.0.1:9", program="a-program", headers="")
    exporter(span("one"))
    await exporter.close(seconds=10)
    exporter(span("two"))
    assert [record.getMessage() for record in caplog.records] == [
        "Traces can't be exported: OpenTelemetry can't be set up"
    ]


async def test_a_mute_receiver_holds_nobody_up_at_the_end() -> None:
    async with otlp_receiver() as receiver:
        receiver.hangs = True
        exporter = Exporter(receiver.url, program="a-program", headers="")
        exporter(span("one"))
        await receiver.until_asked(1)
        began = asyncio.get_running_loop().time()
        await exporter.close(seconds=0.3)
        assert asyncio.get_running_loop().time() - began < 2


async def test_headers_are_the_environment_s_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20some-key")
    async with otlp_receiver() as receiver:
        exporter = Exporter(receiver.url, program="a-program")
        exporter(span("one"))
        await exporter.close(seconds=10)
        assert receiver.headers[0]["authorization"] == "Bearer some-key"


def test_whoever_traces_nothing_loads_nothing() -> None:
    programs = "egress_gateway.__main__, egress_operator.__main__, egress_recorder.supervisor"
    code = (
        f"import sys, {programs}; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


async def test_a_span_that_cannot_be_made_is_left_out_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    async with otlp_receiver() as receiver:
        exporter = Exporter(receiver.url, program="a-program", headers="")
        await asyncio.to_thread(exporter._loading.join)
        exporter(dataclasses.replace(span("bad"), parent_id="no id"))
        exporter(span("good"))
        await exporter.close(seconds=10)
        assert receiver.names() == ["good"]
    assert [record.getMessage() for record in caplog.records] == ["A span is left out"]
