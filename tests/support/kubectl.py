"""Drive the demo's cluster with kubectl, as `make demo` leaves it.

In: a namespace and arguments. Out: text or parsed JSON; a refusal becomes `KubectlError` with what kubectl said.
It must not wait for ever: every call has a deadline. Secrets go in by stdin, never by argument.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egress_cluster.settings import Settings


class KubectlError(RuntimeError):
    """kubectl refused or did not answer in time."""

    def __init__(self, arguments: list[str], said: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {said.strip()}")
        self.arguments, self.said = arguments, said


def cluster_settings() -> Settings:
    """Give what the cluster tool goes by in this environment: where its programs and the kubeconfig are."""
    return Settings.from_environment(os.environ)


def cluster_program(name: str) -> str:
    """Find a program of the cluster tool; the PATH's own is the second choice, its version may not fit."""
    built = cluster_settings().bin / name
    found = str(built) if built.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"no {name} in {built.parent} or on the PATH: run `make up`")
    return found


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """kubectl with one kubeconfig and one namespace."""

    namespace: str
    kubeconfig: Path = field(default_factory=lambda: cluster_settings().kubeconfig)
    timeout_seconds: float = 30.0

    def command(self, *arguments: str) -> list[str]:
        """Give the whole command line, for callers that start the process themselves."""
        return [
            cluster_program("kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            *arguments,
        ]

    def run(self, *arguments: str, stdin: str | None = None, timeout_seconds: float | None = None) -> str:
        """Run to the end and return stdout."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                input=stdin or "",
                capture_output=True,
                text=True,
                timeout=timeout_seconds or self.timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as slow:
            raise KubectlError([*arguments], f"no answer within {slow.timeout:g} s") from slow
        if done.returncode:
            raise KubectlError([*arguments], done.stderr or done.stdout)
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return `kubectl get … -o json`, parsed."""
        return json.loads(self.run("get", *arguments, "--output=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects on the server's side: a repeat changes nothing."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run(
            "apply", "--server-side", "--force-conflicts", "--field-manager=demo", "--filename=-",
            stdin=json.dumps(items),
        )  # fmt: skip
