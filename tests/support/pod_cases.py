"""All that keeps a recorder's Pod from starting, running or ending well, in the words that Kubernetes has for it.

Each case is a Pod (or the API server's refusal, or Events) as it really looks, and what must come of it. The table in
docs/operator.md is generated from these rows, and test_pod_cases.py walks through them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from egress_api.constants import API_VERSION, KIND, RESULTS_FINALIZER
from egress_api.results import TerminationSummary
from egress_api.states import Reason
from egress_operator.errors import ApiError, QuotaExceededError, RefusedError, UnavailableError
from support.operator_parts import UID
from support.summaries import failed, summary


class Follows(StrEnum):
    """What comes of it."""

    AT_ONCE = "FAILED at once"
    PATIENCE = "waits, FAILED after imagePullPatienceSeconds"
    ENQUEUE = "waits, TIMEOUT after enqueueTimeoutSeconds"
    FREE = "the next attempt, free before it has recorded"
    COUNTED = "the next attempt, counted by retryLimit"
    NO_MORE = "FAILED, without another attempt"
    DONE = "STOPPED"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that can happen to a Pod."""

    what: str
    words: str
    reason: Reason
    follows: Follows
    says: str
    """A part of the sentence."""
    status: dict[str, Any] = field(default_factory=dict)
    deleted_at: str | None = None
    node: str | None = "node-1"
    gate: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    error: ApiError | None = None

    def pod(self) -> dict[str, Any]:
        """Return the Pod as the API gives it."""
        meta = {
            "name": "task-1",
            "namespace": "media",
            "uid": "pod-1",
            "resourceVersion": "9",
            "finalizers": [RESULTS_FINALIZER],
            "ownerReferences": [{"apiVersion": API_VERSION, "kind": KIND, "uid": UID, "controller": True}],
            "deletionTimestamp": self.deleted_at,
        }
        spec = {"nodeName": self.node, "schedulingGates": [{"name": self.gate}] if self.gate else []}
        return {"metadata": meta, "spec": spec, "status": self.status}


SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T05:13:00Z"}
"""2 s before the moment at which the rows are looked at."""
LATER, LONG_AGO = "2026-11-23T05:14:02Z", "2026-11-23T05:11:30Z"


def _unscheduled(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def _state(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "recorder", "state": state}]


def _waits(reason: str, message: str = "") -> dict[str, Any]:
    statuses = _state(waiting={"reason": reason, "message": message})
    return {"phase": "Pending", "conditions": [SCHEDULED], "containerStatuses": statuses}


def _over(
    code: int | None = None,
    why: str = "Error",
    words: str | TerminationSummary = "",
    *,
    reason: str = "",
    message: str = "",
    disruption: str = "",
) -> dict[str, Any]:
    text = words if isinstance(words, str) else words.to_message()
    conditions = [SCHEDULED]
    if disruption:
        conditions.append({"type": "DisruptionTarget", "status": "True", "reason": disruption})
    ended = {"exitCode": code, "reason": why, "message": text}
    return {
        "phase": "Failed" if code != 0 or reason else "Succeeded",
        "reason": reason,
        "message": message,
        "conditions": conditions,
        "containerStatuses": [] if code is None else _state(terminated=ended),
    }


def _event(reason: str, message: str) -> list[dict[str, Any]]:
    return [{"reason": reason, "message": message, "lastTimestamp": "2026-11-23T05:13:01Z"}]


_CREATING = _waits("ContainerCreating")

