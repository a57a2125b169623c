"""Names that more than one program, or a user, has to know."""

from typing import Final

GROUP: Final = "egress-operator.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "EgressTask"
PLURAL: Final = "egresstasks"
SINGULAR: Final = "egresstask"
SHORT_NAME: Final = "egt"
CATEGORY: Final = "egress"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "egress-operator"
APP_LABEL: Final = f"{GROUP}/app-id"
TASK_LABEL: Final = f"{GROUP}/task"
TASK_UID_LABEL: Final = f"{GROUP}/task-uid"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
LAYOUT_LABEL: Final = f"{GROUP}/layout"
"""Of recorder Pods: the chart's NetworkPolicy for pages finds them by it."""

KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
"""Of recorder Pods that go through a LocalQueue of Kueue's: it then gates them until there is quota."""

REQUEST_DIGEST_ANNOTATION: Final = f"{GROUP}/request-digest"
"""On a task the gateway made: SHA-256 of the start's canonical body, to tell a replay from a conflict."""

TRACEPARENT_ANNOTATION: Final = f"{GROUP}/traceparent"
"""On a task: where its trace goes on from, as the W3C's header has it. The gateway sets it; anybody may."""

PAUSE_ANNOTATION: Final = f"{GROUP}/pause"
"""On recorder Pods: "true" or "false", copied from spec.pause; the kubelet writes it into the file below."""
USERS_ANNOTATION: Final = f"{GROUP}/users"
"""The same for whom to record: spec.users with commas, or EVERYONE. Without it, or empty, nothing is said: as before."""
EVERYONE: Final = ","
"""Names of nobody, and yet said: an annotation that is taken away leaves an empty file. Recorders that took an empty file
for everyone read this as everyone, too."""
LAYOUT_ANNOTATION: Final = f"{GROUP}/layout"
"""The same for how a channel is laid out: spec.layout."""
STOP_ANNOTATION: Final = f"{GROUP}/stop"
"""The same for the end: "true" tells a recorder to end the recording and to stay until all of it is stored. A
Pod that is deleted has its grace period alone."""
STOP_SINCE_ANNOTATION: Final = f"{GROUP}/stop-since"
"""Beside it, for the operator alone: when the recorder was told."""

RESULTS_FINALIZER: Final = f"{GROUP}/results"
"""On recorder Pods only: the Pod object stays until its end has been copied into the task's status."""

RELEASED_LABEL: Final = f"{GROUP}/released"
"""On recorder Pods, from the moment that finalizer is taken off: nothing more is wanted of them, and they go together."""

TOKEN_KEY: Final = "access_token"  # noqa: S105 - the name of a Secret's key, not a secret
TOKEN_DIR: Final = "/run/egress/token"  # noqa: S105 - a path
STORE_CREDENTIALS_DIR: Final = "/run/egress/store"
CONTROL_DIR: Final = "/run/egress/control"
"""What a running recorder is told: files that the kubelet keeps in step with the Pod's annotations."""
PAUSE_FILE: Final = "pause"
STOP_FILE: Final = "stop"
USERS_FILE: Final = "users"
LAYOUT_FILE: Final = "layout"
SPOOL_DIR: Final = "/spool"
SHM_DIR: Final = "/dev/shm"  # noqa: S108 - a mount of the Pod's own
"""Where a browser shares pictures between its processes: memory, with pages only."""
TERMINATION_LOG: Final = "/dev/termination-log"

RECORDER_CONTAINER: Final = "recorder"
RECORDER_PORT: Final = 8080
"""Of the recorder's own /status, /healthz, /readyz and /metrics."""
RECORDER_CONFIG_ENV: Final = "EGRESS_RECORDER_CONFIG"

MANIFEST_NAME: Final = "manifest.json"
