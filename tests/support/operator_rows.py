"""The table of states as data: each row is a test of `decide` and a line of docs/operator.md."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egress_api.constants import RESULTS_FINALIZER
from egress_api.page import PageReport, Sandbox, Step
from egress_api.results import Outcome, TerminationSummary
from egress_api.spec import EgressTaskSpec
from egress_api.states import ConditionStatus, ConditionType, Reason, State
from egress_api.status import EgressTaskStatus, with_condition
from egress_api.task import EgressTask, Metadata
from egress_operator.decision import (
    Action,
    CreatePod,
    Decision,
    DeletePod,
    DeleteTask,
    Facts,
    Refusal,
    ReleasePod,
)
from egress_operator.draft import PAGE_CONDITIONS
from egress_operator.pod_state import Blocked, ContainerEnd, PodView
from egress_operator.settings import Settings, WebSettings
from support.summaries import START, failed, live, playlist, summary

UID = "task-uid"
NOW = START + timedelta(seconds=100)
"""Every row's task is 100 s old unless it says otherwise."""

SETTINGS = Settings(
    namespaces=["media"],
    store={"url": "s3://recordings"},
    sources={"default": {"kind": "livekit", "url": "ws://livekit:7880"}},
    recorder={"image": "egress-recorder:1"},
)


WEB = SETTINGS.model_copy(
    update={
        "recorder": SETTINGS.recorder.model_copy(update={"web": WebSettings(image="egress-recorder-web:1")})
    }
)
"""Of an operator that records pages, too."""
DONE = Step(done=True, reason="Done")
REFUSED = Step(done=False, reason="PageUnreachable", message="connection refused")
SELF_ENDED_ROWS = (
    Reason.MAX_DURATION_REACHED,
    Reason.IDLE_TIMEOUT,
    Reason.SOURCE_CLOSED,
    Reason.PAGE_ENDED,
)


def at(seconds: float) -> datetime:
    """Return the moment that many seconds after the task was created."""
    return START + timedelta(seconds=seconds)


def task(status: EgressTaskStatus | None = None, **spec: Any) -> EgressTask:
    fields = {
        "app_id": "demo",
        "channel": "room",
        "access_token_secret_ref": {"name": "task-token"},
        **spec,
    }
    return EgressTask(
        metadata=Metadata(
            name="task",
            namespace="media",
            uid=UID,
            generation=2 if spec.get("stop") else 1,
            resource_version="7",
            creation_timestamp=START,
        ),
        spec=EgressTaskSpec(**fields),
        status=status or EgressTaskStatus(),
    )


def page_task(status: EgressTaskStatus | None = None, **spec: Any) -> EgressTask:
    page = {"channel": None, "access_token_secret_ref": None, "url": "https://page.example/x"}
    return task(status, layout="freestyle", **{**page, **spec})


def status(
    state: State = State.ENQUEUED,
    *,
    attempt: int = 1,
    pod: bool = True,
    recorded: bool = False,
    page: bool = False,
    **fields: Any,
) -> EgressTaskStatus:
    """Return a status as the operator leaves it: `pod` if it has seen the attempt's Pod."""
    conditions = []
    for kind in ConditionType:
        if kind in PAGE_CONDITIONS and not page:
            continue
        value = ConditionStatus.UNKNOWN
        if recorded and kind is ConditionType.RECORDING:
            value = ConditionStatus.TRUE
        conditions = with_condition(
            conditions, kind, value, reason=Reason.ACCEPTED, message="", now=at(1), generation=1
        )
    base: dict[str, Any] = {
        "state": state,
        "attempt": attempt,
        "enqueued_at": at(1),
        "pod_name": f"task-{attempt}",
        "pod_uid": f"pod-{attempt}" if pod else None,
        "started_at": at(5) if recorded else None,
        "files": [playlist(seconds=4)] if recorded else [],
        "files_total": 1 if recorded else 0,
        "conditions": conditions,
    }
    return EgressTaskStatus(**{**base, **fields})


