"""Tasks, statuses and Pods ready made, and the form of a row in the table of states."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from egress_api.constants import RESULTS_FINALIZER
from egress_api.page import Step
from egress_api.results import TerminationSummary
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
    ReleasePod,
    TellPod,
)
from egress_operator.draft import PAGE_CONDITIONS
from egress_operator.pod_state import ContainerEnd, PodView
from egress_operator.settings import Settings, WebSettings
from support.summaries import START, playlist

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
            generation=2 if spec.get("stop") or spec.get("pause") else 1,
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
    closed: bool = False,
    **fields: Any,
) -> EgressTaskStatus:
    """Return a status as the operator leaves it.

    Args:
        state: where the task is.
        attempt: in use.
        pod: whether the attempt's Pod has been seen.
        recorded: whether it records.
        page: whether it is a web page.
        closed: whether the last recorder has closed the lists.
        fields: whatever else.
    """
    conditions = []
    for kind in ConditionType:
        if kind in PAGE_CONDITIONS and not page:
            continue
        value = ConditionStatus.UNKNOWN
        if (recorded and kind is ConditionType.RECORDING) or (closed and kind is ConditionType.UPLOADED):
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
        return "(new)" if self.task.status.enqueued_at is None else self.task.status.state.value


def actions_text(decision: Decision) -> str:
    """Return the actions as the table writes them."""
    return ", ".join(_action_text(action) for action in decision.actions)


def _action_text(action: Action) -> str:
    match action:
        case CreatePod(attempt=attempt, finish_only=True):
            return f"create {attempt} to close"
        case CreatePod(attempt=attempt):
            return f"create {attempt}"
        case TellPod(pod=view, paused=paused, users=users, layout=layout, stop_since=since):
            told = ["to stop"] if since else []
            if paused is not None:
                told.append("to pause" if paused else "to go on")
            if users is not None:
                told.append(f"to record {' '.join(users) or 'everyone'}")
            if layout is not None:
                told.append(f"to lay it out {layout}")
            return f"tell {view.name.removeprefix('task-')} {' and '.join(told)}"
        case ReleasePod(pod=view):
            return f"release {view.name.removeprefix('task-')}"
        case DeletePod(pod=view):
            return f"delete {view.name.removeprefix('task-')}"
        case DeleteTask():
            return "delete task"
