"""Alerts and dashboard, as Prometheus itself reads them: promtool checks rules, queries and the metrics' own names."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import generate_latest

from egress_gateway.metrics import Metrics as GatewayMetrics
from egress_operator.metrics import Metrics as OperatorMetrics
from egress_recorder.live import Live
from egress_recorder.metrics import MetricsText
from egress_recorder.people import People
from support.charts import REPOSITORY, RefusedError, program, render
from support.recorder import recorder_config

CASES: Final[dict[str, dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "alert_cases.yaml").read_text()
)
_ON: Final = {"prometheusRule": {"enabled": True}, "grafanaDashboard": {"enabled": True}}
_NAME: Final = re.compile(r"\b(?:egress|process)_\w+")


def _exposed() -> dict[str, str]:
    live = Live(config=recorder_config(), people=People(now=0.0), beat_at=0.0)
    operator = OperatorMetrics()
    operator.observe_queue(depth=lambda: 0, oldest=lambda: 0)
    operator.observe_webhooks(oldest=lambda: 0)
    return {
        "gateway": GatewayMetrics().render().decode(),
        "operator": generate_latest(operator.registry).decode(),
        "recorder": MetricsText(live)().decode(),
    }


def _groups(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    (rule,) = render({**_ON, **(values or {})}).all_of("PrometheusRule")
    return list(rule["spec"]["groups"])


def _dashboard() -> dict[str, Any]:
    found = render(_ON).one("ConfigMap", "egress-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = found["data"].values()
    return dict(json.loads(text))


def _panel_queries() -> Iterator[str]:
    for panel in _dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m").replace("$namespace", "media")


def _promtool(*arguments: str, folder: Path, text: str = "") -> str:
    done = subprocess.run(
        [program("promtool"), *arguments],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _write_rules(folder: Path) -> None:
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": _groups()}))


def test_prometheus_reads_the_rules(tmp_path: Path) -> None:
    _write_rules(tmp_path)
    assert _promtool("check", "rules", "--lint-fatal", "rules.yaml", folder=tmp_path) == ""


def test_prometheus_reads_the_dashboards_queries(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(_panel_queries())]
    assert len(rules) > 15
    text = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
    (tmp_path / "queries.yaml").write_text(text)
    assert _promtool("check", "rules", "queries.yaml", folder=tmp_path) == ""


@pytest.mark.parametrize("part", ["gateway", "operator", "recorder"])
def test_metrics_are_named_by_prometheus_rules(part: str, tmp_path: Path) -> None:
    assert _promtool("check", "metrics", folder=tmp_path, text=_exposed()[part]) == ""


def test_alerts_and_dashboard_ask_for_metrics_that_exist() -> None:
    exposed = "\n".join(_exposed().values())
    # A counter or histogram without a value yet shows only its head.
    known = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    known |= {f"{name}{end}" for name in known for end in ("_bucket", "_sum", "_count")}
    queries = [*_panel_queries(), *(rule["expr"] for group in _groups() for rule in group["rules"])]
    assert {name for query in queries for name in _NAME.findall(query)} - known == set()


def _series(cases: list[str]) -> list[dict[str, str]]:
    pairs = (case.replace("ns", 'namespace="media"', 1).rsplit("}", 1) for case in cases)
    return [{"series": f"{name}}}", "values": values.strip()} for name, values in pairs]


def _case(alert: str, case: dict[str, Any], *, fires: bool) -> dict[str, Any]:
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    samples = [{"labels": "{}", "value": int(fires)}]
    return {
        "name": f"{alert} {'fires' if fires else 'is quiet'}",
        "interval": "1m",
        "input_series": _series(case["fires" if fires else "quiet"]),
        "promql_expr_test": [{"expr": firing, "eval_time": case["at"], "exp_samples": samples}],
    }


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    rules = {rule["alert"]: rule for group in _groups() for rule in group["rules"]}
    assert rules.keys() == CASES.keys()
    tests = [_case(alert, case, fires=fires) for alert, case in CASES.items() for fires in (True, False)]
    _write_rules(tmp_path)
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    assert _promtool("test", "rules", "tests.yaml", folder=tmp_path) == ""


def test_an_alert_can_be_left_out_and_a_wrong_name_is_told() -> None:
    values = {"prometheusRule": {"enabled": True, "disabled": ["EgressStartsSlow"], "labels": {"a": "b"}}}
    names = {rule["alert"] for group in _groups(values) for rule in group["rules"]}
    assert names == CASES.keys() - {"EgressStartsSlow"}
    values["prometheusRule"]["disabled"] = ["EgressStartSlow"]
    with pytest.raises(RefusedError, match="there is no alert EgressStartSlow; there are EgressOperatorDown"):
        render(values)


def test_no_gateway_no_alert_about_it() -> None:
    values = {
        "gateway": {"enabled": False},
        "prometheusRule": {"enabled": True, "disabled": ["EgressGatewaySlow"]},
    }
    names = {group["name"] for group in _groups(values)}
    assert names == {"egress-operator", "egress-tasks", "egress-recorders"}


def test_what_is_away_is_away_in_this_release_and_a_look_is_old_by_its_own_interval() -> None:
    groups = _groups({"operator": {"settings": {"resyncSeconds": 3600}}})
    queries = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    assert (
        queries["EgressOperatorDown"] == 'absent(egress_operator_resync_timestamp_seconds{namespace="media"})'
    )
    assert queries["EgressGatewayDown"] == 'absent(egress_gateway_cache_fresh{namespace="media"})'
    assert queries["EgressOperatorResyncOld"].endswith("> 14400")


def test_neither_is_made_unless_asked_for() -> None:
    kinds = {(item["kind"], item["metadata"]["name"]) for item in render().objects}
    assert ("ConfigMap", "egress-dashboard") not in kinds
    assert "PrometheusRule" not in {kind for kind, _ in kinds}


@pytest.mark.parametrize("script", ["charts/generate_dashboard.py", "docs/generate_alerts.py"])
def test_what_is_generated_is_committed(script: str) -> None:
    command = [sys.executable, str(REPOSITORY / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
