"""What an install puts into a cluster: rights, security, settings, hooks."""

from typing import Any

import pytest
import yaml

from egress_api.constants import GROUP, LAYOUT_LABEL, MANAGED_BY, MANAGED_BY_LABEL, TASK_LABEL
from support.charts import CHART, NAMESPACE, RELEASE, Rendered, merged, render

Rules = set[tuple[str, str, str]]


def _rules(role: dict[str, Any]) -> Rules:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _containers(rendered: Rendered) -> list[dict[str, Any]]:
    workloads = [item for item in rendered.objects if item["kind"] in {"Deployment", "Job"}]
    return [item["spec"]["template"]["spec"] for item in workloads]


def test_the_operator_has_these_rights_and_no_others() -> None:
    assert _rules(render().one("Role", "egress-operator")) == {
        (GROUP, "egresstasks", "get"),
        (GROUP, "egresstasks", "list"),
        (GROUP, "egresstasks", "watch"),
        (GROUP, "egresstasks", "delete"),
        (GROUP, "egresstasks/status", "patch"),
        ("", "pods", "get"),
        ("", "pods", "list"),
        ("", "pods", "watch"),
        ("", "pods", "create"),
        ("", "pods", "delete"),
        ("", "pods", "deletecollection"),
        ("", "pods", "patch"),
        ("events.k8s.io", "events", "create"),
        ("", "events", "list"),
    }


def test_the_gateway_can_make_stop_and_delete_tasks_and_write_their_secrets() -> None:
    assert _rules(render().one("Role", "egress-gateway")) == {
        (GROUP, "egresstasks", "get"),
        (GROUP, "egresstasks", "list"),
        (GROUP, "egresstasks", "watch"),
        (GROUP, "egresstasks", "create"),
        (GROUP, "egresstasks", "patch"),
        (GROUP, "egresstasks", "delete"),
        ("", "secrets", "create"),
    }


def test_nothing_is_granted_in_the_whole_cluster() -> None:
    kinds = {item["kind"] for item in render().objects}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}


KUBERNETES_AUTH: dict[str, Any] = {"gateway": {"auth": {"modes": ["kubernetes"]}}}


def test_asking_about_tokens_is_granted_in_that_mode_alone() -> None:
    rendered = render(KUBERNETES_AUTH)
    (role,) = rendered.all_of("ClusterRole")
    assert _rules(role) == {("authentication.k8s.io", "tokenreviews", "create")}
    (binding,) = rendered.all_of("ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "egress-media-token-reviews"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "egress-gateway", "namespace": "media"}]
    more = _rules(rendered.one("Role", "egress-gateway")) - _rules(render().one("Role", "egress-gateway"))
    assert more == {("authorization.k8s.io", "localsubjectaccessreviews", "create")}
    without = render(merged(KUBERNETES_AUTH, {"rbac": {"create": False}}))
    assert not without.all_of("ClusterRole") + without.all_of("ClusterRoleBinding")
    keys = {"gateway": {"auth": {"modes": ["apiKeys"], "apiKeys": {"secret": "keys"}}}}
    assert not render(keys).all_of("ClusterRole")


def test_every_watched_namespace_has_roles_for_the_one_operator() -> None:
    rendered = render({"namespaces": ["media", "team-a"]})
    for namespace in ("media", "team-a"):
        binding = rendered.one("RoleBinding", "egress-operator", namespace=namespace)
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "egress-operator", "namespace": "media"}
        ]
        assert rendered.one("ServiceAccount", "egress-recorder", namespace=namespace)
        assert rendered.one("NetworkPolicy", "egress-recorder", namespace=namespace)
    assert (
        len([role for role in rendered.all_of("Role") if role["metadata"]["name"] == "egress-gateway"]) == 1
    )
    assert rendered.settings()["namespaces"] == ["media", "team-a"]


def test_the_gateway_changes_secrets_only_where_tokens_may_be_renewed() -> None:
    kinds = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    (without, renewing) = (render(), render({"gateway": {"tokenRefresh": {"enabled": True}}}))
    assert not {item["kind"] for item in without.objects} & kinds
    rules = [rendered.one("Role", "egress-gateway")["rules"] for rendered in (without, renewing)]
    added = [rule for rule in rules[1] if rule not in rules[0]]
    assert added == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["update"]}]
    (policy,) = renewing.all_of("ValidatingAdmissionPolicy")
    (binding,) = renewing.all_of("ValidatingAdmissionPolicyBinding")
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    assert policy["metadata"]["name"] == f"egress-{NAMESPACE}-token-refresh"


def test_the_policy_is_for_the_gateways_account_where_its_tasks_are() -> None:
    values = {"namespaces": ["team-a"], "gateway": {"namespace": "team-a", "tokenRefresh": {"enabled": True}}}
    (policy,) = render(values).all_of("ValidatingAdmissionPolicy")
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == (
        f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:egress-gateway'"
    )
    assert policy["spec"]["matchConstraints"]["namespaceSelector"] == {
        "matchLabels": {"kubernetes.io/metadata.name": "team-a"}
    }


