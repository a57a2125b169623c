"""Which events are news, and that kopf is kept to watching."""

from typing import Any

import kopf
import pytest

from egress_operator.handlers import kopf_settings, needs_a_look


def body(*, state: str = "PROCESSING", generation: int = 1, observed: int = 1, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation, **meta},
        "status": {"state": state, "observedGeneration": observed},
    }


@pytest.mark.parametrize(
    ("event_type", "task", "wanted"),
    [
        (None, body(), True),
        ("ADDED", {"metadata": {"generation": 1}}, True),
        ("MODIFIED", body(), False),
        ("MODIFIED", body(generation=2), True),
        ("MODIFIED", body(deletionTimestamp="2026-11-23T05:11:22Z"), True),
        ("DELETED", body(state="STOPPED"), True),
        (None, body(state="STOPPED"), False),
        ("MODIFIED", body(state="FAILED", generation=2), False),
    ],
)
def test_which_events_ring(event_type: str | None, task: dict[str, Any], wanted: bool) -> None:  # noqa: FBT001 - a table's column
    assert needs_a_look(task, event_type=event_type) is wanted


def test_kopf_writes_nothing_and_looks_at_our_pods_alone() -> None:
    settings = kopf_settings()

    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.persistence.finalizer.startswith("egress-operator.dev/")
    assert settings.queueing.idle_timeout < 1
    assert settings.watching.label_selectors["pods"] == "app.kubernetes.io/managed-by=egress-operator"


def test_kopf_copies_no_object_to_compare_it() -> None:
    storage = kopf_settings().persistence.diffbase_storage
    task = kopf.Body({"metadata": {"name": "task"}, "spec": {"appId": "demo"}})  # type: ignore[typeddict-item]

    assert storage.fetch(body=task) is None
    assert storage.build(body=task) == {}
