"""The table of states, the part on waiting: for a place of the operator's, and for Kueue."""

from collections.abc import Iterator

from egress_api.states import Reason, State
from egress_api.status import EgressTaskStatus
from egress_operator.decision import Facts, Turn
from egress_operator.pod_state import KUEUE_GATE, PodView
from egress_operator.queue_settings import AppQueue, QueueSettings
from support.operator_parts import RECORDING, SETTINGS, Row, at, ended, pod, running, status, task
from support.summaries import summary

LIMITED = SETTINGS.model_copy(
    update={"queue": QueueSettings(max_tasks=5, starts_per_second=0.5, apps={"demo": AppQueue(max_tasks=2)})}
)
FULL = Turn(granted=False, news=True, reason=Reason.QUEUE_FULL, position=12, of=40, places=5)
OF_APP = Turn(granted=False, news=True, reason=Reason.APP_LIMIT_REACHED, position=3, of=7, places=2)
RATE = Turn(granted=False, news=True, reason=Reason.START_RATE_LIMITED, position=1, of=1, places=0)
QUIET = Turn(granted=False)
GRANTED = Turn(granted=True)
WAITS: EgressTaskStatus = status(
    attempt=0, pod=False, reason="QueueFull", message="waits for a place", queue_position=2, pod_name=None
)
GATED = pod(node=None, scheduled=False, scheduled_at=None, gates=(KUEUE_GATE,))
SAYS = "Preempted to accommodate a workload of higher priority"


def preempted(view: PodView) -> PodView:
    """Return the Pod as Kueue deletes it."""
    return pod(**{**vars(view), "preemption": SAYS, "deleted_at": at(90)})


def _place_rows() -> Iterator[Row]:
    for when, turn in (
        ("is seen first, and as many record as may (queue.maxTasks)", FULL),
        ("is seen first, and as many of its app record as may (queue.maxTasksPerApp)", OF_APP),
        ("is seen first, and as many begin as may (queue.startsPerSecond)", RATE),
    ):
        yield Row(
            when=when,
            task=task(),
            facts=Facts(turn=turn),
            settings=LIMITED,
            state=State.ENQUEUED,
            reason=turn.reason,
        )
    yield Row(
        when="is seen first, and its turn has come",
        task=task(),
        facts=Facts(turn=GRANTED),
        settings=LIMITED,
        state=State.ENQUEUED,
        reason="Accepted",
        does="create 1",
    )
    yield Row(
        when="waits for a place, and nothing is new",
        task=task(WAITS),
        facts=Facts(turn=QUIET),
        settings=LIMITED,
        state=State.ENQUEUED,
        reason="QueueFull",
    )
    yield Row(
        when="waits for a place, and is told again where it stands",
        task=task(WAITS),
        facts=Facts(turn=OF_APP),
        settings=LIMITED,
        state=State.ENQUEUED,
        reason="AppLimitReached",
    )
    yield Row(
        when="waits for a place, and its turn has come",
        task=task(WAITS),
        facts=Facts(turn=GRANTED),
        settings=LIMITED,
        state=State.ENQUEUED,
        reason="Accepted",
        does="create 1",
    )
    yield Row(
        when="waits for a place, and the limits have been taken away",
        task=task(WAITS),
        state=State.ENQUEUED,
        reason="Accepted",
        does="create 1",
    )
    yield Row(
        when="waits for a place, and stop is asked for",
        task=task(WAITS, stop=True),
        settings=LIMITED,
        state=State.STOPPED,
        reason="StoppedBeforeStart",
    )
    yield Row(
        when="waits for a place, and the enqueue timeout has passed",
        task=task(WAITS),
        facts=Facts(turn=QUIET),
        settings=LIMITED,
        now=at(300),
        state=State.TIMEOUT,
        reason="QueueFull",
    )
    yield Row(
        when="waits for a place, and its app has no source any more",
        task=task(WAITS),
        facts=Facts(turn=QUIET),
        settings=LIMITED.model_copy(update={"sources": type(SETTINGS.sources)()}),
        state=State.FAILED,
        reason="NotConfigured",
    )


def _kueue_rows() -> Iterator[Row]:
    yield Row(
        when="Kueue holds the Pod back (a scheduling gate)",
        task=task(status()),
        pod=GATED,
        state=State.ENQUEUED,
        reason="QueueGated",
    )
    yield Row(
        when="Kueue holds the Pod back, and the enqueue timeout has passed",
        task=task(status()),
        pod=GATED,
        now=at(300),
        state=State.TIMEOUT,
        reason="QueueGated",
        does="release 1, delete 1",
    )
    yield Row(
        when="Kueue has let the Pod go on, and it waits for a node",
        task=task(status(reason="QueueGated")),
        pod=pod(node=None, scheduled=False),
        state=State.ENQUEUED,
        reason="PodPending",
    )
    yield Row(
        when="Kueue has let the Pod go on, and it is Ready",
        task=task(status(reason="QueueGated")),
        pod=running(),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="stop is asked for while Kueue holds the Pod back",
        task=task(status(), stop=True),
        pod=GATED,
        state=State.STOPPING,
        reason="Stopping",
        does="delete 1",
    )
    yield Row(
        when="Kueue preempts the Pod before it has a node (a free restart)",
        task=task(status()),
        pod=preempted(GATED),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="Kueue has preempted the Pod before it recorded (a free restart)",
        task=task(status()),
        pod=preempted(ended(exit_code=143)),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="Kueue preempts the Pod while it records, it is ending",
        task=task(RECORDING),
        pod=preempted(running()),
        state=State.PROCESSING,
        reason="Preempted",
    )
    yield Row(
        when="Kueue has preempted the Pod while it recorded",
        task=task(RECORDING),
        pod=preempted(ended(summary())),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="Kueue holds the next attempt of a recording back",
        task=task(status(State.PROCESSING, attempt=2, started_at=at(5))),
        pod=pod(2, node=None, scheduled=False, gates=(KUEUE_GATE,)),
        state=State.PROCESSING,
        reason="QueueGated",
    )
    yield Row(
        when="Kueue has preempted the Pod while it recorded, for the last time (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=preempted(ended(summary())),
        state=State.FAILED,
        reason="Preempted",
        does="release 1",
    )


QUEUE_ROWS: tuple[Row, ...] = (*_place_rows(), *_kueue_rows())
