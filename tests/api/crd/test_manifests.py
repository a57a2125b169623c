"""The schema against a real kube-apiserver: what it takes, what it refuses, and with which words."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from egress_api.spec import EgressTaskSpec
from support.manifests import ABSENT, BAD, GOOD, GOOD_PAGE, GOOD_PLACE, Bad, changed

pytestmark = pytest.mark.api

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(api_server: Any, crd: None, namespace: str) -> Kubectl:
    def call(*args: str, manifest: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(api_server.kubectl), "--kubeconfig", str(api_server.kubeconfig), "-n", namespace, *args],
            input=json.dumps(manifest) if manifest else None,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return call


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.what)
def test_a_bad_manifest_is_refused_with_a_sentence(kubectl: Kubectl, bad: Bad) -> None:
    answer = kubectl("apply", "-f", "-", manifest=bad.manifest())
    assert answer.returncode == 1, answer.stdout
    assert bad.sentence in answer.stderr


@pytest.mark.parametrize(
    "bad", [b for b in BAD if not b.what.startswith("a long name")], ids=lambda bad: bad.what
)
def test_the_models_refuse_it_too(bad: Bad) -> None:
    with pytest.raises(ValidationError):
        EgressTaskSpec.model_validate(bad.manifest()["spec"], strict=bad.what == "a wrong type")


@pytest.mark.parametrize("manifest", [GOOD, GOOD_PAGE, GOOD_PLACE], ids=["channel", "page", "place"])
def test_a_good_manifest_gets_every_default(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    answer = kubectl("create", "-o", "json", "-f", "-", manifest=manifest)
    assert answer.returncode == 0, answer.stderr
    spec = json.loads(answer.stdout)["spec"]
    expected = EgressTaskSpec.model_validate(manifest["spec"]).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    # An empty list is a default of the models alone: the API server leaves the field away.
    assert {"users": [], "outputs": [], "regions": [], **spec} == expected


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("record-*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_is_taken_as_it_stands(kubectl: Kubectl, example: Path) -> None:
    answer = kubectl("create", "--validate=strict", "-o", "name", "-f", str(example))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == [f"egresstask.egress-operator.dev/{example.stem}"]
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"spec.channel": "other"}, "spec.channel can't be changed after creation"),
        ({"spec.appId": "another"}, "spec.appId can't be changed after creation"),
        ({"spec.video.width": 640}, "spec.video can't be changed after creation"),
        ({"spec.queueName": "other"}, "spec.queueName can't be changed after creation"),
        ({"spec.requestId": "late"}, "spec.requestId can't be changed after creation"),
        ({"spec.format": "mp4"}, "spec.format can't be changed after creation"),
        ({"spec.outputs": [{"format": "mp4"}]}, "spec.outputs can't be changed after creation"),
        ({"spec.placement.region": "eu"}, "spec.placement can't be changed after creation"),
    ],
)
def test_all_but_users_pause_and_stop_stays_as_it_was(
    kubectl: Kubectl, changes: dict[str, Any], sentence: str
) -> None:
    assert kubectl("apply", "-f", "-", manifest=GOOD).returncode == 0
    answer = kubectl("apply", "-f", "-", manifest=changed(GOOD, changes))
    assert answer.returncode == 1
    assert sentence in answer.stderr


def test_a_channel_s_layout_may_be_changed(kubectl: Kubectl) -> None:
    plain = changed(GOOD, {"spec.filenamePattern": "plain"})
    for layout in ("flat", "spotlight", "flat"):
        answer = kubectl("apply", "-o", "json", "-f", "-", manifest=changed(plain, {"spec.layout": layout}))
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["spec"]["layout"] == layout


@pytest.mark.parametrize(
    ("begin", "changes", "sentence"),
    [
        (
            {"spec.filenamePattern": "{date}_{layout}"},
            {"spec.layout": "spotlight"},
            "spec.layout can't be changed where spec.filenamePattern has {layout}",
        ),
        (
            {},
            {"spec.layout": "freestyle", "spec.channel": ABSENT, "spec.url": "http://a.example"},
            "spec.layout can't be changed from a channel's to a page's or back",
        ),
    ],
    ids=["in the files' names", "to a page"],
)
def test_a_layout_that_has_to_stay_stays(
    kubectl: Kubectl, begin: dict[str, Any], changes: dict[str, Any], sentence: str
) -> None:
    good = changed(GOOD, begin)
    assert kubectl("apply", "-f", "-", manifest=good).returncode == 0
    answer = kubectl("apply", "-f", "-", manifest=changed(good, changes))
    assert answer.returncode == 1
    assert sentence in answer.stderr


def test_a_priority_may_be_changed(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", manifest=GOOD).returncode == 0
    answer = kubectl("apply", "-o", "json", "-f", "-", manifest=changed(GOOD, {"spec.priority": -7}))
    assert json.loads(answer.stdout)["spec"]["priority"] == -7


def test_stop_goes_one_way(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", manifest=GOOD).returncode == 0
    assert kubectl("apply", "-f", "-", manifest=changed(GOOD, {"spec.stop": True})).returncode == 0
    for back in (False, ABSENT):
        manifest = changed(changed(GOOD, {"spec.stop": True}), {"spec.stop": back})
        answer = kubectl("apply", "-f", "-", manifest=manifest)
        assert answer.returncode == 1
        assert "spec.stop can't be taken back" in answer.stderr


def test_a_user_cannot_write_the_status(kubectl: Kubectl) -> None:
    manifest = changed(GOOD, {"status.state": "STOPPED"})
    answer = kubectl("create", "-o", "json", "-f", "-", manifest=manifest)
    assert answer.returncode == 0, answer.stderr
    assert "status" not in json.loads(answer.stdout)


def test_tasks_are_found_by_field(kubectl: Kubectl) -> None:
    for name, app in (("one", "a1"), ("two", "a2")):
        assert (
            kubectl(
                "apply", "-f", "-", manifest=changed(GOOD, {"metadata.name": name, "spec.appId": app})
            ).returncode
            == 0
        )
    answer = kubectl("get", "egt", "--field-selector", "spec.appId=a2", "-o", "name")
    assert answer.stdout.split() == ["egresstask.egress-operator.dev/two"]


def test_columns_and_short_name(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", manifest=GOOD).returncode == 0
    assert kubectl("get", "egt").stdout.splitlines()[0].split() == [
        "NAME",
        "APP",
        "SOURCE",
        "STATE",
        "FILES",
        "AGE",
    ]
    wide = kubectl("get", "egress", "-o", "wide").stdout.splitlines()[0].split()
    assert wide == [
        "NAME",
        "APP",
        "SOURCE",
        "STATE",
        "FILES",
        "AGE",
        "REASON",
        "POSITION",
        "POD",
        "NODE",
        "LOST",
    ]


def test_explain_knows_the_fields(kubectl: Kubectl) -> None:
    text = kubectl("explain", "egt.spec.filenamePattern").stdout
    assert "{channel}, {task_id} and {layout} are filled in" in " ".join(text.split())
