"""What becomes of a task that has to wait for its turn. Pure.

In: a `Look` at a task that has no attempt yet, and its `Turn`. Out: a `Decision`. It is told once which limit it waits for
and where it stands; where it stands changes all the time, so that is written again only when its turn says so.
"""

from typing import Final

from egress_api.states import WAITS_FOR_A_PLACE, ConditionStatus, ConditionType, Reason, State
from egress_operator.decision import Decision, Turn
from egress_operator.look import Look

_TURN_HAS_COME: Final = "it was the task's turn"


def wait_for_turn(look: Look, turn: Turn) -> Decision:
    """Leave a task waiting until its turn, or its enqueue timeout, comes.

    Args:
        look: at the task, accepted in it.
        turn: what limits it.
    """
    if turn.news:
        look.draft.state(State.ENQUEUED, turn.reason, waiting_sentence(look, turn))
        look.draft.condition(
            ConditionType.POD_SCHEDULED, ConditionStatus.FALSE, turn.reason, _condition_sentence(look, turn)
        )
        look.draft.set(queue_position=turn.position, observed_generation=look.task.metadata.generation)
        return look.wait(look.enqueue_seconds_left())
    changes = {"observed_generation": look.task.metadata.generation}
    before = look.task.status
    if before.enqueued_at is not None:
        before = before.model_copy(update=changes)
    return Decision(status=before, requeue_after=max(look.enqueue_seconds_left(), 0.0))


def take_turn(look: Look) -> None:
    """Begin with the first attempt."""
    look.draft.set(attempt=1, queue_position=None)
    if look.status.reason in WAITS_FOR_A_PLACE:
        look.draft.state(State.ENQUEUED, Reason.ACCEPTED, _TURN_HAS_COME)
        look.draft.condition(
            ConditionType.POD_SCHEDULED, ConditionStatus.UNKNOWN, Reason.ACCEPTED, _TURN_HAS_COME
        )


def waiting_sentence(look: Look, turn: Turn) -> str:
    """Return where a task stands, such as "waits for a place: 12th of 40; 5 of 5 recordings run"."""
    queue, app = look.settings.queue, look.task.spec.app_id
    where = f"{ordinal(turn.position)} of {turn.of}"
    match turn.reason:
        case Reason.APP_LIMIT_REACHED:
            limit = f"{turn.places} of {queue.limit_of(app)} recordings of the app run"
            return f"waits for a place of app {app}: {where}; {limit}"
        case Reason.QUEUE_FULL:
            return f"waits for a place: {where}; {turn.places} of {queue.max_tasks} recordings run"
        case _:
            rate = f"{queue.starts_per_second:g} a second (queue.startsPerSecond)"
            return f"waits for its start: {where}; recordings begin at {rate}"


def _condition_sentence(look: Look, turn: Turn) -> str:
    """Return what a condition says all the time, while the position changes."""
    queue, app = look.settings.queue, look.task.spec.app_id
    match turn.reason:
        case Reason.APP_LIMIT_REACHED:
            limit = f"as many tasks of app {app} record as may ({queue.limit_of(app)})"
            line = f"of those of app {app} that wait"
        case Reason.QUEUE_FULL:
            limit, line = f"as many tasks record as may ({queue.max_tasks})", "of all that wait for a place"
        case _:
            limit = f"as many recordings begin as may ({queue.starts_per_second:g} a second)"
            line = "of all that wait for their start"
    return f"the Pod is created when it is the task's turn: {limit}; status.queuePosition is its place in the line {line}"


def ordinal(number: int) -> str:
    """Return a number as 1st, 2nd, 3rd, 4th …, 11th, 12th, 13th …, 21st."""
    last = number % 10 if number % 100 not in {11, 12, 13} else 0
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"
