"""A recorder Pod as decisions need it: parsed once from the dict that the API gives, then frozen.

In: a Pod dict of any shape the API server lets through. Out: `PodView`, and what keeps a Pod from starting
(`Blocked`). No I/O, no clock, no opinion on what it means for the task: that is decide.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from egress_api.constants import (
    API_VERSION,
    KIND,
    LAYOUT_ANNOTATION,
    LAYOUT_FILE,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PAUSE_ANNOTATION,
    RECORDER_CONTAINER,
    RELEASED_LABEL,
    RESULTS_FINALIZER,
    STOP_ANNOTATION,
    STOP_SINCE_ANNOTATION,
    USERS_ANNOTATION,
    USERS_FILE,
)
from egress_api.states import Reason

KUEUE_GATE: Final = "kueue.x-k8s.io/admission"
LOST_AFTER_SECONDS: Final = 60
"""After its grace period a deleted Pod that never reported its end is taken for lost with its node."""
SILENT_SECONDS: Final = 5.0
"""A recorder that has not answered for so long, on a node that the cluster has given up, is taken for lost at
once. Should it still run behind a cut wire, the next attempt's manifest fences it off."""


class Patience(StrEnum):
    """How long a Pod that can't start is given."""

    NONE = "none: FAILED at once"
    IMAGE = "imagePullPatienceSeconds, then FAILED"
    ENQUEUE = "limits.enqueueTimeoutSeconds, then TIMEOUT"


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """What keeps a Pod from recording, for now."""

    reason: Reason
    message: str
    patience: Patience = Patience.ENQUEUE


WAITING: Final[dict[str, tuple[Reason, Patience, str]]] = {
    "InvalidImageName": (Reason.INVALID_IMAGE, Patience.NONE, "the image's name is not valid"),
    "ErrImagePull": (Reason.IMAGE_PULL_FAILED, Patience.ENQUEUE, "the image can't be pulled"),
    "ImagePullBackOff": (Reason.IMAGE_PULL_FAILED, Patience.IMAGE, "the image can't be pulled"),
    "ErrImageNeverPull": (Reason.IMAGE_PULL_FAILED, Patience.IMAGE, "the image is not on the node"),
    "ImageInspectError": (Reason.IMAGE_PULL_FAILED, Patience.IMAGE, "the image can't be read"),
    "RegistryUnavailable": (Reason.IMAGE_PULL_FAILED, Patience.IMAGE, "the image registry does not answer"),
    "SignatureValidationFailed": (
        Reason.IMAGE_PULL_FAILED,
        Patience.IMAGE,
        "the image's signature is refused",
    ),
    "CreateContainerConfigError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the container can't be configured"),
    "CreateContainerError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the container can't be created"),
    "RunContainerError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the container can't be run"),
    "PreCreateHookError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the node can't prepare the container"),
    "PreStartHookError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the node can't prepare the container"),
    "PostStartHookError": (Reason.CONFIG_ERROR, Patience.IMAGE, "the container's own start hook failed"),
}
"""The kubelet's word for why a container waits → our reason, how long it may, and the sentence's beginning.

ErrImagePull alone is not the end of patience: one failed pull on a slow registry is retried by the kubelet,
which says ImagePullBackOff once it has failed again.
"""


_PREPARED: Final = frozenset({"", "ContainerCreating", "PodInitializing"})


