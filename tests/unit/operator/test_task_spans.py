"""What the operator's spans say of whole lives, and that one that dies makes none of them twice."""

from typing import Any

import pytest

from egress_api.constants import TRACEPARENT_ANNOTATION
from egress_api.recorder import RecorderConfig
from egress_api.tracing.spans import Span
from egress_api.tracing.traceparent import TraceParent, derived_id
from egress_operator import task_traces
from egress_operator.trace_settings import OperatorTracing
from support.crash_lives import LIVES, Life, live_through
from support.operator_parts import SETTINGS
from support.simulated_api import Fault
from support.simulated_operator import SimulatedOperator

ENDPOINT = "http://collector:4318"
TRACED = SETTINGS.model_copy(update={"tracing": OperatorTracing(endpoint=ENDPOINT)})
STOPPED, RETRIED, CLOSED, DELETED = LIVES
CALLER = TraceParent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)

TREES: dict[str, list[tuple[str, str]]] = {
    STOPPED.name: [
        ("egress.attempt", "egress.task"),
        ("egress.ending", "egress.task"),
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.pending", "egress.attempt"),
        ("egress.pod.starting", "egress.attempt"),
        ("egress.queued", "egress.task"),
        ("egress.recording", "egress.attempt"),
        ("egress.task", ""),
    ],
    RETRIED.name: [
        ("egress.attempt", "egress.task"),
        ("egress.attempt", "egress.task"),
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.pending", "egress.attempt"),
        ("egress.pod.starting", "egress.attempt"),
        ("egress.queued", "egress.task"),
        ("egress.recording", "egress.attempt"),
        ("egress.task", ""),
    ],
    CLOSED.name: [
        ("egress.attempt", "egress.task"),
        ("egress.attempt", "egress.task"),
        ("egress.ending", "egress.task"),
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.pending", "egress.attempt"),
        ("egress.pod.starting", "egress.attempt"),
        ("egress.queued", "egress.task"),
        ("egress.recording", "egress.attempt"),
        ("egress.task", ""),
    ],
    DELETED.name: [
        ("egress.pod.create", "egress.attempt"),
        ("egress.pod.pending", "egress.attempt"),
        ("egress.pod.starting", "egress.attempt"),
        ("egress.queued", "egress.task"),
    ],
}


def tree(spans: list[Span], uid: str) -> list[tuple[str, str]]:
    """Return each span's name with its parent's."""
    names = {derived_id(uid): "egress.task"}
    names |= {derived_id(uid, "attempt", number): "egress.attempt" for number in (1, 2, 3)}
    return sorted((span.name, names.get(span.parent_id or "", span.parent_id or "")) for span in spans)


def lived(life: Life, *, fault: tuple[int, Fault] | None = None) -> SimulatedOperator:
    it = SimulatedOperator(settings=TRACED)
    it.cluster.fault = fault
    live_through(life, it)
    return it


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_life_is_one_tree(life: Life) -> None:
    spans = lived(life).spans
    assert tree(spans, "uid-1") == TREES[life.name]
    assert len({span.place.trace_id for span in spans}) == 1
    assert len({span.place.span_id for span in spans}) == len(spans)
    assert all(span.began <= span.ended for span in spans)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
@pytest.mark.parametrize("fault", [Fault.DIES, Fault.DIES_AFTER, Fault.LOST], ids=lambda f: f.name)
def test_an_operator_that_dies_at_any_call_makes_no_span_twice(life: Life, fault: Fault) -> None:
    whole = lived(life)
    places = {(span.name, span.place) for span in whole.spans}
    for number in range(len(whole.cluster.calls)):
        spans = lived(life, fault=(number, fault)).spans
        found = [(span.name, span.place) for span in spans]
        assert len(set(found)) == len(found), f"twice, with {fault} at call {number}"
        assert set(found) <= places
        # One write at most is not told: the end ends recording, ending, attempt and task.
        assert len(found) >= len(places) - 4, f"with {fault} at call {number}"


def test_a_failure_is_its_reason_and_no_sentence() -> None:
    spans = {span.name: span for span in lived(CLOSED).spans}
    assert spans["egress.task"].error == "OOMKilled"
    assert dict(spans["egress.task"].attributes) == {
        "egress.task.id": "task",
        "egress.app.id": "demo",
        "egress.layout": "flat",
        "egress.state": "FAILED",
        "egress.reason": "OOMKilled",
        "egress.attempts": 2,
        "k8s.namespace.name": "media",
    }


def test_an_attempt_that_another_follows_says_why() -> None:
    first, second = (span for span in lived(RETRIED).spans if span.name == "egress.attempt")
    assert (first.error, first.attributes["egress.reason"]) == ("SourceUnreachable", "SourceUnreachable")
    assert (second.error, second.attributes["egress.reason"]) == ("", "SourceClosed")
    assert second.attributes["k8s.node.name"] == "node-1"


def test_a_task_that_nothing_can_record_is_queued_and_over() -> None:
    it = SimulatedOperator(settings=TRACED)
    it.api.create_task("task", layout="freestyle", url="https://page.example/?ticket=4711", channel=None)
    it.settle()
    assert [(span.name, span.error) for span in it.spans] == [
        ("egress.queued", "LayoutNotSupported"),
        ("egress.task", "LayoutNotSupported"),
    ]
    assert "4711" not in str(it.spans)


def test_a_fault_in_telling_it_leaves_the_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(task_traces, "ended_spans", breaks)
    it = lived(STOPPED)
    assert (it.status["state"], [span.name for span in it.spans]) == ("STOPPED", ["egress.pod.create"])


def test_a_caller_s_trace_goes_on_down_to_the_recorder() -> None:
    it = SimulatedOperator(settings=TRACED)
    it.api.create_task("task")
    assert it.task is not None
    it.task["metadata"]["annotations"] = {TRACEPARENT_ANNOTATION: str(CALLER)}
    it.settle()
    config = config_of(it)
    assert config.tracing is not None
    told = TraceParent.parse(config.tracing.traceparent)
    uid = it.task["metadata"]["uid"]
    assert told == CALLER.child(derived_id(uid, "attempt", 1))
    it.api.change_spec("task", stop=True)
    it.settle()
    task = next(span for span in it.spans if span.name == "egress.task")
    assert (task.parent_id, task.place.trace_id) == (CALLER.span_id, CALLER.trace_id)


@pytest.mark.parametrize(
    ("settings", "annotation"),
    [
        (TRACED, str(TraceParent(CALLER.trace_id, CALLER.span_id, sampled=False))),
        (SETTINGS.model_copy(update={"tracing": OperatorTracing(endpoint=ENDPOINT, sample_ratio=0)}), ""),
        (SETTINGS, str(CALLER)),
    ],
    ids=["the caller keeps none", "none is kept", "switched off"],
)
def test_what_is_not_kept_is_not_made(settings: Any, annotation: str) -> None:
    it = SimulatedOperator(settings=settings)
    it.api.create_task("task")
    assert it.task is not None
    it.task["metadata"]["annotations"] = {TRACEPARENT_ANNOTATION: annotation}
    it.settle()
    assert config_of(it).tracing is None
    it.api.change_spec("task", stop=True)
    it.settle()
    assert it.spans == []


def config_of(it: SimulatedOperator) -> RecorderConfig:
    (container,) = it.pod["spec"]["containers"]
    return RecorderConfig.model_validate_json(container["env"][0]["value"])