RECORDING = status(State.PROCESSING, recorded=True)
STOPPING = status(State.STOPPING, recorded=True)


def pod(attempt: int = 1, **changes: Any) -> PodView:
    """Return a Pod of the task that has a node and waits."""
    base = PodView(
        name=f"task-{attempt}",
        namespace="media",
        uid=f"pod-{attempt}",
        resource_version="9",
        owner_uid=UID,
        finalizers=(RESULTS_FINALIZER,),
        node="node-1",
        scheduled=True,
        scheduled_at=at(95),
    )
    return replace(base, **changes)


def running(attempt: int = 1, **changes: Any) -> PodView:
    return pod(attempt, **{"phase": "Running", "ready": True, "ready_at": at(5), "ip": "10.0.0.9", **changes})


def ended(
    words: TerminationSummary | str = "",
    *,
    attempt: int = 1,
    exit_code: int = 0,
    why: str = "",
    **changes: Any,
) -> PodView:
    text = words if isinstance(words, str) else words.to_message()
    end = ContainerEnd(
        exit_code=exit_code, reason=why or ("Completed" if exit_code == 0 else "Error"), message=text
    )
    phase = "Succeeded" if exit_code == 0 else "Failed"
    return pod(attempt, **{"phase": phase, "container_end": end, **changes})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    when: str
    task: EgressTask
    pod: PodView | None = None
    state: State
    reason: str
    does: str = ""
    facts: Facts = field(default_factory=Facts)
    now: datetime = NOW
    settings: Settings = SETTINGS

    @property
    def was(self) -> str:
        return "(new)" if self.task.status.attempt == 0 else self.task.status.state.value


def actions_text(decision: Decision) -> str:
    """Return the actions as the table writes them."""
    return ", ".join(_action_text(action) for action in decision.actions)


def _action_text(action: Action) -> str:
    match action:
        case CreatePod(attempt=attempt):
            return f"create {attempt}"
        case ReleasePod(pod=view):
            return f"release {view.name.removeprefix('task-')}"
        case DeletePod(pod=view):
            return f"delete {view.name.removeprefix('task-')}"
        case DeleteTask():
            return "delete task"