def test_a_gateway_elsewhere_has_its_rights_there() -> None:
    rendered = render({"namespaces": ["team-a"], "gateway": {"namespace": "team-a"}})
    assert rendered.one("Role", "egress-gateway", namespace="team-a")
    env = rendered.one("Deployment", "egress-gateway")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "EGRESS_GATEWAY_NAMESPACE", "value": "team-a"} in env


def test_aggregated_roles_show_no_secret_and_are_off_by_default() -> None:
    roles = render({"rbac": {"aggregateToDefaultRoles": True}}).all_of("ClusterRole")
    assert {role["metadata"]["name"] for role in roles} == {"egress-media-view", "egress-media-edit"}
    assert {group for role in roles for group, _, _ in _rules(role)} == {GROUP}


def test_every_pod_of_ours_meets_the_restricted_standard() -> None:
    for pod in _containers(render()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


def test_one_operator_at_a_time() -> None:
    spec = render().one("Deployment", "egress-operator")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_a_changed_setting_is_a_new_operator_pod_and_no_new_gateway_pod() -> None:
    def templates(rendered: Rendered) -> list[Any]:
        return [
            rendered.one("Deployment", f"{RELEASE}-{name}")["spec"]["template"]
            for name in ("operator", "gateway")
        ]

    (operator, gateway), (changed_operator, same_gateway) = (
        templates(render()),
        templates(render({"region": "eu"})),
    )
    assert operator != changed_operator
    assert gateway == same_gateway


def test_a_disruption_budget_only_where_there_is_more_than_one_gateway() -> None:
    assert render().all_of("PodDisruptionBudget") == []
    (budget,) = render({"gateway": {"replicas": 2}}).all_of("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_selectors_find_the_pods_and_the_service_finds_the_gateway() -> None:
    rendered = render({"commonLabels": {"team": "media"}})
    for deployment in rendered.all_of("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert labels["team"] == "media"
    gateway = rendered.one("Deployment", "egress-gateway")["spec"]["template"]["metadata"]["labels"]
    operator = rendered.one("Deployment", "egress-operator")["spec"]["template"]["metadata"]["labels"]
    selector = rendered.one("Service", "egress-gateway")["spec"]["selector"]
    assert selector.items() <= gateway.items()
    assert not selector.items() <= operator.items()


def test_only_the_operator_reaches_recorders_and_they_reach_everything() -> None:
    rendered = render()
    spec = rendered.one("NetworkPolicy", "egress-recorder")["spec"]
    assert spec["podSelector"] == {
        "matchLabels": {MANAGED_BY_LABEL: MANAGED_BY},
        "matchExpressions": [{"key": TASK_LABEL, "operator": "Exists"}],
    }
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    (source,) = rule["from"]
    operator = rendered.one("Deployment", "egress-operator")["spec"]["template"]["metadata"]["labels"]
    assert source["podSelector"]["matchLabels"].items() <= operator.items()
    assert source["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "media"}}


def test_listed_egress_rules_close_the_rest() -> None:
    rules = [{"ports": [{"protocol": "UDP", "port": 53}]}]
    spec = render({"networkPolicy": {"egress": rules}}).one("NetworkPolicy", "egress-recorder")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"] == rules


PAGES: dict[str, Any] = {"recorder": {"web": {"image": "web:1"}}}


def _page_rules(values: dict[str, Any]) -> list[dict[str, Any]]:
    spec = render(merged(PAGES, values)).one("NetworkPolicy", "egress-recorder-pages")["spec"]
    assert spec["policyTypes"] == ["Egress"]
    return list(spec["egress"])


def test_pages_reach_names_and_public_addresses_alone() -> None:
    rendered = render({**PAGES, "namespaces": ["media", "team-a"]})
    policy = rendered.one("NetworkPolicy", "egress-recorder-pages", namespace="team-a")
    assert policy["spec"]["podSelector"] == {
        "matchLabels": {MANAGED_BY_LABEL: MANAGED_BY, LAYOUT_LABEL: "freestyle"}
    }
    dns, public = policy["spec"]["egress"]
    assert dns == {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
    assert [port["port"] for port in public["ports"]] == [443, 80]
    assert [block["ipBlock"]["cidr"] for block in public["to"]] == ["0.0.0.0/0", "2000::/3"]
    closed = public["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"} <= set(closed)


def test_what_rules_open_is_open_in_the_network_as_far_as_it_has_an_address() -> None:
    allow = ["pages.media:8080", "10.1.0.0/16", "10.2.3.4:81", "fd00::1", "[fd00::2]:82", "plain.media"]
    _, public = _page_rules({"pages": {"default": {"allow": allow}, "apps": {"a": {"ports": [8443]}}}})
    assert [block["ipBlock"]["cidr"] for block in public["to"][2:]] == [
        "10.1.0.0/16",
        "10.2.3.4/32",
        "fd00::1/128",
        "fd00::2/128",
    ]
    assert {port["port"] for port in public["ports"]} == {80, 443, 8080, 81, 82, 8443}


@pytest.mark.parametrize(
    ("store", "port"),
    [
        ({"options": {"endpoint": "https://s3.good.example:9443"}}, 9443),
        ({"options": {"endpoint": "http://s3.good.example", "allow_http": "true"}}, 80),
        ({"options": {}}, 443),
    ],
)
def test_recordings_of_pages_reach_a_public_store_on_its_own_port(store: dict[str, Any], port: int) -> None:
    _, public = _page_rules({"store": store, "pages": {"default": {"ports": [8080]}}})
    assert {found["port"] for found in public["ports"]} == {8080, port}


def test_more_rules_for_pages_stand_as_they_are_given() -> None:
    more = [{"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 9000}]}]
    assert _page_rules({"pages": {"networkPolicy": {"allow": more}}})[2:] == more


def test_what_channels_need_opens_nothing_for_pages() -> None:
    rules = [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    rendered = render(merged(PAGES, {"networkPolicy": {"egress": rules}}))
    assert rendered.one("NetworkPolicy", "egress-recorder")["spec"]["policyTypes"] == ["Ingress"]
    channels = rendered.one("NetworkPolicy", "egress-recorder-channels")["spec"]
    assert channels["egress"] == rules
    assert {"key": LAYOUT_LABEL, "operator": "NotIn", "values": ["freestyle"]} in channels["podSelector"][
        "matchExpressions"
    ]


@pytest.mark.parametrize("values", [{}, {**PAGES, "pages": {"networkPolicy": {"enabled": False}}}])
def test_no_policy_for_pages_where_none_are_recorded_or_none_is_wanted(values: dict[str, Any]) -> None:
    policies = render(values).all_of("NetworkPolicy")
    assert [policy["metadata"]["name"] for policy in policies] == ["egress-recorder"]


def test_monitors_are_off_and_scrape_all_three_when_on() -> None:
    rendered = render({"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}})
    monitors = [item for item in rendered.objects if item["apiVersion"] == "monitoring.coreos.com/v1"]
    assert {(item["kind"], item["metadata"]["name"]) for item in monitors} == {
        ("ServiceMonitor", "egress-gateway"),
        ("PodMonitor", "egress-operator"),
        ("PodMonitor", "egress-recorder"),
    }
    assert all(item["metadata"]["labels"]["release"] == "prometheus" for item in monitors)
    assert not [item for item in render().objects if item["apiVersion"].startswith("monitoring")]


def test_the_definition_can_be_left_out_or_removed_with_the_release() -> None:
    assert render({"crds": {"install": False}}).all_of("CustomResourceDefinition") == []
    (definition,) = render({"crds": {"keep": False}}).all_of("CustomResourceDefinition")
    assert "helm.sh/resource-policy" not in (definition["metadata"].get("annotations") or {})


def test_an_uninstall_first_ends_recordings_with_rights_of_its_own() -> None:
    rendered = render({"namespaces": ["media", "team-a"]})
    hooks = [
        item for item in rendered.objects if "helm.sh/hook" in (item["metadata"].get("annotations") or {})
    ]
    assert {item["metadata"]["annotations"]["helm.sh/hook"] for item in hooks} == {"pre-delete"}
    assert sorted((item["kind"], item["metadata"]["namespace"]) for item in hooks) == [
        ("Job", "media"),
        ("Role", "media"),
        ("Role", "team-a"),
        ("RoleBinding", "media"),
        ("RoleBinding", "team-a"),
        ("ServiceAccount", "media"),
    ]
    job = rendered.one("Job", "egress-uninstall")["spec"]
    assert job["template"]["spec"]["serviceAccountName"] == "egress-uninstall"
    assert job["template"]["spec"]["containers"][0]["command"][-3:] == ["release", "--wait-seconds", "150"]
    assert job["activeDeadlineSeconds"] < 300  # Helm's own patience
    weights = {item["kind"]: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for item in hooks}
    assert weights["Role"] < weights["RoleBinding"] < weights["Job"]


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "egress-operator:0.1.0"),
        ({"registry": "registry.example/media/"}, "registry.example/media/egress-operator:0.1.0"),
        ({"repository": "other", "tag": "7"}, "other:7"),
        ({"tag": "7", "digest": "sha256:" + "a" * 64}, "egress-operator@sha256:" + "a" * 64),
    ],
)
def test_image_references(image: dict[str, str], reference: str) -> None:
    pods = _containers(render({"image": image}))
    assert {container["image"] for pod in pods for container in pod["containers"]} == {reference}


def test_rights_each_have_a_reason() -> None:
    rights = yaml.safe_load((CHART / "files" / "rights.yaml").read_text())
    assert all(len(rule["why"]) > 10 for rules in rights.values() for rule in rules)
