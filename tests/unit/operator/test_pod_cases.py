"""Whatever Kubernetes says of a Pod: the task's reason, its sentence, and what follows."""

from datetime import datetime, timedelta

import pytest

from egress_api.states import Reason, State
from egress_api.status import EgressTaskStatus
from egress_operator.decide import decide
from egress_operator.decision import Facts
from egress_operator.errors import RefusedError, UnavailableError
from egress_operator.mounts import mount_problem
from egress_operator.pod_state import PodView
from egress_operator.refusals import REFUSALS, refusal_of
from support.operator_parts import NOW, SETTINGS, status, task
from support.pod_cases import CASES, Case, Follows


def decided(
    case: Case,
    *,
    now: datetime = NOW,
    retry_limit: int = 0,
    free: int = 0,
    known: EgressTaskStatus | None = None,
) -> EgressTaskStatus:
    """Look at a task whose Pod is as the case says, and which has not recorded yet."""
    refusal = refusal_of(case.error) if case.error is not None else None
    facts = Facts(refusal=refusal, mount_problem=mount_problem(case.events))
    known = known or status(attempt=free + 1, pod=refusal is None, free_restarts=free)
    pod = None if case.error is not None else PodView.from_resource(case.pod())
    decision = decide(task(known, retry_limit=retry_limit), pod, now=now, settings=SETTINGS, facts=facts)
    return decision.status


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.what} {case.words}")
def test_case(case: Case) -> None:
    first = decided(case)
    enqueued = NOW + timedelta(seconds=300)
    match case.follows:
        case Follows.AT_ONCE | Follows.NO_MORE:
            end = decided(case, retry_limit=2)
            assert (end.state, end.reason) == (State.FAILED, case.reason)
        case Follows.DONE:
            assert (first.state, first.reason) == (State.STOPPED, case.reason)
        case Follows.PATIENCE | Follows.ENQUEUE:
            assert (first.state, first.reason) == (State.ENQUEUED, case.reason)
            late = decided(case, now=enqueued, known=first)
            timeout = case.follows is Follows.ENQUEUE
            assert late.state is (State.TIMEOUT if timeout else State.FAILED)
            assert late.reason in {case.reason, Reason.ENQUEUE_TIMEOUT}
            assert case.says in late.message
        case Follows.FREE:
            assert (first.state, first.reason, first.attempt) == (State.ENQUEUED, Reason.RETRYING, 2)
            assert first.free_restarts == 1
            last = decided(case, free=3)
            assert (last.state, last.reason) == (State.FAILED, case.reason)
        case Follows.COUNTED:
            assert (first.state, first.reason) == (State.FAILED, case.reason)
            again = decided(case, retry_limit=2)
            assert (again.reason, again.attempt, again.free_restarts) == (Reason.RETRYING, 2, 0)
    assert case.says in first.message


def test_every_known_word_for_a_container_that_waits_and_every_kind_of_refusal_is_a_case() -> None:
    refusals = {refusal_of(case.error) for case in CASES if case.error is not None}

    assert {refusal.message.split(": ")[0] for refusal in refusals if refusal} == {
        r.sentence for r in REFUSALS
    }


def test_a_node_that_refuses_pods_is_not_asked_again_at_once() -> None:
    refused = next(case for case in CASES if case.words == "OutOfcpu")

    assert decided(refused).retry_at == NOW + timedelta(seconds=1)


def test_an_api_server_that_is_away_has_refused_nothing() -> None:
    assert refusal_of(UnavailableError("etcdserver: leader changed", status=500)) is None
    assert refusal_of(RefusedError("spec.volumes: Invalid value", status=422)) is not None


def test_a_retry_is_not_put_off_by_a_clock_that_was_put_back() -> None:
    waiting = status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=NOW + timedelta(hours=1))

    got = decide(task(waiting), None, now=NOW, settings=SETTINGS)

    assert [type(action).__name__ for action in got.actions] == ["CreatePod"]