def _blocked_rows() -> Iterator[Row]:
    enqueued = task(status())
    yield Row(
        when="no node can take the Pod",
        task=enqueued,
        pod=pod(node=None, scheduled=False, unschedulable="0/3 nodes are available: 3 Insufficient cpu"),
        state=State.ENQUEUED,
        reason="Unschedulable",
    )
    yield Row(
        when="no node can take the Pod, and the enqueue timeout has passed",
        task=enqueued,
        pod=pod(node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(300),
        state=State.TIMEOUT,
        reason="Unschedulable",
        does="release 1, delete 1",
    )
    yield Row(
        when="the image can't be pulled, for a short time",
        task=enqueued,
        pod=pod(waiting="ImagePullBackOff", waiting_message="not found"),
        state=State.ENQUEUED,
        reason="ImagePullFailed",
    )
    yield Row(
        when="the image can't be pulled, for longer than imagePullPatienceSeconds",
        task=enqueued,
        pod=pod(waiting="ImagePullBackOff", scheduled_at=at(30)),
        state=State.FAILED,
        reason="ImagePullFailed",
        does="release 1, delete 1",
    )
    yield Row(
        when="the first pull of the image has failed, after a long time",
        task=enqueued,
        pod=pod(waiting="ErrImagePull", scheduled_at=at(30)),
        state=State.ENQUEUED,
        reason="ImagePullFailed",
    )
    yield Row(
        when="the image's name is not valid",
        task=enqueued,
        pod=pod(waiting="InvalidImageName"),
        state=State.FAILED,
        reason="InvalidImage",
        does="release 1, delete 1",
    )
    yield Row(
        when="the container can't be configured, for longer than imagePullPatienceSeconds",
        task=enqueued,
        pod=pod(waiting="CreateContainerConfigError", scheduled_at=at(30)),
        state=State.FAILED,
        reason="ConfigError",
        does="release 1, delete 1",
    )
    missing = Blocked(reason=Reason.SECRET_MISSING, message="Secret task-token does not exist")
    yield Row(
        when="a Secret that is mounted does not exist",
        task=enqueued,
        pod=pod(waiting="ContainerCreating"),
        facts=Facts(mount_problem=missing),
        state=State.ENQUEUED,
        reason="SecretMissing",
    )
    yield Row(
        when="a Secret that is mounted does not exist, and the enqueue timeout has passed",
        task=enqueued,
        pod=pod(waiting="ContainerCreating"),
        facts=Facts(mount_problem=missing),
        now=at(300),
        state=State.TIMEOUT,
        reason="SecretMissing",
        does="release 1, delete 1",
    )
    yield Row(
        when="the recorder runs and has not joined its source yet",
        task=enqueued,
        pod=running(ready=False),
        state=State.ENQUEUED,
        reason="PodStarting",
    )
    yield Row(
        when="the recorder runs and has not joined by the enqueue timeout",
        task=enqueued,
        pod=running(ready=False),
        now=at(301),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
        does="release 1, delete 1",
    )


def _first_rows() -> Iterator[Row]:
    yield Row(when="is seen first", task=task(), state=State.ENQUEUED, reason="Accepted", does="create 1")
    yield Row(
        when="is seen first when its enqueue timeout has passed",
        task=task(),
        now=at(400),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
    )
    yield Row(
        when="is seen first with stop already asked for",
        task=task(stop=True),
        state=State.STOPPED,
        reason="StoppedBeforeStart",
    )
    yield Row(
        when="is a web page, and the operator has no image for pages (recorder.web.image)",
        task=page_task(),
        state=State.FAILED,
        reason="LayoutNotSupported",
    )
    no_source = SETTINGS.model_copy(update={"sources": type(SETTINGS.sources)()})
    yield Row(
        when="is a channel of an app that has no source",
        task=task(),
        settings=no_source,
        state=State.FAILED,
        reason="NotConfigured",
    )
    yield Row(
        when="has no Pod yet: the operator died before it made one",
        task=task(status(pod=False)),
        state=State.ENQUEUED,
        reason="",
        does="create 1",
    )
    yield Row(
        when="has no Pod, and the quota refuses one",
        task=task(status(pod=False)),
        facts=Facts(refusal=Refusal(message="exceeded quota: pods", quota=True)),
        state=State.ENQUEUED,
        reason="QuotaExceeded",
    )
    yield Row(
        when="has no Pod, the quota has refused one, and the enqueue timeout has passed",
        task=task(status(pod=False, reason=Reason.QUOTA_EXCEEDED)),
        now=at(300),
        state=State.TIMEOUT,
        reason="QuotaExceeded",
    )
    yield Row(
        when="has no Pod, and admission refuses one",
        task=task(status(pod=False)),
        facts=Facts(refusal=Refusal(message="violates PodSecurity", quota=False)),
        state=State.FAILED,
        reason="AdmissionRefused",
    )
    yield Row(
        when="has no Pod yet, and stop is asked for",
        task=task(status(pod=False), stop=True),
        state=State.STOPPED,
        reason="StoppedBeforeStart",
    )
    yield Row(
        when="finds a Pod of that name that is somebody else's",
        task=task(status(pod=False)),
        pod=pod(owner_uid=None, finalizers=()),
        state=State.FAILED,
        reason="PodNameConflict",
    )
    yield Row(
        when="finds a Pod of an earlier task of the same name",
        task=task(status(pod=False)),
        pod=running(owner_uid="earlier"),
        state=State.ENQUEUED,
        reason="PodPending",
        does="delete 1",
    )
    yield Row(
        when="finds the Pod of an earlier task of the same name, ended and released",
        task=task(status(pod=False)),
        pod=ended(owner_uid="earlier", finalizers=()),
        state=State.ENQUEUED,
        reason="PodPending",
        does="delete 1",
    )
    yield Row(
        when="finds the Pod of an earlier task of the same name, ended",
        task=task(status(pod=False)),
        pod=ended(owner_uid="earlier", deleted_at=at(99)),
        state=State.ENQUEUED,
        reason="PodPending",
        does="release 1",
    )


def _recording_rows() -> Iterator[Row]:
    yield Row(
        when="its Pod is Ready",
        task=task(status()),
        pod=running(),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="its Pod is not Ready for a moment",
        task=task(RECORDING.model_copy(update={"reason": Reason.RECORDING})),
        pod=running(ready=False),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="stop is asked for, the Pod waits",
        task=task(status(), stop=True),
        pod=pod(),
        state=State.STOPPING,
        reason="Stopping",
        does="delete 1",
    )
    yield Row(
        when="stop is asked for, the Pod records",
        task=task(RECORDING, stop=True),
        pod=running(),
        state=State.STOPPING,
        reason="Stopping",
        does="delete 1",
    )
    yield Row(
        when="the recorder is ending",
        task=task(STOPPING, stop=True),
        pod=running(deleted_at=at(200)),
        state=State.STOPPING,
        reason="Stopping",
    )
    deleted: dict[str, Any] = {"deleted_at": at(200)}
    yield Row(
        when="the recorder has ended as asked",
        task=task(STOPPING, stop=True),
        pod=ended(summary(), **deleted),
        state=State.STOPPED,
        reason="StopRequested",
        does="release 1",
    )
    yield Row(
        when="the Pod had no node yet and is gone as asked",
        task=task(status(State.STOPPING), stop=True),
        pod=pod(node=None, scheduled=False, **deleted),
        state=State.STOPPED,
        reason="StoppedBeforeStart",
        does="release 1",
    )
    yield Row(
        when="the recorder was ended as asked before it had joined",
        task=task(status(State.STOPPING), stop=True),
        pod=ended(summary(joined_at=None, first_frame_at=None, files=[], files_total=0), **deleted),
        state=State.STOPPED,
        reason="StoppedBeforeStart",
        does="release 1",
    )
    yield Row(
        when="the recorder ended at its longest duration while stop was asked for",
        task=task(STOPPING, stop=True),
        pod=ended(summary(reason=Reason.MAX_DURATION_REACHED), **deleted),
        state=State.STOPPED,
        reason="MaxDurationReached",
        does="release 1",
    )
    yield Row(
        when="the recorder was asked to end and could not upload the rest",
        task=task(STOPPING, stop=True),
        pod=ended(failed(Reason.STORE_UNREACHABLE, joined=True, retryable=True), exit_code=1, **deleted),
        state=State.FAILED,
        reason="StoreUnreachable",
        does="release 1",
    )
    yield Row(
        when="the recorder was asked to end and was killed",
        task=task(STOPPING, stop=True),
        pod=ended(exit_code=137, **deleted),
        state=State.FAILED,
        reason="RecorderFailed",
        does="release 1",
    )
    yield Row(
        when="the recorder was asked to end, and its node says no more",
        task=task(STOPPING, stop=True),
        pod=running(deleted_at=at(30)),
        state=State.FAILED,
        reason="NodeLost",
        does="release 1",
    )
    yield Row(
        when="the recorder was asked to end, and its Pod is gone past our finalizer",
        task=task(STOPPING, stop=True),
        state=State.FAILED,
        reason="PodDeleted",
    )


def _page_rows() -> Iterator[Row]:
    enqueued = page_task(status(page=True))
    yield Row(
        when="a page is not ready yet: status says which step it waits for",
        task=enqueued,
        pod=running(ready=False),
        facts=Facts(live=live(page=PageReport(sandbox=Sandbox.ON, loaded=DONE), joined_at=None)),
        settings=WEB,
        state=State.ENQUEUED,
        reason="PodStarting",
    )
    yield Row(
        when="a page is recorded",
        task=enqueued,
        pod=running(),
        facts=Facts(
            live=live(page=PageReport(sandbox=Sandbox.ON, loaded=DONE, ready=DONE, first_frame=DONE))
        ),
        settings=WEB,
        state=State.PROCESSING,
        reason="Recording",
    )
    unreachable = failed(Reason.PAGE_UNREACHABLE, retryable=True, page=PageReport(loaded=REFUSED))
    yield Row(
        when="a page could not be reached, the first time",
        task=enqueued,
        pod=ended(unreachable, exit_code=1),
        settings=WEB,
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1",
    )
    for reason in (
        Reason.PAGE_FORBIDDEN,
        Reason.PAGE_INSECURE,
        Reason.PAGE_HTTP_ERROR,
        Reason.PAGE_NOT_READY,
        Reason.PAGE_CRASHED,
        Reason.SANDBOX_UNAVAILABLE,
    ):
        yield Row(
            when=f"the recorder gave up on a page: {reason}",
            task=enqueued,
            pod=ended(failed(reason), exit_code=1),
            settings=WEB,
            state=State.FAILED,
            reason=reason,
            does="release 1, delete 1",
        )


def _own_end_rows() -> Iterator[Row]:
    for reason in SELF_ENDED_ROWS:
        yield Row(
            when=f"the recorder ended by itself: {reason}",
            task=task(RECORDING),
            pod=ended(summary(reason=reason)),
            state=State.STOPPED,
            reason=reason,
            does="release 1, delete 1",
        )
    for reason in (Reason.JOIN_REFUSED, Reason.STORE_REFUSED, Reason.OUTPUT_EXISTS):
        yield Row(
            when=f"the recorder gave up: {reason}",
            task=task(status()),
            pod=ended(failed(reason), exit_code=1),
            state=State.FAILED,
            reason=reason,
            does="release 1, delete 1",
        )
    unreachable = failed(Reason.SOURCE_UNREACHABLE, retryable=True)
    yield Row(
        when="the recorder could not reach its source, the first time",
        task=task(status()),
        pod=ended(unreachable, exit_code=1),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1",
    )
    yield Row(
        when="the recorder could not reach its source, for the last time (retryLimit)",
        task=task(status(attempt=3)),
        pod=ended(failed(Reason.SOURCE_UNREACHABLE, retryable=True, attempt=3), attempt=3, exit_code=1),
        state=State.FAILED,
        reason="SourceUnreachable",
        does="release 3, delete 3",
    )
    yield Row(
        when="the next attempt's time has not come",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(102))),
        state=State.ENQUEUED,
        reason="Retrying",
    )
    yield Row(
        when="the next attempt's time has come",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(99))),
        state=State.ENQUEUED,
        reason="Retrying",
        does="create 2",
    )
    yield Row(
        when="the next attempt's time has come, and the last Pod is still held: the operator died in between",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(99))),
        facts=Facts(previous=ended(unreachable, exit_code=1)),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the enqueue timeout passes before the next attempt",
        task=task(status(attempt=2, pod=False, reason=Reason.RETRYING, retry_at=at(310))),
        now=at(300),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
    )