def parse_time(text: str | None) -> datetime | None:
    """Return the moment that a Kubernetes timestamp stands for, or None where there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _time_if_any(text: str | None) -> datetime | None:
    # An annotation can hold anything.
    try:
        return parse_time(text)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class ContainerEnd:
    """How the recorder's container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class PodView:
    """The facts of a Pod that decisions rest on."""

    name: str
    namespace: str
    uid: str
    resource_version: str = ""
    owner_uid: str | None = None
    managed: bool = True
    finalizers: tuple[str, ...] = ()
    released: bool = False
    """Whether nothing more is wanted of it: the operator has taken its finalizer off."""
    paused: bool = False
    """Whether its recorder is told to leave out what comes."""
    users: tuple[str, ...] | None = None
    """Whom its recorder is told to record, empty for everyone; None where nothing says so."""
    choice_lost: bool = False
    """Whether nothing says so although its control volume holds that: not in a Pod that an older operator made."""
    layout: str | None = None
    """How its recorder is told to lay the channel out, empty where something has taken that away; None where it can't
    be told."""
    can_be_told_to_stop: bool = False
    """Whether its control volume holds that, too: not in a Pod that an older operator made."""
    told_to_stop: bool = False
    told_to_stop_at: datetime | None = None
    deleted_at: datetime | None = None
    """When its grace period is over; None while nobody has deleted it."""
    created_at: datetime | None = None
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node: str | None = None
    ip: str | None = None
    scheduled: bool = False
    scheduled_at: datetime | None = None
    unschedulable: str | None = None
    ready: bool = False
    ready_at: datetime | None = None
    disruption: str = ""
    """Reason of the DisruptionTarget condition: why the platform wants the Pod away."""
    preemption: str = ""
    """What Kueue says when it deletes the Pod: its condition TerminationTarget."""
    gates: tuple[str, ...] = ()
    """Names of what keeps the scheduler from looking at it."""
    sandbox_ready: bool = False
    """Its volumes are mounted and its network is there: PodReadyToStartContainers."""
    waiting: str = ""
    waiting_message: str = ""
    container_end: ContainerEnd | None = None

    @classmethod
    def from_resource(cls, pod: dict[str, Any]) -> Self:
        """Read the Pod dict `pod`."""
        meta, status = pod["metadata"], pod.get("status", {})
        annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
        conditions = {c["type"]: c for c in status.get("conditions") or []}
        scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
        container: dict[str, Any] = next(
            (c for c in status.get("containerStatuses") or [] if c.get("name") == RECORDER_CONTAINER), {}
        )
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        disruption = conditions.get("DisruptionTarget", {})
        target = conditions.get("TerminationTarget", {})
        return cls(
            name=meta["name"],
            namespace=meta["namespace"],
            uid=meta["uid"],
            resource_version=meta.get("resourceVersion", ""),
            owner_uid=_owner_uid(meta),
            managed=labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
            finalizers=tuple(meta.get("finalizers") or ()),
            released=labels.get(RELEASED_LABEL) == "true",
            paused=annotations.get(PAUSE_ANNOTATION) == "true",
            users=_users(annotations.get(USERS_ANNOTATION)),
            choice_lost=not annotations.get(USERS_ANNOTATION) and USERS_FILE in _control_files(pod),
            layout=annotations.get(LAYOUT_ANNOTATION, "" if LAYOUT_FILE in _control_files(pod) else None),
            can_be_told_to_stop=STOP_ANNOTATION in annotations,
            told_to_stop=annotations.get(STOP_ANNOTATION) == "true",
            told_to_stop_at=_time_if_any(annotations.get(STOP_SINCE_ANNOTATION)),
            deleted_at=parse_time(meta.get("deletionTimestamp")),
            created_at=parse_time(meta.get("creationTimestamp")),
            phase=status.get("phase") or "Pending",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            node=(pod.get("spec") or {}).get("nodeName"),
            ip=status.get("podIP"),
            scheduled=scheduled.get("status") == "True",
            scheduled_at=parse_time(scheduled.get("lastTransitionTime")),
            unschedulable=_unschedulable(scheduled),
            ready=ready.get("status") == "True",
            ready_at=parse_time(ready.get("lastTransitionTime")),
            disruption=disruption.get("reason", "") if disruption.get("status") == "True" else "",
            preemption=target.get("message") or target.get("reason") or "Kueue gave no reason"
            if target.get("status") == "True"
            else "",
            gates=tuple(gate["name"] for gate in (pod.get("spec") or {}).get("schedulingGates") or ()),
            sandbox_ready=conditions.get("PodReadyToStartContainers", {}).get("status") == "True",
            waiting=waiting.get("reason") or "",
            waiting_message=waiting.get("message") or "",
            container_end=None
            if terminated is None
            else ContainerEnd(
                exit_code=terminated.get("exitCode", 0),
                reason=terminated.get("reason") or "",
                message=terminated.get("message") or "",
            ),
        )

    @property
    def deleting(self) -> bool:
        """True once somebody has deleted it; it may still run."""
        return self.deleted_at is not None

    @property
    def held(self) -> bool:
        """True while our finalizer keeps the object."""
        return RESULTS_FINALIZER in self.finalizers

    @property
    def finished(self) -> bool:
        """True when the kubelet has said that nothing of it runs any more."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def preempted(self) -> bool:
        """True once Kueue takes its place away."""
        return bool(self.preemption)

    @property
    def given_up(self) -> bool:
        """True while the cluster deletes it because it hears nothing from its node (or wants the node free)."""
        return (
            self.deleting
            and self.node is not None
            and not self.finished
            and self.disruption == "DeletionByTaintManager"
        )

    def lost(self, now: datetime, *, silent_seconds: float | None = None) -> bool:
        """Return whether it should have ended and nobody has said that it did, nor ever will.

        Args:
            now: the clock.
            silent_seconds: for how long its recorder has been asked in vain; None where nobody has asked.
        """
        if self.given_up and silent_seconds is not None and silent_seconds >= SILENT_SECONDS:
            return True
        return (
            not self.finished
            and self.node is not None
            and self.deleted_at is not None
            and (now - self.deleted_at).total_seconds() >= LOST_AFTER_SECONDS
        )

    def ended(self, now: datetime, *, silent_seconds: float | None = None) -> bool:
        """Return whether it will never record (again)."""
        # A Pod without a node has no kubelet to report its end: deleted is ended.
        return (
            self.finished
            or (self.deleting and self.node is None)
            or self.lost(now, silent_seconds=silent_seconds)
        )

    @property
    def creating(self) -> bool:
        """True while its node prepares it: volumes that can't be mounted show only as Events."""
        return (
            self.node is not None
            and self.phase == "Pending"
            and not self.sandbox_ready
            and self.waiting in _PREPARED
        )

    def blocked(self) -> Blocked:
        """Return what keeps a Pod that is not Ready from recording."""
        if self.gates:
            return Blocked(reason=Reason.QUEUE_GATED, message=_gate_sentence(self.gates))
        if self.unschedulable is not None:
            return Blocked(
                reason=Reason.UNSCHEDULABLE,
                message=f"no node can take the recorder: {self.unschedulable or 'no reason given'}",
            )
        return self._preparing()

    def _preparing(self) -> Blocked:
        if self.waiting in WAITING:
            reason, patience, sentence = WAITING[self.waiting]
            detail = f": {self.waiting_message}" if self.waiting_message else ""
            return Blocked(reason=reason, message=f"{sentence}{detail}", patience=patience)
        if self.waiting not in _PREPARED:
            detail = f": {self.waiting_message}" if self.waiting_message else ""
            return Blocked(reason=Reason.POD_PENDING, message=f"the container waits ({self.waiting}){detail}")
        if self.phase == "Running":
            return Blocked(reason=Reason.POD_STARTING, message="the recorder is joining its source")
        if self.node is None:
            return Blocked(reason=Reason.POD_PENDING, message="the recorder waits for a node")
        return Blocked(
            reason=Reason.POD_PENDING, message=f"node {self.node} is getting the recorder's Pod ready"
        )


