"""The table of states as data: each row is a test of `decide` and a line of docs/operator.md.

Here are the rows of tasks that have a future; operator_queue_rows.py has those that wait, operator_stop_rows.py a stop
while the store fails, operator_end_rows.py the others.
"""

from collections.abc import Iterator
from typing import Any

from egress_api.page import PageReport, Sandbox
from egress_api.states import ConditionType, Reason, State
from egress_operator.decision import Facts, Refusal
from egress_operator.pod_state import Blocked
from support.operator_end_rows import END_ROWS
from support.operator_parts import (
    DONE,
    RECORDING,
    REFUSED,
    SETTINGS,
    STOPPING,
    WEB,
    Row,
    at,
    ended,
    page_task,
    pod,
    running,
    status,
    task,
)
from support.operator_queue_rows import QUEUE_ROWS
from support.operator_stop_rows import STOP_ROWS
from support.summaries import failed, live, summary


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
        when="asks for nodes that tasks may not choose (spec.placement)",
        task=task(placement={"node_selector": {"pool": "gpu"}}),
        state=State.FAILED,
        reason="PlacementNotAllowed",
    )
    yield Row(
        when="was accepted before its placement was no longer allowed, and has no Pod yet",
        task=task(status(pod=False), placement={"node_selector": {"pool": "gpu"}}),
        state=State.ENQUEUED,
        reason="",
        does="create 1",
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
        facts=Facts(
            refusal=Refusal(reason=Reason.QUOTA_EXCEEDED, message="exceeded quota: pods", passes=True)
        ),
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
        facts=Facts(
            refusal=Refusal(reason=Reason.ADMISSION_REFUSED, message="violates PodSecurity", passes=False)
        ),
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
        pod=running(can_be_told_to_stop=True),
        state=State.PROCESSING,
        reason="",
        does="tell 1 to stop",
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
        when="the recorder was ended as asked when it had joined, before the first picture",
        task=task(status(State.STOPPING), stop=True),
        pod=ended(summary(first_frame_at=None, files=[], files_total=0), **deleted),
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
        state=State.STOPPING,
        reason="Closing",
        does="release 1, create 2 to close",
    )
    yield Row(
        when="the recorder was asked to end, and its node says no more",
        task=task(STOPPING, stop=True),
        pod=running(deleted_at=at(30)),
        state=State.STOPPING,
        reason="Closing",
        does="release 1, create 2 to close",
    )
    yield Row(
        when="the recorder was asked to end, and its Pod is gone past our finalizer",
        task=task(STOPPING, stop=True),
        state=State.STOPPING,
        reason="Closing",
        does="create 2 to close",
    )
    yield Row(
        when="the recorder was killed before it had recorded anything, stop was asked for",
        task=task(status(State.STOPPING), stop=True),
        pod=ended(exit_code=137, **deleted),
        state=State.STOPPED,
        reason="StoppedBeforeStart",
        does="release 1",
    )


def _pause_rows() -> Iterator[Row]:
    recording = [
        known.model_copy(update={"reason": Reason.PAUSED}) if known.type is ConditionType.RECORDING else known
        for known in RECORDING.conditions
    ]
    paused = RECORDING.model_copy(update={"reason": Reason.PAUSED, "conditions": recording})
    yield Row(
        when="a pause is asked for, the recorder was not told",
        task=task(RECORDING, pause=True),
        pod=running(),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to pause",
    )
    yield Row(
        when="a pause is asked for, the recorder was told",
        task=task(RECORDING, pause=True),
        pod=running(paused=True),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="the recorder says that it pauses",
        task=task(RECORDING, pause=True),
        pod=running(paused=True),
        facts=Facts(live=live(paused=True)),
        state=State.PROCESSING,
        reason="Paused",
    )
    yield Row(
        when="it is paused, and the operator has just started",
        task=task(paused, pause=True),
        pod=running(paused=True),
        state=State.PROCESSING,
        reason="Paused",
    )
    yield Row(
        when="the end of a pause is asked for",
        task=task(paused),
        pod=running(paused=True),
        facts=Facts(live=live(paused=True)),
        state=State.PROCESSING,
        reason="Paused",
        does="tell 1 to go on",
    )
    yield Row(
        when="the recorder says that it goes on",
        task=task(paused),
        pod=running(),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="a pause is asked for before the recorder has joined",
        task=task(status(), pause=True),
        pod=pod(),
        state=State.ENQUEUED,
        reason="PodPending",
        does="tell 1 to pause",
    )
    yield Row(
        when="other users are asked for, the recorder was not told",
        task=task(RECORDING, users=["user2", "user3"]),
        pod=running(users=("user1", "user2")),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to record user2 user3",
    )
    yield Row(
        when="everyone is asked for, and a pause",
        task=task(RECORDING, users=[], pause=True),
        pod=running(users=("user1",)),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to pause and to record everyone",
    )
    yield Row(
        when="other users are asked for, the recorder was told",
        task=task(RECORDING, users=["user2"]),
        pod=running(users=("user2",)),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="other users are asked for, of a recorder that an older operator made",
        task=task(RECORDING, users=["user2"]),
        pod=running(),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="something took from the Pod whom to record",
        task=task(RECORDING, users=["user2"]),
        pod=running(choice_lost=True),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to record user2",
    )
    yield Row(
        when="another layout is asked for, the recorder was not told",
        task=task(RECORDING, layout="spotlight"),
        pod=running(layout="flat"),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to lay it out spotlight",
    )
    yield Row(
        when="another layout is asked for, the recorder was told",
        task=task(RECORDING, layout="spotlight"),
        pod=running(layout="spotlight"),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="another layout is asked for, of a recorder that an older operator made",
        task=task(RECORDING, layout="spotlight"),
        pod=running(),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
    )
    yield Row(
        when="something took from the Pod how to lay it out",
        task=task(RECORDING, layout="spotlight"),
        pod=running(layout=""),
        facts=Facts(live=live()),
        state=State.PROCESSING,
        reason="Recording",
        does="tell 1 to lay it out spotlight",
    )
    yield Row(
        when="a task is to be laid out as a spotlight",
        task=task(status(pod=False, reason=Reason.ACCEPTED), layout="spotlight"),
        state=State.ENQUEUED,
        reason="Accepted",
        does="create 1",
    )
    yield Row(
        when="a pause is asked for while the Pod is being deleted",
        task=task(RECORDING, pause=True),
        pod=running(deleted_at=at(200)),
        state=State.PROCESSING,
        reason="PodDeleted",
    )
    yield Row(
        when="stop is asked for while it is paused",
        task=task(paused, pause=True, stop=True),
        pod=running(paused=True, can_be_told_to_stop=True),
        facts=Facts(live=live(paused=True)),
        state=State.PROCESSING,
        reason="Paused",
        does="tell 1 to stop",
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


ROWS: tuple[Row, ...] = (
    *_first_rows(),
    *QUEUE_ROWS,
    *_blocked_rows(),
    *_recording_rows(),
    *_pause_rows(),
    *STOP_ROWS,
    *_page_rows(),
    *END_ROWS,
)