REFUSED = [
    Case(
        what="a ResourceQuota has no room",
        words="403 exceeded quota",
        reason=Reason.QUOTA_EXCEEDED,
        follows=Follows.ENQUEUE,
        says="quota: exceeded quota: small",
        error=QuotaExceededError("exceeded quota: small, requested: pods=1", status=403),
    ),
    Case(
        what="a ResourceQuota wants limits that are not set",
        words="403 failed quota",
        reason=Reason.ADMISSION_REFUSED,
        follows=Follows.AT_ONCE,
        says="must specify limits.cpu",
        error=RefusedError("failed quota: small: must specify limits.cpu", status=403),
    ),
    Case(
        what="the Pod Security Standard forbids it",
        words="403 violates PodSecurity",
        reason=Reason.ADMISSION_REFUSED,
        follows=Follows.AT_ONCE,
        says="violates PodSecurity",
        error=RefusedError('violates PodSecurity "restricted:latest": seccompProfile', status=403),
    ),
    Case(
        what="an admission webhook or policy says no",
        words="400 or 403 … denied the request",
        reason=Reason.ADMISSION_REFUSED,
        follows=Follows.AT_ONCE,
        says="images must be signed",
        error=RefusedError('admission webhook "w.dev" denied the request: images must be signed', status=403),
    ),
    Case(
        what="an admission webhook does not answer",
        words="500 failed calling webhook",
        reason=Reason.ADMISSION_REFUSED,
        follows=Follows.ENQUEUE,
        says="webhook does not answer",
        error=UnavailableError('Internal error occurred: failed calling webhook "w.dev"', status=500),
    ),
    Case(
        what="the service account does not exist (yet)",
        words="403 error looking up service account",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says='serviceaccount "store" not found',
        error=RefusedError('error looking up service account m/store: serviceaccount "store" not found'),
    ),
    Case(
        what="the priority class does not exist",
        words="403 no PriorityClass with name",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="PriorityClass with name high",
        error=RefusedError("no PriorityClass with name high was found", status=403),
    ),
    Case(
        what="the runtime class does not exist",
        words="403 RuntimeClass … not found",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="gvisor",
        error=RefusedError('pod rejected: RuntimeClass "gvisor" not found', status=403),
    ),
    Case(
        what="the operator has no right to create Pods",
        words='403 cannot create resource "pods"',
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="Role",
        error=RefusedError('User "operator" cannot create resource "pods" in API group ""', status=403),
    ),
    Case(
        what="the namespace is being deleted",
        words="403 because it is being terminated",
        reason=Reason.ADMISSION_REFUSED,
        follows=Follows.AT_ONCE,
        says="being terminated",
        error=RefusedError("unable to create new content in namespace m because it is being terminated"),
    ),
]
NOT_STARTING = [
    Case(
        what="no node fits: too little room, a taint, a selector",
        words="Unschedulable",
        reason=Reason.UNSCHEDULABLE,
        follows=Follows.ENQUEUE,
        says="0/3 nodes are available",
        status=_unscheduled("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu."),
        node=None,
    ),
    Case(
        what="somebody has put a scheduling gate on it",
        words="SchedulingGated",
        reason=Reason.QUEUE_GATED,
        follows=Follows.ENQUEUE,
        says="scheduling gates keep the recorder's Pod from a node: example.com/hold",
        status=_unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"),
        node=None,
        gate="example.com/hold",
    ),
    Case(
        what="the scheduler itself fails",
        words="SchedulerError",
        reason=Reason.UNSCHEDULABLE,
        follows=Follows.ENQUEUE,
        says="SchedulerError",
        status=_unscheduled("SchedulerError", "binding rejected"),
        node=None,
    ),
    Case(
        what="no scheduler has looked at it",
        words="(nothing)",
        reason=Reason.POD_PENDING,
        follows=Follows.ENQUEUE,
        says="waits for a node",
        node=None,
    ),
    Case(
        what="the image's name is wrong",
        words="InvalidImageName",
        reason=Reason.INVALID_IMAGE,
        follows=Follows.AT_ONCE,
        says="couldn't parse",
        status=_waits("InvalidImageName", 'couldn\'t parse image name "A:b"'),
    ),
    Case(
        what="one pull of the image has failed",
        words="ErrImagePull",
        reason=Reason.IMAGE_PULL_FAILED,
        follows=Follows.ENQUEUE,
        says="can't be pulled",
        status=_waits("ErrImagePull", "failed to resolve reference"),
    ),
    Case(
        what="pulls of the image fail: no such image, no access, no match for the platform",
        words="ImagePullBackOff",
        reason=Reason.IMAGE_PULL_FAILED,
        follows=Follows.PATIENCE,
        says="Back-off pulling image",
        status=_waits("ImagePullBackOff", "Back-off pulling image: no match for platform in manifest"),
    ),
    Case(
        what="the image is not on the node and is never pulled",
        words="ErrImageNeverPull",
        reason=Reason.IMAGE_PULL_FAILED,
        follows=Follows.PATIENCE,
        says="not on the node",
        status=_waits("ErrImageNeverPull", "not present with pull policy of Never"),
    ),
    Case(
        what="the image's signature is refused",
        words="SignatureValidationFailed",
        reason=Reason.IMAGE_PULL_FAILED,
        follows=Follows.PATIENCE,
        says="signature",
        status=_waits("SignatureValidationFailed"),
    ),
    Case(
        what="the container can't be configured: a missing ConfigMap or key, runAsNonRoot and an image of root",
        words="CreateContainerConfigError",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.PATIENCE,
        says="runAsNonRoot",
        status=_waits("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
    ),
    Case(
        what="the container can't be created",
        words="CreateContainerError",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.PATIENCE,
        says="no command specified",
        status=_waits("CreateContainerError", "no command specified"),
    ),
    Case(
        what="the container can't be run",
        words="RunContainerError",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.PATIENCE,
        says="can't be run",
        status=_waits("RunContainerError", "failed to create shim task"),
    ),
    Case(
        what="a device plugin can't prepare the container",
        words="PreCreateHookError",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.PATIENCE,
        says="can't prepare",
        status=_waits("PreCreateHookError"),
    ),
    Case(
        what="the container waits for a reason that is not known here",
        words="(any other word)",
        reason=Reason.POD_PENDING,
        follows=Follows.ENQUEUE,
        says="(BrandNewError): nobody knows",
        status=_waits("BrandNewError", "nobody knows"),
    ),
    Case(
        what="a Secret does not exist",
        words="FailedMount",
        reason=Reason.SECRET_MISSING,
        follows=Follows.ENQUEUE,
        says="Secret task-token does not exist",
        status=_CREATING,
        events=_event("FailedMount", 'MountVolume.SetUp failed: secret "task-token" not found'),
    ),
    Case(
        what="a Secret lacks its key",
        words="FailedMount",
        reason=Reason.SECRET_MISSING,
        follows=Follows.ENQUEUE,
        says="no key token",
        status=_CREATING,
        events=_event("FailedMount", "references non-existent secret key: token"),
    ),
    Case(
        what="a volume can't be mounted",
        words="FailedMount",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="a volume can't be mounted",
        status=_CREATING,
        events=_event("FailedMount", 'persistentvolumeclaim "recordings" not found'),
    ),
    Case(
        what="a volume can't be attached to the node",
        words="FailedAttachVolume",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="Multi-Attach error",
        status=_CREATING,
        events=_event("FailedAttachVolume", "Multi-Attach error: volume is already used by Pods on node-2"),
    ),
    Case(
        what="its sandbox can't be made: no network, no runtime class on the node, no user namespaces",
        words="FailedCreatePodSandBox",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.ENQUEUE,
        says="can't be set up on its node",
        status=_CREATING,
        events=_event("FailedCreatePodSandBox", "plugin type=calico failed: no addresses left"),
    ),
]
ENDED_BY_THE_CLUSTER = [
    Case(
        what="the node has too little memory, disk or processes",
        words="Evicted",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="low on resource: memory",
        status=_over(
            137,
            reason="Evicted",
            message="The node was low on resource: memory.",
            disruption="TerminationByKubelet",
        ),
    ),
    Case(
        what="it was drained (the eviction API)",
        words="EvictionByEvictionAPI",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="EvictionByEvictionAPI",
        status=_over(137, disruption="EvictionByEvictionAPI"),
        deleted_at=LATER,
    ),
    Case(
        what="it had to make room for a more important Pod (the scheduler)",
        words="PreemptionByScheduler",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="PreemptionByScheduler",
        status=_over(137, disruption="PreemptionByScheduler"),
        deleted_at=LATER,
    ),
    Case(
        what="it had to make room for a critical Pod (its node)",
        words="Preempting",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="admit critical pod",
        status=_over(
            137,
            reason="Preempting",
            message="Preempted in order to admit critical pod",
            disruption="TerminationByKubelet",
        ),
    ),
    Case(
        what="a word for a disruption that is not known here",
        words="(any other DisruptionTarget)",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="DeletionByDeviceTaintManager",
        status=_over(137, disruption="DeletionByDeviceTaintManager"),
        deleted_at=LATER,
    ),
    Case(
        what="the node was shut down while it ran",
        words="Terminated",
        reason=Reason.NODE_SHUTDOWN,
        follows=Follows.FREE,
        says="was shut down",
        status=_over(
            137,
            reason="Terminated",
            message="Pod was terminated in response to imminent node shutdown.",
            disruption="TerminationByKubelet",
        ),
    ),
    Case(
        what="the node was being shut down when it came",
        words="NodeShutdown",
        reason=Reason.NODE_SHUTDOWN,
        follows=Follows.FREE,
        says="was shut down",
        status=_over(reason="NodeShutdown", message="Pod was rejected as the node is shutting down."),
    ),
    Case(
        what="the node is out of reach, and its recorder silent",
        words="DeletionByTaintManager",
        reason=Reason.NODE_LOST,
        follows=Follows.FREE,
        says="was lost",
        status=_over(137, disruption="DeletionByTaintManager"),
        deleted_at=LATER,
    ),
    Case(
        what="the node is gone",
        words="DeletionByPodGC",
        reason=Reason.NODE_LOST,
        follows=Follows.FREE,
        says="was lost",
        status=_over(137, "ContainerStatusUnknown", disruption="DeletionByPodGC"),
        deleted_at=LATER,
    ),
    Case(
        what="it was deleted, and nobody says what became of it",
        words="(nothing, a minute after its grace period)",
        reason=Reason.NODE_LOST,
        follows=Follows.FREE,
        says="has not said what became",
        status={"phase": "Running", "conditions": [SCHEDULED], "containerStatuses": _state(running={})},
        deleted_at=LONG_AGO,
    ),
    Case(
        what="the node or its container runtime was restarted",
        words="exit code 255, Unknown",
        reason=Reason.NODE_LOST,
        follows=Follows.FREE,
        says="was restarted and lost the recorder",
        status=_over(255, "Unknown"),
    ),
    Case(
        what="the runtime has lost the container",
        words="ContainerStatusUnknown",
        reason=Reason.NODE_LOST,
        follows=Follows.FREE,
        says="was restarted and lost the recorder",
        status=_over(137, "ContainerStatusUnknown", "The container could not be located"),
    ),
    Case(
        what="somebody deleted it",
        words="(deleted)",
        reason=Reason.POD_DELETED,
        follows=Follows.FREE,
        says="Pod task-1 was deleted",
        status=_over(137),
        deleted_at=LATER,
    ),
    *(
        Case(
            what=what,
            words=word,
            reason=Reason.POD_EVICTED,
            follows=Follows.FREE,
            says=f"refused the Pod: {word} on node-1",
            status=_over(reason=word, message=f"{word} on node-1"),
        )
        for word, what in {
            "OutOfcpu": "its node has too little CPU after all",
            "OutOfmemory": "its node has too little memory after all",
            "OutOfpods": "its node has as many Pods as it may",
            "OutOfephemeral-storage": "its node has too little disk after all",
            "OutOfexample.com/gpu": "its node has too few of a device after all",
            "NodeAffinity": "its node's labels have changed",
            "NodePorts": "a port is taken on its node",
            "TaintToleration": "its node was tainted meanwhile",
            "UnexpectedAdmissionError": "its node can't allocate its devices",
            "TopologyAffinityError": "its node can't align its CPUs and devices",
            "AppArmor": "its node lacks the AppArmor profile",
            "SysctlForbidden": "its node forbids a sysctl",
            "PodOSNotSupported": "its node has another operating system",
        }.items()
    ),
    Case(
        what="its node ended it before it ran, for a reason that is not known here",
        words="(any other reason)",
        reason=Reason.POD_EVICTED,
        follows=Follows.FREE,
        says="refused the Pod (BrandNew): moon phase",
        status=_over(reason="BrandNew", message="moon phase"),
    ),
]
ENDED_BY_THE_RECORDER = [
    Case(
        what="it used more memory than its limit",
        words="OOMKilled",
        reason=Reason.OOM_KILLED,
        follows=Follows.COUNTED,
        says="more memory than its limit",
        status=_over(137, "OOMKilled"),
    ),
    Case(
        what="a process in it was killed for its memory, and the recorder itself ended without a word",
        words="OOMKilled, exit code 0",
        reason=Reason.OOM_KILLED,
        follows=Follows.COUNTED,
        says="more memory than its limit",
        status=_over(0, "OOMKilled"),
    ),
    Case(
        what="a capture in it was killed for its memory, and the recorder went on and ended by itself",
        words="OOMKilled, and a summary",
        reason=Reason.SOURCE_CLOSED,
        follows=Follows.DONE,
        says="as the recorder said",
        status=_over(0, "OOMKilled", summary(reason=Reason.SOURCE_CLOSED)),
    ),
    Case(
        what="it ran longer than activeDeadlineSeconds, ours or somebody's",
        words="DeadlineExceeded",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="did not end at its longest duration",
        status=_over(137, reason="DeadlineExceeded", message="Pod was active on the node longer than"),
    ),
    Case(
        what="it ended in order at activeDeadlineSeconds",
        words="DeadlineExceeded, and a summary",
        reason=Reason.MAX_DURATION_REACHED,
        follows=Follows.DONE,
        says="as the recorder said",
        status=_over(0, "Completed", summary(), reason="DeadlineExceeded"),
    ),
    Case(
        what="its program is not in the image",
        words="StartError, ContainerCannotRun",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.COUNTED,
        says="executable file not found",
        status=_over(128, "StartError", 'exec: "egress-recorder": executable file not found in $PATH'),
    ),
    Case(
        what="its image is for another kind of processor",
        words="exec format error",
        reason=Reason.CONFIG_ERROR,
        follows=Follows.COUNTED,
        says="not made for node node-1's processor",
        status=_over(255, "Error", "exec /usr/bin/egress-recorder: exec format error"),
    ),
    Case(
        what="it was killed",
        words="exit code 137",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="was killed (exit code 137)",
        status=_over(137),
    ),
    Case(
        what="it crashed",
        words="exit code 139",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="segmentation fault",
        status=_over(139),
    ),
    Case(
        what="it ended before it was ready for a SIGTERM",
        words="exit code 143",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="SIGTERM",
        status=_over(143),
    ),
    Case(
        what="it ended with exit code 0 and no summary",
        words="exit code 0",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="left no summary",
        status=_over(0, "Completed"),
    ),
    Case(
        what="it ended with any exit code and no summary",
        words="(exit code)",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="exit code 3: …Traceback",
        status=_over(3, "Error", "Traceback: no such device"),
    ),
    Case(
        what="an init container that somebody added has failed",
        words="(Failed, no container ended)",
        reason=Reason.RECORDER_FAILED,
        follows=Follows.COUNTED,
        says="said no more",
        status=_over(),
    ),
    Case(
        what="it gave up, and says that it may work another time",
        words="its summary, retryable",
        reason=Reason.SOURCE_UNREACHABLE,
        follows=Follows.COUNTED,
        says="as the recorder said",
        status=_over(1, "Error", failed(Reason.SOURCE_UNREACHABLE, retryable=True)),
    ),
    Case(
        what="it gave up for good",
        words="its summary",
        reason=Reason.JOIN_REFUSED,
        follows=Follows.NO_MORE,
        says="as the recorder said",
        status=_over(1, "Error", failed(Reason.JOIN_REFUSED)),
    ),
    Case(
        what="it ended what it was there for",
        words="its summary",
        reason=Reason.PAGE_ENDED,
        follows=Follows.DONE,
        says="as the recorder said",
        status=_over(0, "Completed", summary(reason=Reason.PAGE_ENDED)),
    ),
]

CASES = [*REFUSED, *NOT_STARTING, *ENDED_BY_THE_CLUSTER, *ENDED_BY_THE_RECORDER]
