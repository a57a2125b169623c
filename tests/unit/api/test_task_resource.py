"""The resource that creates a task: what was asked for, and nothing that an older CRD would refuse."""

from typing import Any

from egress_api.spec import EgressTaskSpec
from egress_api.task import EgressTask, task_resource

CHANNEL: dict[str, Any] = {"appId": "demo", "channel": "room", "accessTokenSecretRef": {"name": "s"}}


def resource_of(**spec: Any) -> dict[str, Any]:
    asked = EgressTaskSpec.model_validate({**CHANNEL, **spec})
    return task_resource(asked, name="t1", namespace="n", labels={"a": "b"})


def test_a_plain_start_has_no_field_that_nobody_has_asked_for() -> None:
    assert resource_of() == {
        "apiVersion": "egress-operator.dev/v1alpha1",
        "kind": "EgressTask",
        "metadata": {"name": "t1", "namespace": "n", "labels": {"a": "b"}, "annotations": {}},
        "spec": CHANNEL,
    }


def test_what_was_asked_for_stands_there() -> None:
    asked = {
        "priority": 7,
        "pause": True,
        "users": ["user1"],
        "frozenPicture": "dimmed",
        "video": {"width": 640, "height": 360},
        "limits": {"maxBytes": 5},
        "placement": {"region": "eu", "tolerations": [{"key": "media", "operator": "Exists"}]},
    }
    assert resource_of(**asked)["spec"] == {**CHANNEL, **asked}


def test_what_is_left_out_is_read_as_it_was_meant() -> None:
    asked = EgressTaskSpec.model_validate({**CHANNEL, "video": {"width": 640}, "priority": 0})
    resource = resource_of(video={"width": 640}, priority=0)
    resource["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    assert EgressTask.from_resource(resource).spec == asked
