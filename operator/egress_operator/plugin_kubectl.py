"""`kubectl egress` asks kubectl: a command in, tasks out.

kubectl's stderr is never captured: a refusal, or a credential plugin's question, goes to the person as it is.
"""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from egress_api.constants import GROUP, PLURAL
from egress_api.task import EgressTask
from egress_operator.errors import KubectlError, PluginError

RESOURCE: Final = f"{PLURAL}.{GROUP}"
ANSWER_SECONDS: Final = 60.0
"""For one answer of kubectl: a credential plugin may ask the person for something first."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """kubectl with the flags that were given."""

    flags: tuple[str, ...] = ()
    namespace: str | None = None

    def run(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> str:
        """Run to the end and return stdout.

        Raises:
            KubectlError: it refused, and has said why on stderr, or gave no answer in time.
            PluginError: there is no kubectl.
        """
        try:
            done = subprocess.run(
                self.command(*arguments), stdout=subprocess.PIPE, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise KubectlError(f"kubectl gave no answer within {late.timeout:g} s") from late
        except FileNotFoundError as missing:
            raise PluginError("there is no kubectl on the PATH: install it first") from missing
        if done.returncode:
            raise KubectlError
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        return ["kubectl", *self.flags, *arguments]

    def resource(self, name: str, *, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Return a task as the API server gives it; PluginError when there is none of that name."""
        text = self.run("get", RESOURCE, name, "--ignore-not-found", "--output=json", seconds=seconds)
        if not text.strip():
            place = f"namespace {self.current_namespace()}"
            raise PluginError(
                f"no task {name} in {place}; `kubectl egress list -A` has those of all namespaces"
            )
        found: dict[str, Any] = json.loads(text)
        return found

    def task(self, name: str, *, seconds: float = ANSWER_SECONDS) -> EgressTask:
        """Return a task."""
        return read(self.resource(name, seconds=seconds))

    def current_namespace(self) -> str:
        """Return the namespace that was asked for, or else the kubeconfig's."""
        if self.namespace:
            return self.namespace
        path = "--output=jsonpath={.contexts[0].context.namespace}"
        command = self.command("config", "view", "--minify", path)
        # It refuses where there is no kubeconfig, in a Pod: what it says then is of no use to anybody.
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
        return done.stdout or "default"


def read(resource: dict[str, Any]) -> EgressTask:
    """Parse a task; PluginError when it is of a version that these models don't know."""
    try:
        return EgressTask.from_resource(resource)
    except ValidationError as error:
        wrong = error.errors(include_input=False)[0]
        field = ".".join(str(part) for part in wrong["loc"])
        raise PluginError(
            f"task {resource['metadata']['name']} is not of this version: {field}: {wrong['msg']}; "
            "upgrade this plugin (pip install --upgrade egress-operator), or use kubectl get"
        ) from error
