"""Reading Pods as the API gives them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from egress_api.states import Reason
from egress_operator.pod_state import LOST_AFTER_SECONDS, WAITING, ContainerEnd, Patience, PodView
from support.operator_parts import NOW, ended, pod, running

RAW: dict[str, Any] = {
    "metadata": {
        "name": "task-1",
        "namespace": "media",
        "uid": "u1",
        "resourceVersion": "5",
        "labels": {"app.kubernetes.io/managed-by": "egress-operator"},
        "finalizers": ["other.dev/x", "egress-operator.dev/results"],
        "annotations": {
            "egress-operator.dev/pause": "true",
            "egress-operator.dev/stop": "true",
            "egress-operator.dev/stop-since": "2026-11-23T05:12:00.250000+00:00",
        },
        "deletionTimestamp": "2026-11-23T05:20:00Z",
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "uid": "no", "controller": False},
            {
                "apiVersion": "egress-operator.dev/v1alpha1",
                "kind": "EgressTask",
                "uid": "t1",
                "controller": True,
            },
        ],
    },
    "spec": {"nodeName": "node-1"},
    "status": {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "podIP": "10.0.0.9",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T05:11:23Z"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-23T05:11:30Z"},
            {"type": "PodReadyToStartContainers", "status": "True"},
            {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"},
        ],
        "containerStatuses": [
            {"name": "sidecar", "state": {"running": {}}},
            {
                "name": "recorder",
                "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "{"}},
            },
        ],
    },
}


def test_a_whole_pod() -> None:
    assert PodView.from_resource(RAW) == PodView(
        name="task-1",
        namespace="media",
        uid="u1",
        resource_version="5",
        owner_uid="t1",
        managed=True,
        finalizers=("other.dev/x", "egress-operator.dev/results"),
        paused=True,
        can_be_told_to_stop=True,
        told_to_stop=True,
        told_to_stop_at=datetime(2026, 11, 23, 5, 12, 0, 250_000, tzinfo=UTC),
        deleted_at=datetime(2026, 11, 23, 5, 20, tzinfo=UTC),
        phase="Failed",
        reason="Evicted",
        message="The node was low on resource: memory.",
        node="node-1",
        ip="10.0.0.9",
        scheduled=True,
        scheduled_at=datetime(2026, 11, 23, 5, 11, 23, tzinfo=UTC),
        ready=False,
        ready_at=datetime(2026, 11, 23, 5, 11, 30, tzinfo=UTC),
        disruption="TerminationByKubelet",
        sandbox_ready=True,
        container_end=ContainerEnd(exit_code=137, reason="OOMKilled", message="{"),
    )


def test_a_pod_that_was_only_just_made() -> None:
    view = PodView.from_resource({"metadata": {"name": "a", "namespace": "b", "uid": "c"}})

    assert view == PodView(name="a", namespace="b", uid="c", managed=False)


def test_a_moment_that_is_none_is_no_moment() -> None:
    meta = {
        "name": "a",
        "namespace": "b",
        "uid": "c",
        "annotations": {"egress-operator.dev/stop-since": "now"},
    }

    assert PodView.from_resource({"metadata": meta}).told_to_stop_at is None


@pytest.mark.parametrize("waiting", sorted(WAITING))
def test_every_word_of_the_kubelet_has_a_reason_a_sentence_and_a_patience(waiting: str) -> None:
    blocked = pod(waiting=waiting, waiting_message="as the kubelet says").blocked()

    reason, patience, _ = WAITING[waiting]
    assert (blocked.reason, blocked.patience) == (reason, patience)
    assert blocked.message.endswith(": as the kubelet says")


def test_an_unknown_word_is_waited_for() -> None:
    blocked = pod(waiting="SomethingNew").blocked()

    assert (blocked.reason, blocked.patience) == (Reason.POD_PENDING, Patience.ENQUEUE)


@pytest.mark.parametrize(
    ("view", "has_ended"),
    [
        (running(), False),
        (ended(), True),
        (running(deleted_at=NOW), False),
        (pod(node=None, deleted_at=NOW), True),
        (pod(node=None), False),
        (running(deleted_at=NOW - timedelta(seconds=LOST_AFTER_SECONDS - 1)), False),
        (running(deleted_at=NOW - timedelta(seconds=LOST_AFTER_SECONDS)), True),
    ],
)
def test_when_a_pod_has_ended(view: PodView, has_ended: bool) -> None:  # noqa: FBT001 - a table's column
    assert view.ended(NOW) is has_ended


@pytest.mark.parametrize(
    ("changes", "silent", "has_ended"),
    [
        ({}, 5.0, True),
        ({}, 4.9, False),
        ({}, 0.0, False),
        ({}, None, False),
        ({"disruption": "EvictionByEvictionAPI"}, 60.0, False),
        ({"disruption": ""}, 60.0, False),
        ({"deleted_at": None}, 60.0, False),
    ],
)
def test_a_silent_recorder_is_lost_only_where_the_cluster_has_given_its_node_up(
    changes: dict[str, Any],
    silent: float | None,
    has_ended: bool,  # noqa: FBT001 - a table's column
) -> None:
    given_up = {"deleted_at": NOW + timedelta(seconds=100), "disruption": "DeletionByTaintManager"}

    assert running(**{**given_up, **changes}).ended(NOW, silent_seconds=silent) is has_ended