def _unschedulable(scheduled: dict[str, Any]) -> str | None:
    """Return why no node has taken a Pod, in the scheduler's words; None when nothing keeps it."""
    if scheduled.get("status") != "False":
        return None
    # Unschedulable says it all; SchedulerError and the like are words that a person can look up.
    reason, message = scheduled.get("reason") or "", scheduled.get("message") or ""
    if reason == "SchedulingGated":
        return None  # the gates themselves say so; the word stays when they have gone, until the scheduler comes by
    return message if reason in {"Unschedulable", ""} else f"{reason}{f': {message}' if message else ''}"


def _gate_sentence(gates: tuple[str, ...]) -> str:
    if KUEUE_GATE in gates:
        return "Kueue holds the recorder's Pod back until its queue has room"
    return f"scheduling gates keep the recorder's Pod from a node: {', '.join(gates)}"


def _owner_uid(meta: dict[str, Any]) -> str | None:
    owners = meta.get("ownerReferences") or []
    return next(
        (
            owner["uid"]
            for owner in owners
            if owner.get("controller") and (owner["apiVersion"], owner["kind"]) == (API_VERSION, KIND)
        ),
        None,
    )


def _users(annotation: str | None) -> tuple[str, ...] | None:
    return tuple(user for user in annotation.split(",") if user) if annotation else None


def _control_files(pod: Mapping[str, Any]) -> set[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return {
        item["path"] for volume in volumes for item in (volume.get("downwardAPI") or {}).get("items") or []
    }
