"""The control plane's bench: its arithmetic, its page, and the recorders that kwok is to play."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from bench.control_plane import jobs, ours, page, stages
from bench.control_plane.callers import flow_schemas
from bench.control_plane.figures import Held, Kept, Latency, Run, Usage, cost, difference, dispatched, rate
from bench.control_plane.page import Results
from bench.control_plane.process import Program, Running, usage

from egress_api.results import LiveReport, TerminationSummary
from egress_cluster.errors import ClusterError
from egress_operator.pod_state import PodView
from egress_operator.settings import Settings

METRICS = """# HELP apiserver_flowcontrol_dispatched_requests_total [BETA] Number of executed requests
# TYPE apiserver_flowcontrol_dispatched_requests_total counter
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench.operator.pods",priority_level="workload-low"} 12
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench.operator.reads",priority_level="workload-low"} 1.5e+03
apiserver_flowcontrol_dispatched_requests_total{flow_schema="service-accounts",priority_level="workload-low"} 7
apiserver_request_total{code="200",verb="GET"} 9
"""


def spent(cpu: float, resident: int = 80_000_000) -> Usage:
    return Usage(cpu_seconds=cpu, resident_bytes=resident, highest_bytes=resident + 5_000_000)


def run(
    count: int = 300,
    seconds: float = 10.0,
    *,
    calls: Mapping[str, int] | None = None,
    operator: float = 3.0,
    gateway: float = 1.0,
) -> Run:
    return Run(
        count=count,
        seconds=seconds,
        spent={"operator": spent(operator), "gateway": spent(gateway), "kube-apiserver": spent(5.0)},
        calls=calls
        or {"operator/pods": 4 * count, "gateway/egresstasks": 2 * count, "operator/reads": 9 * count},
        posts=Latency(seconds=[0.01, 0.02, 0.03]),
        stops=Latency(seconds=[0.02]),
    )


def job_run(count: int = 300, seconds: float = 10.0) -> Run:
    return Run(
        count=count,
        seconds=seconds,
        spent={"kube-controller-manager": spent(2.0), "kube-apiserver": spent(4.0)},
        calls={"client/jobs": count, "job-controller/jobs": 3 * count},
        posts=Latency(seconds=[0.01]),
    )


KEPT = Kept(
    count=10_000,
    operator=spent(0, 150_000_000),
    gateway=spent(0, 260_000_000),
    operator_ready=4.0,
    gateway_ready=11.0,
    get=Latency(seconds=[0.001, 0.002]),
    lists=Latency(seconds=[0.01]),
    list_all_seconds=1.25,
    gets=30_000,
    gets_seconds=10.0,
    gets_cpu_seconds=9.0,
)


HELD = Held(
    count=300,
    seconds=60.0,
    spent={"operator": spent(12.0), "gateway": spent(0.6), "kube-apiserver": spent(6.0), "etcd": spent(3.0)},
    calls={"operator/egresstasks": 600, "operator/reads": 1200},
    asked=6000,
)


def test_calls_are_read_by_caller_and_others_left_out() -> None:
    assert dispatched(METRICS, prefix="bench.") == {"operator.pods": 12, "operator.reads": 1500}


def test_what_was_not_called_in_between_is_not_counted() -> None:
    assert difference({"a": 5, "b": 2, "c": 1}, {"a": 3, "b": 2}) == {"a": 2, "c": 1}


def test_reads_are_no_writes() -> None:
    found = run()

    assert (found.writes(), found.reads()) == (6, 9)


def test_rate_and_cost_are_the_median_of_the_rounds() -> None:
    runs = [run(seconds=10), run(seconds=20), run(seconds=5, operator=30)]

    assert rate(runs) == 30
    assert cost(runs, "operator", "gateway") == pytest.approx(4 / 300)


def test_a_process_has_spent_what_came_since_the_last_look() -> None:
    assert spent(5.0, 7).since(spent(3.0, 9)) == spent(2.0, 7)
    assert spent(5.0, 7).since(None) == spent(5.0, 7)


def test_no_answers_have_no_percentile() -> None:
    assert Latency(seconds=()).text() == "nan / nan ms"


def test_every_aim_stands_beside_its_figure_and_a_missed_one_is_said_to_be() -> None:
    found = Results(
        tasks={300: [run(300, 10)], 3000: [run(3000, 100, operator=60, gateway=10)]},
        jobs={300: [job_run(300, 15)], 3000: [job_run(3000, 50)]},
        paced=run(1000, 11),
        pace=100,
        kept=KEPT,
    )

    assert list(page.aims(found)) == [
        ("rate of 300 tasks against 300 Jobs", "≥ 1.2 ×", "1.50 ×", "kept"),
        ("rate of 3000 tasks against 3000 Jobs", "≥ 1.2 ×", "0.50 ×", "**missed**"),
        ("writes for a task over its life (300)", "≤ 8", "6.00", "kept"),
        ("writes for a task over its life (3000)", "≤ 8", "6.00", "kept"),
        ("CPU for a task at 3000 against 300", "≤ 1.3 ×", "1.75 ×", "**missed**"),
        ("POST p99 at 100 starts/s", "< 100 ms", "30 ms", "kept"),
        ("status calls/s for a core, at 10000 finished tasks", "≥ 2000", "3333", "kept"),
        ("operator's memory at 10000 finished tasks", "≤ 200 MB", "150 MB", "kept"),
        ("gateway's memory at 10000 finished tasks", "≤ 250 MB", "260 MB", "**missed**"),
        ("operator: from its start to ready at 10000 finished tasks", "≤ 10 s", "4.0 s", "kept"),
        ("gateway: from its start to ready at 10000 finished tasks", "≤ 10 s", "11.0 s", "**missed**"),
    ]


def test_the_section_has_every_table() -> None:
    found = Results(
        tasks={300: [run(), run(seconds=20)]},
        jobs={300: [job_run()]},
        paced=run(),
        pace=100,
        held=HELD,
        kept=KEPT,
    )

    text = "\n".join(page.section(found, made="Written by a command."))

    assert text.startswith("## The control plane\n\nWritten by a command.\n\n")
    assert "| 300 | tasks | 22.5 | 30.0, 15.0 | 20 / 30 ms | 20 / 20 ms |" in text
    assert "| 300 | Jobs | 30.0 | 30.0 | 10 / 10 ms |  |" in text
    assert "| 300 at 100/s | tasks | 30.0 |" in text
    assert "| CPU for each, ms | 300 tasks | 300 Jobs |" in text
    assert "| operator | 10.0 |  |" in text
    assert "| kube-controller-manager |  | 6.7 |" in text
    assert "| operator's memory at the end | 80 MB |  |" in text
    assert "| `client/jobs` |  | 1.00 |" in text
    assert "| writes in all | 6.00 | 4.00 |" in text
    assert "### 300 recordings that go on" in text
    assert "| operator, cores | 0.200 |" in text
    assert "| operator, cores for 1000 recordings | 0.67 |" in text
    assert "| recorders asked for their status | 100.0/s |" in text
    assert "| writes to the API server | 10.00/s |" in text
    assert "### 10000 finished tasks kept" in text
    assert "| status calls at full speed | 3000/s, 3333/s for a core |" in text


def test_a_section_without_the_other_side_or_kept_tasks_has_what_was_measured() -> None:
    text = "\n".join(page.section(Results(tasks={300: [run()]}), made="Made."))

    assert "Jobs |" not in text.partition("### Aims")[2]
    assert "kept\n" not in text


def test_what_kwok_says_last_is_what_a_recorder_says() -> None:
    words = stages.last_words().replace("{{ .status.startTime }}", "2026-11-23T05:11:22Z")
    words = words.replace("{{ Now }}", "2026-11-23T05:11:30.123456789Z")

    summary = TerminationSummary.from_message(words)

    assert summary is not None
    assert summary.joined_at is not None
    assert (summary.ended_at - summary.joined_at).total_seconds() == pytest.approx(8.123, abs=0.001)
    report = LiveReport.model_validate_json(stages.report(summary.joined_at, seconds=8.0))
    assert report.files == summary.files


def test_kwok_is_given_templates_that_are_yaml_once_they_are_filled_in() -> None:
    documents = list(yaml.safe_load_all(stages.configuration()))
    templates = {
        document["metadata"]["name"]: document["spec"]["next"]["statusTemplate"]
        for document in documents
        if "statusTemplate" in document.get("spec", {}).get("next", {})
    }

    assert sorted(templates) == [
        "job-completes", "node-is-ready", "pod-is-ready", "recorder-ends-as-it-is-told", "recorder-ends-when-deleted",
    ]  # fmt: skip
    for name, template in templates.items():
        text = template
        for call, value in (("Now", "2026-11-23T05:11:30Z"), (".status.startTime", "2026-11-23T05:11:22Z")):
            text = text.replace(f"{{{{ {call} | Quote }}}}", f'"{value}"').replace(f"{{{{ {call} }}}}", value)
        status = yaml.safe_load(text.replace("{{ NodeIP | Quote }}", '"127.77.0.1"'))
        if name == "node-is-ready":
            continue
        view = PodView.from_resource(
            {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "status": status}
        )
        assert view.ready == (name == "pod-is-ready")
        assert view.ip == (stages.ADDRESS if view.ready else None)
        assert (view.container_end is None) == view.ready
        if view.container_end is not None:
            assert TerminationSummary.from_message(view.container_end.message) is not None


def test_both_sides_have_the_same_pod_but_only_ours_is_the_operators(tmp_path: Path) -> None:
    config = tmp_path / "operator.yaml"
    config.write_text(yaml.safe_dump(ours.operator_settings(namespace="media", port=1234)))
    settings = Settings.load(config)

    made = jobs.job("job-1", namespace="media", settings=settings)

    assert (settings.namespaces, settings.metrics_port, settings.max_finished) == (["media"], 1234, 0)
    template = made["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    assert template["spec"]["restartPolicy"] == "Never"
    assert template["metadata"]["labels"]["egress-operator.dev/bench"] == "job"
    assert "app.kubernetes.io/managed-by" not in template["metadata"]["labels"]
    assert "finalizers" not in template["metadata"]


def test_the_gateway_runs_with_the_charts_environment() -> None:
    found = ours.rendered_environment()

    assert found["EGRESS_GATEWAY_LOG_LEVEL"] == "info"
    assert "EGRESS_GATEWAY_AUTH" in found


def test_calls_are_counted_where_they_have_been_let_through_before() -> None:
    schemas = {schema["metadata"]["name"]: schema["spec"] for schema in flow_schemas()}

    operator, job_controller = schemas["bench.operator.pods"], schemas["bench.job-controller.pods"]
    assert operator["priorityLevelConfiguration"] == {"name": "workload-low"}
    assert job_controller["priorityLevelConfiguration"] == {"name": "workload-high"}
    assert "get" not in operator["rules"][0]["resourceRules"][0]["verbs"]
    assert schemas["bench.operator.reads"]["matchingPrecedence"] > operator["matchingPrecedence"]


def test_the_kernel_says_what_a_process_spends() -> None:
    before = usage(os.getpid())
    sum(range(3_000_000))
    after = usage(os.getpid())

    assert after.cpu_seconds >= before.cpu_seconds > 0
    assert after.highest_bytes >= after.resident_bytes > 1_000_000


def test_a_program_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such setting')"]
    with (
        Running(Program(name="operator", command=command, folder=tmp_path)) as running,
        pytest.raises(ClusterError, match="no such setting"),
    ):
        running.until("ready", lambda: False, seconds=20)


def test_a_program_ends_with_its_context(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    with Running(Program(name="gateway", command=command, folder=tmp_path)) as running:
        running.until("up", lambda: "up" in running.log.read_text(), seconds=20)

    assert running._process.returncode is not None


def test_help_says_every_size() -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "bench.control_plane", "--help"]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=50, check=False,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for option in ("--counts", "--rounds", "--pace", "--kept", "--profile", "--write"):
        assert option in done.stdout
