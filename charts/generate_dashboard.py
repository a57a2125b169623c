"""Writes the Grafana dashboard that the chart installs: charts/egress-operator/files/dashboard.json.

In: the rows below. Out: the dashboard as Grafana imports it, with a choice of data source and of namespace.
`--check` writes nothing and fails on a difference. What is asked for exists: tests/unit/chart hold each metric's name
against the programs' own, and promtool reads each query.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).resolve().parent / "egress-operator" / "files" / "dashboard.json"
_COLUMNS: Final = 24
_HEIGHT: Final = 7
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram."""

    title: str
    queries: dict[str, str]
    """PromQL by legend; `HERE` stands for the choice of namespace."""
    unit: str = "short"
    """Grafana's word for it."""
    text: str = ""
    """What there is to know when looking at it."""


def _rate(metric: str, by: str, *, only: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{only}HERE}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, *, only: str = "") -> str:
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', 'le', only=only)})"


_REQUEST_SECONDS: Final = "egress_gateway_request_duration_seconds"
_FAILED: Final = 'state="FAILED",'
_POST: Final = 'method="POST",'

ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Tasks": (
        Panel(
            title="Tasks that have not ended",
            queries={
                "{{state}}": 'sum by (state) (egress_operator_tasks{state=~"ENQUEUED|PROCESSING|STOPPING",HERE})'
            },
            text="As of the operator's last full look.",
        ),
        Panel(
            title="Ends per minute",
            queries={"{{state}}": f"60 * {_rate('egress_operator_tasks_ended_total', 'state')}"},
            text="STOPPED is as wanted.",
        ),
        Panel(
            title="Failures per minute",
            queries={
                "{{reason}}": f"60 * {_rate('egress_operator_transitions_total', 'reason', only=_FAILED)}"
            },
            text="docs/operator.md says what each reason means.",
        ),
        Panel(
            title="From a start to the recording",
            queries={
                "median": _quantile(0.5, "egress_operator_start_seconds"),
                "90 %": _quantile(0.9, "egress_operator_start_seconds"),
            },
            unit="s",
        ),
    ),
    "Recorders": (
        Panel(
            title="Recorded seconds per second",
            queries={
                "all recorders": "sum(deriv(egress_recorder_recorded_seconds{HERE}[$__rate_interval]))",
                "recorders that are ready": "sum(egress_recorder_ready{HERE})",
            },
            text="Both are the same while everything that could be recorded is.",
        ),
        Panel(
            title="Waits for the store",
            queries={"{{pod}}": "topk(10, egress_recorder_pending_bytes{HERE})"},
            unit="bytes",
            text="What is recorded and not uploaded yet, the ten largest.",
        ),
        Panel(
            title="Lost seconds",
            queries={"{{pod}}": "topk(10, egress_recorder_lost_seconds{HERE} > 0)"},
            unit="s",
            text="Over all attempts, pauses not counted, the ten largest; the task's gaps say when and why.",
        ),
        Panel(
            title="What went wrong",
            queries={
                "captures that died": "sum(increase(egress_recorder_capture_restarts_total{HERE}[$__rate_interval]))",
                "uploads that failed": "sum(increase(egress_recorder_upload_failures_total{HERE}[$__rate_interval]))",
                "segments dropped": "sum(increase(egress_recorder_segments_dropped_total{HERE}[$__rate_interval]))",
                "segments lost": "sum(increase(egress_recorder_segments_lost_total{HERE}[$__rate_interval]))",
            },
        ),
    ),
    "Gateway": (
        Panel(
            title="Requests per second",
            queries={"{{code}}": _rate("egress_gateway_requests_total", "code")},
            unit="reqps",
        ),
        Panel(
            title="Time for a start or a stop",
            queries={
                "median": _quantile(0.5, _REQUEST_SECONDS, only=_POST),
                "99 %": _quantile(0.99, _REQUEST_SECONDS, only=_POST),
            },
            unit="s",
        ),
        Panel(
            title="Callers that wait for changes",
            queries={"{{kind}}": "sum by (kind) (egress_gateway_held_requests{HERE})"},
        ),
        Panel(
            title="Refused",
            queries={
                "not known: {{outcome}}": _rate(
                    "egress_gateway_auth_checks_total", "outcome", only='outcome!="allowed",'
                ),
                "too often: {{what}}": _rate("egress_gateway_rate_limited_total", "what"),
            },
            unit="reqps",
        ),
    ),
    "Operator": (
        Panel(
            title="Looks at tasks per second",
            queries={"{{result}}": _rate("egress_operator_reconciles_total", "result")},
            unit="ops",
        ),
        Panel(
            title="Time for a look",
            queries={
                "median": _quantile(0.5, "egress_operator_reconcile_seconds"),
                "99 %": _quantile(0.99, "egress_operator_reconcile_seconds"),
            },
            unit="s",
        ),
        Panel(
            title="Work queue",
            queries={
                "tasks that wait": "sum(egress_operator_queue_depth{HERE})",
                "age of the oldest, seconds": "max(egress_operator_queue_oldest_seconds{HERE})",
            },
        ),
        Panel(
            title="Places",
            queries={
                "taken": "sum(egress_operator_places_held{HERE})",
                "waiting: {{reason}}": "sum by (reason) (egress_operator_places_waiting{HERE})",
            },
            text="Where a limit is set (docs/queue.md).",
        ),
        Panel(
            title="Webhooks per minute",
            queries={"{{outcome}}": f"60 * {_rate('egress_operator_webhook_tries_total', 'outcome')}"},
        ),
        Panel(
            title="Memory",
            queries={
                "operator": "process_resident_memory_bytes{HERE} and on (namespace, pod) egress_operator_queue_depth",
                "gateway {{pod}}": "process_resident_memory_bytes{HERE} "
                "and on (namespace, pod) egress_gateway_cache_tasks",
            },
            unit="bytes",
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana's JSON."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(_row(title, number=len(panels) + 1, top=top))
        top += 1
        width = _COLUMNS // len(row)
        for column, panel in enumerate(row):
            place = {"h": _HEIGHT, "w": width, "x": column * width, "y": top}
            panels.append(_panel(panel, number=len(panels) + 1, place=place))
        top += _HEIGHT
    return {
        "title": "Egress operator",
        "uid": "egress-operator",
        "tags": ["egress-operator"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _choices()},
        "panels": panels,
    }


def _choices() -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    namespace = {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": 'label_values({__name__=~"egress_operator_queue_depth|egress_recorder_ready|egress_gateway_cache_tasks"}, namespace)',
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        # Also where nothing is labelled with a namespace.
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
    return [source, namespace]


def _row(title: str, *, number: int, top: int) -> dict[str, Any]:
    place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, *, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.replace("HERE", 'namespace=~"$namespace"'),
                "legendFormat": legend,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def main() -> None:
    """Write the file, or with `--check` exit with 1 where it differs."""
    text = json.dumps(dashboard(), indent=2) + "\n"
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text)
    elif TARGET.read_text() != text:
        sys.exit(f"{TARGET} differs from {Path(__file__).name}: run `make generate`")


if __name__ == "__main__":
    main()
