"""What `eval "$(… env)"` does in a shell."""

import subprocess
from pathlib import Path

from egress_cluster.settings import Settings
from egress_cluster.shell import exports


def _after_eval(lines: str, variable: str) -> str:
    script = f'{lines}\nprintf %s "${variable}"'
    command = ["sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={}, timeout=10).stdout


def test_a_shell_gets_cluster_tools_and_engine() -> None:
    settings = Settings(cache=Path("/a cache/it's"), environment={"PATH": "/usr/bin:/bin"})
    lines = exports(settings, docker_host="unix:///run/docker.sock")

    assert _after_eval(lines, "KUBECONFIG") == "/a cache/it's/kubeconfig"
    assert _after_eval(lines, "PATH") == "/a cache/it's/bin:/usr/bin:/bin"
    assert _after_eval(lines, "DOCKER_HOST") == "unix:///run/docker.sock"


def test_twice_is_as_once() -> None:
    settings = Settings(cache=Path("/c"), environment={"PATH": "/c/bin:/usr/bin"})
    assert _after_eval(exports(settings, docker_host=None), "PATH") == "/c/bin:/usr/bin"


def test_the_default_engine_needs_no_address() -> None:
    assert "DOCKER_HOST" not in exports(Settings(cache=Path("/c")), docker_host=None)
