"""The cache's tasks share what is the same in all of them."""

import pytest

from egress_api.spec import Limits
from egress_api.states import State
from egress_api.task import EgressTask
from egress_gateway import compact as module
from egress_gateway.compact import compact
from support.operator_parts import status, task


def read() -> EgressTask:
    made = task(status(State.STOPPED, recorded=True, closed=True), users=["user1"])
    return EgressTask.from_resource(made.model_dump(mode="json", by_alias=True, exclude_none=True))


def test_a_task_is_what_it_was() -> None:
    plain, shared = read(), compact(read())

    assert shared == plain
    assert shared.model_dump(exclude_unset=True) == plain.model_dump(exclude_unset=True)
    assert shared.status.model_fields_set == plain.status.model_fields_set


def test_two_tasks_share_their_sets_down_to_the_last_object() -> None:
    one, other = compact(read()), compact(read())

    pairs = [
        (one, other),
        (one.spec, other.spec),
        (one.spec.video, other.spec.video),
        *zip(one.status.conditions, other.status.conditions, strict=True),
        *zip(one.status.files, other.status.files, strict=True),
    ]
    assert all(a.model_fields_set is b.model_fields_set for a, b in pairs)


def test_what_was_given_otherwise_has_another_set() -> None:
    one, other = compact(Limits()), compact(Limits(max_duration_seconds=60))

    assert (one.model_fields_set, other.model_fields_set) == (set(), {"max_duration_seconds"})


def test_a_copy_with_other_fields_leaves_the_shared_set_alone() -> None:
    one = compact(Limits(max_duration_seconds=60))

    changed = one.model_copy(update={"idle_timeout_seconds": 60})

    assert changed.model_fields_set == {"max_duration_seconds", "idle_timeout_seconds"}
    assert one.model_fields_set == {"max_duration_seconds"}


def test_the_table_of_sets_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_sets", {})
    monkeypatch.setattr(module, "MOST_SETS", 1)
    compact(Limits())
    one, other = compact(Limits(max_duration_seconds=60)), compact(Limits(max_duration_seconds=60))

    assert one.model_fields_set is not other.model_fields_set
    assert len(module._sets) == 1
