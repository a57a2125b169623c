"""Run schemathesis against a gateway: what it is to do stands in tests/schemathesis.toml."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = TESTS.parent / "docs" / "openapi.json"


@dataclass(frozen=True)
class Run:
    """What came of it."""

    fine: bool
    text: str
    """What schemathesis says, with a curl line for each failure."""
    answers: Counter[tuple[str, str, int]]
    """How often each status was answered, by method and path as it is documented."""


def schemathesis(url: str, *arguments: str, folder: Path) -> Run:
    """Call every operation of the committed document at `url`, and check each answer against it."""
    report = folder / "schemathesis.ndjson"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(TESTS / "schemathesis.toml")),
        *("run", str(DOCUMENT), "--url", url, "--no-color", *arguments),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]
    # Hooks are imported by name, and so is this project's code, wherever it is.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    return Run(done.returncode == 0, done.stdout + done.stderr, _answers(report))


def _answers(report: Path) -> Counter[tuple[str, str, int]]:
    found: Counter[tuple[str, str, int]] = Counter()
    for line in report.read_text().splitlines() if report.exists() else ():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for name, interaction in recorder.get("interactions", {}).items():
            case, response = recorder["cases"][name]["value"], interaction.get("response")
            if response is not None:
                found[case["method"], case["path"], response["status_code"]] += 1
    return found
