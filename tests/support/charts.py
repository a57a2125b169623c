"""The chart as data: `helm template` in, parsed objects out, and kubeconform over them with no network.

In: values. Out: the objects, or `RefusedError` with what helm said. kubeconform's own schemas are on a server; here they
come from the kubernetes-validate package, which carries those of every Kubernetes version.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from egress_cluster import gobuild
from egress_cluster.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "egress-operator"
NAMESPACE = "media"
RELEASE = "egress"
OLDEST, NEWEST = "1.30.0", "1.37.0"
"""The Chart.yaml's floor, and the newest that kubernetes-validate knows."""

ENOUGH: dict[str, Any] = {
    "store": {"url": "s3://recordings", "credentialsSecret": "egress-store"},
    "sources": {"default": {"url": "ws://livekit.rtc:7880"}},
}
"""The values that an install cannot do without."""

Object = dict[str, Any]


class RefusedError(Exception):
    """Helm did not render the chart; the text is what it said."""


@cache
def program(name: str) -> str:
    """Find helm, kubeconform or promtool, and build it where the machine has none."""
    known = {"helm": gobuild.HELM, "kubeconform": gobuild.KUBECONFORM, "promtool": gobuild.PROMTOOL}
    return str(gobuild.wanted(known[name], Settings.from_environment(os.environ)))


@dataclass(frozen=True)
class Rendered:
    """What `helm template` made."""

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        """Every object, hooks too."""
        # The C loader: the definition alone takes the other one 0.3 s.
        return [document for document in yaml.load_all(self.text, Loader=yaml.CSafeLoader) if document]

    def all_of(self, kind: str) -> list[Object]:
        """Return the objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str, *, namespace: str = NAMESPACE) -> Object:
        """Return the one object of that kind and name."""
        (found,) = [
            item
            for item in self.all_of(kind)
            if item["metadata"]["name"] == name and item["metadata"].get("namespace", namespace) == namespace
        ]
        return found

    def settings(self) -> Object:
        """Return the operator's settings file, parsed."""
        return dict(yaml.safe_load(self.one("ConfigMap", f"{RELEASE}-operator")["data"]["operator.yaml"]))


def merged(base: Object, over: Object) -> Object:
    """Return `base` with `over` laid on top, as Helm lays values files."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def helm(*arguments: str, values: Object | None = None, seconds: float = 60) -> str:
    """Run helm without a cluster, values by stdin, and return what it printed."""
    command = [program("helm"), *arguments, "--kube-version", NEWEST]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(
        command, input=json.dumps(values or {}), capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise RefusedError(done.stderr + done.stdout)
    return done.stdout


def render(values: Object | None = None) -> Rendered:
    """Render the chart with `ENOUGH` and these values over it."""
    return render_exactly(merged(ENOUGH, values or {}))


def render_exactly(values: Object) -> Rendered:
    """Render the chart with these values alone; what is asked for again is remembered."""
    return _render(json.dumps(values, sort_keys=True))


@cache
def _render(values: str) -> Rendered:
    text = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=json.loads(values))
    return Rendered(text)


def conform(sets: dict[str, Rendered], *, version: str, folder: Path) -> str:
    """Return kubeconform's findings for a Kubernetes version, by name of the set; empty when all is well."""
    # One run for all: it compiles the schema of a kind once.
    _write_schemas(
        [item for rendered in sets.values() for item in rendered.objects], version=version, folder=folder
    )
    (folder / "rendered").mkdir()
    for name, rendered in sets.items():
        (folder / "rendered" / f"{name}.yaml").write_text(rendered.text)
    location = f"{folder}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    done = subprocess.run(
        [program("kubeconform"), "-strict", "-schema-location", location, "rendered"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert bool(done.returncode) == bool(done.stdout + done.stderr), done
    return done.stdout + done.stderr


def _write_schemas(objects: list[Object], *, version: str, folder: Path) -> None:
    # The package's schemas name a web address as their own; without it kubeconform resolves them as files.
    source = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{version}-local-strict"
    names = {"_definitions.json"}
    for item in objects:
        group, _, version_word = item["apiVersion"].rpartition("/")
        parts = [item["kind"].lower(), group.split(".")[0], version_word]
        names.add("-".join(part for part in parts if part) + ".json")
    for name in names:
        schema = json.loads(
            (source / name).read_text().replace('"/api/_definitions.json#', '"_definitions.json#')
        )
        schema.pop("$id", None)
        (folder / name).write_text(json.dumps(schema))
