"""The chart against a real API server: what it accepts, what a release leaves, who may do what.

No controller runs here, so Pods never start and hooks are left out; tests/e2e/test_chart.py has those. The
server is this module's own: a release owns the EgressTask definition of a whole cluster.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from egress_api.constants import GROUP, PLURAL
from egress_cluster import deploy, gobuild
from egress_cluster.apiserver import ApiServer
from egress_cluster.settings import Settings
from support.charts import CHART, ENOUGH, NAMESPACE, RELEASE, REPOSITORY, merged, program, render
from support.e2e import until

pytestmark = pytest.mark.timeout(120)

EXAMPLE = REPOSITORY / "examples" / "record-channel.yaml"
PAGES = {
    "recorder": {"web": {"image": "web:1"}},
    "pages": {
        "default": {"allow": ["10.1.0.0/16", "fd00::1"]},
        "networkPolicy": {"allow": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 9000}]}]},
    },
    "networkPolicy": {"egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]},
}
OWN = {"namespaces": [NAMESPACE, "team-a"], "rbac": {"aggregateToDefaultRoles": True}}


TOO_MUCH = [
    ("egress-operator", "get", "secrets"),
    ("egress-operator", "list", "secrets"),
    ("egress-operator", "create", "secrets"),
    ("egress-operator", "create", "pods:exec"),
    ("egress-operator", "get", "pods:log"),
    ("egress-operator", "update", f"{GROUP}/{PLURAL}"),
    ("egress-operator", "patch", f"{GROUP}/{PLURAL}"),
    ("egress-operator", "create", f"{GROUP}/{PLURAL}"),
    ("egress-gateway", "get", "secrets"),
    ("egress-gateway", "list", "secrets"),
    ("egress-gateway", "update", "secrets"),
    ("egress-gateway", "delete", "secrets"),
    ("egress-gateway", "get", "pods"),
    ("egress-gateway", "create", "authentication.k8s.io/tokenreviews"),
    ("egress-gateway", "create", "authorization.k8s.io/subjectaccessreviews"),
    ("egress-gateway", "patch", f"{GROUP}/{PLURAL}:status"),
    ("egress-gateway", "deletecollection", f"{GROUP}/{PLURAL}"),
    ("egress-recorder", "get", "pods"),
    ("egress-recorder", "get", "secrets"),
    ("egress-recorder", "get", f"{GROUP}/{PLURAL}"),
]
"""(account, verb, resource): what a mistake would give away first."""


class Cluster:
    """helm and kubectl against one API server."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def helm(self, command: str, *arguments: str, values: dict[str, Any] | None = None) -> str:
        flags = [f"--kubeconfig={self.server.kubeconfig}", f"--namespace={NAMESPACE}", "--no-hooks"]
        if values is not None:
            arguments = (*arguments, "--values=-")
        return self._run(
            program("helm"), command, RELEASE, *arguments, *flags, stdin=json.dumps(values or {})
        )

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        kubeconfig = f"--kubeconfig={self.server.kubeconfig}"
        return self._run(str(self.server.kubectl), kubeconfig, *arguments, stdin=stdin)

    def may(self, account: str, verb: str, resource: str, *, namespace: str = NAMESPACE) -> bool:
        group, _, plain = resource.rpartition("/") if resource.count("/") == 1 else ("", "", resource)
        resource_name, _, subresource = plain.partition(":")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{NAMESPACE}:{account}",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": verb,
                    "group": group,
                    "resource": resource_name,
                    "subresource": subresource,
                },
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.server.request("POST", path, body=review)["status"]["allowed"])

    @staticmethod
    def _run(*command: str, stdin: str) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    kube = gobuild.built(gobuild.KUBE, Settings.from_environment(os.environ))
    with ApiServer(kube, folder=tmp_path_factory.mktemp("chart-server")) as server:
        found = Cluster(server)
        for namespace in (NAMESPACE, "team-a", "elsewhere"):
            found.kubectl("create", "namespace", namespace)
        yield found


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Cluster]:
    cluster.helm("install", str(CHART), values=merged(ENOUGH, OWN))
    yield cluster
    cluster.helm("uninstall", "--ignore-not-found")


def test_the_api_server_takes_everything_and_warns_of_nothing(cluster: Cluster) -> None:
    values = {**OWN, **PAGES, "crds": {"install": False}, "gateway": {"replicas": 2}}
    values = merged(values, {"recorder": {"priorityClass": {"create": True}}})
    command = [str(cluster.server.kubectl), f"--kubeconfig={cluster.server.kubeconfig}"]
    command += ["apply", "--server-side", "--dry-run=server", "--validate=strict"]
    done = subprocess.run(
        [*command, "--filename=-"],
        input=render(values).text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"store": {"options": {"endpoint": "http://store.demo:7070"}}}, "the store, store.demo port 7070"),
        ({"pages": {"apps": {"a": {"allow": ["slides.media"]}}}}, "slides.media (pages.default.allow"),
        ({}, None),
    ],
)
def test_an_install_says_what_pages_would_not_reach(
    cluster: Cluster, values: dict[str, Any], says: str | None
) -> None:
    web = {"recorder": {"web": {"image": "web:1"}}}
    notes = cluster.helm(
        "install", str(CHART), "--dry-run=client", values=merged(ENOUGH, merged(web, values))
    )
    assert ("add rules that lead there to pages.networkPolicy.allow" in notes) is (says is not None)
    assert (says or "") in notes