def _platform_rows() -> Iterator[Row]:
    yield Row(
        when="somebody has deleted the Pod while it recorded, it is ending",
        task=task(RECORDING),
        pod=running(deleted_at=at(200)),
        state=State.PROCESSING,
        reason="PodDeleted",
    )
    yield Row(
        when="somebody has deleted the Pod while it recorded, it has ended",
        task=task(RECORDING),
        pod=ended(summary(), deleted_at=at(200)),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="the Pod was evicted while it recorded, for the last time (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended(summary(), reason="Evicted", phase="Failed"),
        state=State.FAILED,
        reason="PodEvicted",
        does="release 1, delete 1",
    )
    yield Row(
        when="the Pod was evicted before it recorded (a free restart)",
        task=task(status(), retry_limit=0),
        pod=ended(exit_code=137, reason="Evicted"),
        state=State.ENQUEUED,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the Pod was evicted before it recorded, after three free restarts (retryLimit 0)",
        task=task(status(attempt=4, free_restarts=3), retry_limit=0),
        pod=ended(exit_code=137, reason="Evicted", attempt=4),
        state=State.FAILED,
        reason="PodEvicted",
        does="release 4, delete 4",
    )
    yield Row(
        when="the node was shut down while it recorded",
        task=task(RECORDING),
        pod=ended(exit_code=137, reason="NodeShutdown"),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, delete 1, create 2",
    )
    yield Row(
        when="the Pod's node is lost: deleted, no end reported in its grace period and a minute",
        task=task(RECORDING),
        pod=running(deleted_at=at(30)),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, create 2",
    )
    yield Row(
        when="the recorder was killed for its memory",
        task=task(RECORDING),
        pod=ended(exit_code=137, why="OOMKilled"),
        state=State.PROCESSING,
        reason="Retrying",
        does="release 1, delete 1",
    )
    yield Row(
        when="the recorder was killed for its memory (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended(exit_code=137, why="OOMKilled"),
        state=State.FAILED,
        reason="OOMKilled",
        does="release 1, delete 1",
    )
    yield Row(
        when="the recorder ended with exit code 0 and no summary (retryLimit 0)",
        task=task(RECORDING, retry_limit=0),
        pod=ended("Killed by nobody"),
        state=State.FAILED,
        reason="RecorderFailed",
        does="release 1, delete 1",
    )
    yield Row(
        when="the Pod is gone past our finalizer while it recorded",
        task=task(RECORDING),
        state=State.PROCESSING,
        reason="Retrying",
        does="create 2",
    )
    waiting = status(State.PROCESSING, attempt=2, pod=False, started_at=at(5), reason=Reason.RETRYING)
    yield Row(
        when="stop is asked for while a new recorder is waited for",
        task=task(waiting, stop=True),
        state=State.STOPPED,
        reason="StopRequested",
    )
    yield Row(
        when="a new recorder can't be scheduled long after the enqueue timeout",
        task=task(waiting),
        pod=pod(2, node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(2000),
        state=State.PROCESSING,
        reason="Unschedulable",
    )
    yield Row(
        when="a new recorder can't be scheduled, and the longest duration has passed",
        task=task(waiting),
        pod=pod(2, node=None, scheduled=False, unschedulable="0/3 nodes are available"),
        now=at(20_000),
        state=State.FAILED,
        reason="Unschedulable",
        does="release 2, delete 2",
    )


def _terminal_rows() -> Iterator[Row]:
    done = status(State.STOPPED, reason=Reason.STOP_REQUESTED, stopped_at=at(50), recorded=True)
    yield Row(
        when="its Pod is still held: the operator died in between",
        task=task(done, stop=True),
        pod=ended(summary(), deleted_at=at(60)),
        state=State.STOPPED,
        reason="StopRequested",
        does="release 1",
    )
    yield Row(
        when="its Pod is gone",
        task=task(done, stop=True),
        state=State.STOPPED,
        reason="StopRequested",
    )
    yield Row(
        when="ttlSecondsAfterFinished has passed",
        task=task(done, stop=True),
        now=at(50 + 604_800),
        state=State.STOPPED,
        reason="StopRequested",
        does="delete task",
    )
    lost = status(State.TIMEOUT, reason=Reason.ENQUEUE_TIMEOUT, stopped_at=at(300))
    yield Row(
        when="its Pod became Ready all the same",
        task=task(lost),
        pod=running(),
        now=at(301),
        state=State.TIMEOUT,
        reason="EnqueueTimeout",
        does="release 1, delete 1",
    )


ROWS: tuple[Row, ...] = (
    *_first_rows(),
    *_blocked_rows(),
    *_recording_rows(),
    *_page_rows(),
    *_own_end_rows(),
    *_platform_rows(),
    *_terminal_rows(),
)

__all__ = [
    "NOW",
    "ROWS",
    "SETTINGS",
    "Outcome",
    "Row",
    "actions_text",
    "at",
    "ended",
    "pod",
    "running",
    "status",
    "task",
]
