"""Where to record, over REST: region and zone alone, into the task and out again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from egress_api.placement import Placement
from egress_api.rest import StartRequest, StatusAnswer
from egress_api.task import EgressTask, Metadata
from support.bad_starts import START_FLAT
from support.manifests import changed


def _started(placement: Any) -> EgressTask:
    request = StartRequest.model_validate(changed(START_FLAT, {"payload.placement": placement}))
    metadata = Metadata(
        name="t", namespace="n", uid="u", creation_timestamp=datetime(2026, 11, 23, tzinfo=UTC)
    )
    return EgressTask(metadata=metadata, spec=request.to_spec(app_id="demo", token_secret="t-token"))


@pytest.mark.parametrize(
    "asked",
    [{"region": "eu"}, {"zone": "eu-1a"}, {"region": "eu", "zone": "eu-1a"}],
    ids=["region", "zone", "both"],
)
def test_a_placement_is_the_tasks_and_stands_in_its_status(asked: dict[str, str]) -> None:
    task = _started(asked)

    assert task.spec.placement == Placement(**asked)
    shown = StatusAnswer.of(task).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert shown["payload"]["placement"] == asked


@pytest.mark.parametrize("asked", [None, {}], ids=["absent", "empty"])
def test_without_a_placement_the_answer_has_none(asked: dict[str, str] | None) -> None:
    shown = StatusAnswer.of(_started(asked)).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert "placement" not in shown["payload"]


def test_labels_that_the_resource_asks_for_are_no_matter_of_rest() -> None:
    task = _started({"region": "eu"})
    placed = Placement(region="eu", node_selector={"disk": "ssd"})
    task = task.model_copy(update={"spec": task.spec.model_copy(update={"placement": placed})})

    payload = StatusAnswer.of(task).payload
    assert payload.placement is not None
    assert payload.placement.model_dump() == {"region": "eu", "zone": None}
