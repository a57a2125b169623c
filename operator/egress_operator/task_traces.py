"""Hands a task's spans to the exporter as its status is written, its Pods are made and its events are sent.

In: what the reconciler has just done. Out: finished spans of traces that are kept. Nothing is waited for.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from egress_api.outbox import EventType
from egress_api.status import EgressTaskStatus
from egress_api.task import EgressTask, Metadata
from egress_api.tracing.export import Exporter, TracingError
from egress_api.tracing.spans import OpenSpan, Sink, Span, SpanKind
from egress_operator.errors import SettingsError
from egress_operator.pod_state import PodView
from egress_operator.task_spans import ended_spans, place_of, pod_created
from egress_operator.trace_settings import OperatorTracing
from egress_operator.webhooks.record import Subject

logger = structlog.get_logger(__name__)


def exporter_of(rules: OperatorTracing) -> Exporter | None:
    """Return what exports the operator's spans; None where there are no traces.

    Raises:
        SettingsError: there are to be traces, and OpenTelemetry is not installed.
    """
    if not rules.on:
        return None
    try:
        return Exporter(rules.endpoint, program="egress-operator")
    except TracingError as error:
        raise SettingsError(str(error)) from error


class TaskTraces:
    """The operator's part of all tasks' traces."""

    def __init__(self, sink: Sink, *, rules: OperatorTracing, clock: Callable[[], datetime]) -> None:
        self._sink = sink
        self._ratio = rules.sample_ratio
        self._clock = clock

    def changed(self, task: EgressTask, status: EgressTaskStatus, *, pod: PodView | None) -> None:
        """Note that a status has been written.

        Args:
            task: as it was read before.
            status: what was written.
            pod: of the attempt before, if it was there.
        """
        try:
            spans = ended_spans(task, status, pod=pod, now=self._clock(), sample_ratio=self._ratio)
        except Exception:
            # What the status asks for is still to be done.
            logger.exception("Spans are left out", task=task.metadata.name, namespace=task.metadata.namespace)
            return
        for span in spans:
            self._keep(span)

    def created(self, meta: Metadata, attempt: int, *, began: datetime) -> None:
        """Note that an attempt's Pod has been created by a call that began then."""
        self._keep(pod_created(meta, attempt, began=began, ended=self._clock(), sample_ratio=self._ratio))

    def webhook(self, subject: Subject, event: EventType) -> OpenSpan:
        """Return the span of a try to deliver an event, which begins now."""
        above = place_of(subject.uid, subject.traceparent, sample_ratio=self._ratio)
        return OpenSpan(
            self._sink,
            "egress.webhook",
            place=above.child(),
            parent_id=above.span_id,
            kind=SpanKind.CLIENT,
            began=self._clock(),
            attributes={
                "egress.task.id": subject.key.name,
                "k8s.namespace.name": subject.key.namespace,
                "egress.webhook.event": event.value,
                "http.request.method": "POST",
            },
        )

    def _keep(self, span: Span) -> None:
        if span.place.sampled:
            self._sink(span)
