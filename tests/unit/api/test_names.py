import re

from hypothesis import given
from hypothesis import strategies as st

from egress_api.names import MAX_TASK_NAME, pod_name, request_digest, task_name, token_secret_name

IDS = st.text(min_size=1, max_size=63)
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@given(app_id=IDS, request_id=IDS, attempt=st.integers(1, 99_999))
def test_names_are_valid_for_kubernetes(app_id: str, request_id: str, attempt: int) -> None:
    task = task_name(app_id=app_id, request_id=request_id)
    assert len(task) <= MAX_TASK_NAME
    for name in (task, pod_name(task, attempt=attempt), token_secret_name(task)):
        assert DNS_LABEL.fullmatch(name)


@given(a=st.tuples(IDS, IDS), b=st.tuples(IDS, IDS))
def test_only_the_same_request_has_the_same_name(a: tuple[str, str], b: tuple[str, str]) -> None:
    same = task_name(app_id=a[0], request_id=a[1]) == task_name(app_id=b[0], request_id=b[1])
    assert same == (a == b)


def test_the_name_of_a_request_never_changes() -> None:
    # A client's retry may reach a newer gateway: a changed derivation would record twice.
    assert task_name(app_id="demo", request_id="m2d3k03l") == "t5hvirqsrsvh7kpy4eg7w"


def test_a_longest_task_name_still_gives_a_valid_pod_name() -> None:
    assert len(pod_name("t" * MAX_TASK_NAME, attempt=99_999)) == 63


def test_a_digest_knows_content_not_key_order() -> None:
    first = request_digest({"a": 1, "b": {"c": "ü", "d": []}})
    assert first == request_digest({"b": {"d": [], "c": "ü"}, "a": 1})
    assert first != request_digest({"a": 1, "b": {"c": "u", "d": []}})