@pytest.mark.parametrize(
    ("gateway", "says"),
    [
        ({}, "WARNING: the gateway asks nobody who they are"),
        ({}, "Keep the Service inside the cluster, and switch a mode on: docs/auth.md"),
        ({"service": {"type": "LoadBalancer"}}, "that is anybody outside the cluster, too"),
        ({"auth": {"modes": ["kubernetes"]}}, "Callers are known by: kubernetes (docs/auth.md)"),
        ({"auth": {"modes": ["kubernetes"]}}, '-H "Authorization: Bearer $TOKEN"'),
        (
            {"auth": {"modes": ["apiKeys"], "apiKeys": {"secret": "api-keys"}}},
            "kubectl -n media get secret api-keys",
        ),
    ],
)
def test_an_install_says_who_may_call(cluster: Cluster, gateway: dict[str, Any], says: str) -> None:
    values = merged(ENOUGH, {"gateway": gateway})
    notes = cluster.helm("install", str(CHART), "--dry-run=client", values=values)
    assert says in notes
    assert ("WARNING" in notes) is ("auth" not in gateway)


def test_an_uninstall_keeps_the_definition_and_the_tasks(cluster: Cluster) -> None:
    cluster.helm("install", str(CHART), values=ENOUGH)
    _wait_until_served(cluster)
    cluster.kubectl("apply", f"--filename={EXAMPLE}", f"--namespace={NAMESPACE}")
    cluster.helm("uninstall")
    assert cluster.kubectl("get", PLURAL, f"--namespace={NAMESPACE}", "--output=name").strip()
    left = cluster.kubectl(
        "get", "all,role,rolebinding,serviceaccount,networkpolicy,configmap", "--all-namespaces",
        f"--selector=app.kubernetes.io/instance={RELEASE}", "--output=name",
    )  # fmt: skip
    assert left == ""
    # The same release takes them up again.
    cluster.helm("install", str(CHART), values=ENOUGH)
    assert cluster.kubectl("get", PLURAL, f"--namespace={NAMESPACE}", "--output=name").strip()
    cluster.helm("uninstall")


def test_an_upgrade_upgrades_the_definition(release: Cluster) -> None:
    name = f"{PLURAL}.{GROUP}"
    _wait_until_served(release)
    older = '[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]'
    release.kubectl("patch", "crd", name, "--type=json", f"--patch={older}")
    release.helm("upgrade", str(CHART), values=merged(ENOUGH, {**OWN, "region": "eu"}))
    served = json.loads(release.kubectl("get", "crd", name, "--output=json"))
    wanted = yaml.safe_load((CHART / "files" / "egresstasks.yaml").read_text())
    columns = [version["additionalPrinterColumns"] for version in served["spec"]["versions"]]
    assert columns == [version["additionalPrinterColumns"] for version in wanted["spec"]["versions"]]


def test_the_rights_are_those_of_the_page_and_hold_in_watched_namespaces_alone(release: Cluster) -> None:
    rights = yaml.safe_load((CHART / "files" / "rights.yaml").read_text())
    for holder in ("operator", "gateway"):
        for rule in rights[holder]:
            for verb in rule["verbs"]:
                resource = f"{rule['apiGroups'][0]}/{rule['resources'][0].replace('/', ':')}"
                assert release.may(f"egress-{holder}", verb, resource), (holder, verb, resource)
                assert not release.may(f"egress-{holder}", verb, resource, namespace="elsewhere")


def test_nobody_has_rights_that_they_do_not_need(release: Cluster) -> None:
    assert [right for right in TOO_MUCH if release.may(*right)] == []


def test_the_gateways_rights_hold_in_its_own_namespace_alone(release: Cluster) -> None:
    assert release.may("egress-operator", "create", "pods", namespace="team-a")
    assert not release.may("egress-gateway", "create", f"{GROUP}/{PLURAL}", namespace="team-a")


@pytest.fixture
def killed_helm(cluster: Cluster) -> Iterator[list[str]]:
    """A helm that was killed while it waited, in the demo's namespace; gives the command that installs again."""
    cluster.kubectl("create", "namespace", deploy.NAMESPACE)
    flags = [f"--kubeconfig={cluster.server.kubeconfig}", f"--namespace={deploy.NAMESPACE}", "--no-hooks"]
    install = [program("helm"), "upgrade", "--install", deploy.RELEASE, str(CHART), *flags]
    install += ["--set=store.url=s3://recordings,sources.default.url=ws://livekit.rtc:7880"]
    install += ["--set=crds.install=false"]  # another release here may own it
    pending = ["get", "secret", f"--namespace={deploy.NAMESPACE}", "--selector=status=pending-install"]
    with subprocess.Popen([*install, "--wait"], stdout=subprocess.DEVNULL) as waiting:
        until("helm has begun", lambda: cluster.kubectl(*pending, "--output=name"), seconds=30)
        waiting.kill()
    yield install
    subprocess.run(
        [program("helm"), "uninstall", deploy.RELEASE, *flags], capture_output=True, timeout=60, check=True
    )


def test_a_helm_that_was_killed_does_not_stop_the_next_one(cluster: Cluster, killed_helm: list[str]) -> None:
    def again() -> subprocess.CompletedProcess[str]:
        return subprocess.run(killed_helm, capture_output=True, text=True, timeout=60, check=False)

    assert "another operation (install/upgrade/rollback) is in progress" in again().stderr
    deploy.forget_unfinished(cluster)
    done = again()
    assert done.returncode == 0, done.stderr


def _wait_until_served(cluster: Cluster) -> None:
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=20s")
