"""The command line: answers for scripts, a sentence for people, and nothing left running when it is ended."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from egress_cluster.gobuild import GO_VERSION, PROGRAMS
from egress_cluster.settings import CLUSTER_FOLDER

GO = """\
#!/bin/sh
echo $$ > "$EGRESS_CACHE/go.pid.new" && mv "$EGRESS_CACHE/go.pid.new" "$EGRESS_CACHE/go.pid"
exec sleep 60
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A cache of its own, and a Go that never comes to an end."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "go").write_text(GO)
    (programs / "go").chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:/usr/bin:/bin", "EGRESS_CACHE": str(tmp_path)}


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_ended_by_sigterm_it_ends_what_it_started(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "egress_cluster", "build-tools", "coredns"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "go.pid").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline, "the build has not begun"
            time.sleep(0.05)
        child = int((tmp_path / "go.pid").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not _running(child)


def test_a_tool_that_nobody_knows_is_a_sentence(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "egress_cluster", "build-tools", "nothing"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("egress-cluster: There is no tool nothing; there are kube, coredns, kind")


def test_the_go_that_is_asked_for_builds_every_program() -> None:
    asked = {
        tuple(map(int, match[1].split(".")))
        for program in PROGRAMS
        if (match := re.search(r"^go (\d+\.\d+)", _module(program.folder), re.MULTILINE))
    }
    assert max(asked) == tuple(map(int, GO_VERSION.split(".")))


def _module(folder: str) -> str:
    return (CLUSTER_FOLDER / folder / "go.mod").read_text()
