"""What the kubelet's Events say about volumes."""

from typing import Any

import pytest

from egress_api.states import Reason
from egress_operator.mounts import mount_problem


def event(message: str, *, at: str = "2026-11-23T05:11:22Z", reason: str = "FailedMount") -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


def test_a_node_that_can_not_set_the_pod_up_is_quoted() -> None:
    text = "Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces"
    found = mount_problem([event(text, reason="FailedCreatePodSandBox")])
    assert found is not None
    assert (found.reason, found.message) == (
        Reason.CONFIG_ERROR,
        f"the Pod can't be set up on its node: {text}",
    )


NO_SECRET = 'MountVolume.SetUp failed for volume "token" : secret "task-token" not found'


@pytest.mark.parametrize(
    ("message", "reason", "says"),
    [
        (NO_SECRET, Reason.SECRET_MISSING, "Secret task-token does not exist in the task's namespace"),
        (
            'MountVolume.SetUp failed for volume "token" : references non-existent secret key: access_token',
            Reason.SECRET_MISSING,
            "the Secret has no key access_token",
        ),
        (
            "MountVolume.MountDevice failed for volume nas: no route to host",
            Reason.CONFIG_ERROR,
            "a volume can't be mounted: MountVolume.MountDevice failed for volume nas: no route to host",
        ),
    ],
)
def test_what_is_wrong_with_a_volume(message: str, reason: Reason, says: str) -> None:
    found = mount_problem([event(message)])

    assert found is not None
    assert (found.reason, found.message) == (reason, says)


def test_a_later_event_that_explains_nothing_does_not_hide_the_one_that_does() -> None:
    later = event("Unable to attach or mount volumes: timed out", at="2026-11-23T05:13:22Z")
    found = mount_problem([later, event(NO_SECRET)])

    assert found is not None
    assert found.reason is Reason.SECRET_MISSING


def test_other_events_are_none_of_its_business() -> None:
    assert mount_problem([event("Pulling image", reason="Pulling")]) is None


def test_an_event_of_the_newer_kind_is_read_too() -> None:
    found = mount_problem(
        [{"reason": "FailedMount", "note": NO_SECRET, "eventTime": "2026-11-23T05:11:22.1Z", "metadata": {}}]
    )

    assert found is not None
