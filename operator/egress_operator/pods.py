"""The recorder Pod as a dict, from a task and the settings: pure, the same inputs give the same Pod.

Nothing secret stands in it: the access token and the store's credentials are Secrets that the kubelet
mounts as files. It keeps to the `restricted` Pod Security Standard.
"""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from egress_api.constants import (
    API_VERSION,
    APP_LABEL,
    ATTEMPT_LABEL,
    CONTROL_DIR,
    EVERYONE,
    KIND,
    KUEUE_QUEUE_LABEL,
    LAYOUT_ANNOTATION,
    LAYOUT_FILE,
    LAYOUT_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PAUSE_ANNOTATION,
    PAUSE_FILE,
    RECORDER_CONFIG_ENV,
    RECORDER_CONTAINER,
    RECORDER_PORT,
    RESULTS_FINALIZER,
    SHM_DIR,
    SPOOL_DIR,
    STOP_ANNOTATION,
    STOP_FILE,
    STOP_SINCE_ANNOTATION,
    STORE_CREDENTIALS_DIR,
    TASK_LABEL,
    TASK_UID_LABEL,
    TERMINATION_LOG,
    TOKEN_DIR,
    TOKEN_KEY,
    USERS_ANNOTATION,
    USERS_FILE,
)
from egress_api.folder import task_folder
from egress_api.media import Layout
from egress_api.names import pod_name
from egress_api.pattern import render_pattern
from egress_api.placement import Place
from egress_api.recorder import UPLOAD_PATIENCE_SECONDS, RecorderConfig, StoreConfig
from egress_api.task import EgressTask
from egress_operator.placement import node_selector, region_of, tolerations
from egress_operator.presets import resources_for
from egress_operator.settings import RecorderSettings, Settings
from egress_operator.task_spans import told_to_recorder

USER_ID: Final = 10001
"""Of the recorder's image: a number, so that the kubelet can see that it isn't root."""
DEADLINE_MARGIN_SECONDS: Final = 300
BROWSER_START_SECONDS: Final = 30
"""Display, sound and browser, on a cold and busy node, before a page's own time begins."""
NODE_TOLERATION_SECONDS: Final = 5
_DO_NOT_DISRUPT: Final = {
    # Each move costs a recording some seconds: nodes that hold one are not to be scaled away under it.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
_TMP_SIZE: Final = "512Mi"
_SECRET_MODE: Final = 0o440


def image_of(layout: Layout, settings: Settings) -> str:
    """Return the image that records this layout; empty when there is none."""
    recorder = settings.recorder
    return recorder.web.image if layout is Layout.FREESTYLE else recorder.image


def store_folder(task: EgressTask, settings: Settings) -> str:
    """Return the URL of the task's folder in the store, ending with a slash."""
    store = settings.store.of(task.spec.app_id)
    folder = task_folder(
        store.folder,
        app_id=task.spec.app_id,
        task_id=task.metadata.name,
        region=region_of(task.spec.placement, default=settings.region),
        namespace=task.metadata.namespace,
    )
    return f"{store.url.rstrip('/')}/{folder}/"


def recorder_config(
    task: EgressTask, *, attempt: int, settings: Settings, finish_only: bool = False
) -> RecorderConfig:
    """Return what the recorder of an attempt is told."""
    spec, meta = task.spec, task.metadata
    page_host = urlsplit(spec.url).hostname if spec.url else None
    name = render_pattern(
        spec.filename_pattern,
        moment=meta.creation_timestamp,
        values={
            "region": region_of(spec.placement, default=settings.region),
            "app_id": spec.app_id,
            "channel": spec.channel or page_host or spec.layout,
            "task_id": meta.name,
            "layout": spec.layout,
        },
    )
    return RecorderConfig(
        task_id=meta.name,
        task_uid=meta.uid,
        app_id=spec.app_id,
        request_id=spec.request_id,
        namespace=meta.namespace,
        attempt=attempt,
        created_at=meta.creation_timestamp,
        layout=spec.layout,
        channel=spec.channel,
        users=list(spec.users),
        regions=list(spec.regions),
        worker_uid=spec.worker_uid,
        url=spec.url,
        web_gl=spec.web_gl,
        start=spec.start,
        placement=Place.of(spec.placement),
        page_rules=settings.pages.of(spec.app_id),
        require_sandbox=settings.recorder.web.require_sandbox,
        format=spec.format,
        outputs=list(spec.outputs),
        output_name=name,
        segment_seconds=spec.segment_seconds,
        video=spec.video,
        audio=spec.audio,
        frozen_picture=spec.frozen_picture,
        source=settings.sources.of(spec.app_id) if spec.layout.of_channel else None,
        store=_store_config(task, settings),
        token_file=f"{TOKEN_DIR}/{TOKEN_KEY}" if spec.access_token_secret_ref and not finish_only else None,
        max_duration_seconds=spec.limits.max_duration_seconds,
        idle_timeout_seconds=spec.limits.idle_timeout_seconds,
        max_bytes=spec.limits.max_bytes,
        join_timeout_seconds=_join_seconds(task, settings),
        finish_only=finish_only,
        last_attempt=attempt - task.status.free_restarts > spec.retry_limit,
        verdict=task.status.verdict if finish_only else None,
        control_dir=CONTROL_DIR,
        spool_bytes=quantity_bytes(settings.recorder.spool_size),
        finalize_seconds=settings.recorder.grace_seconds,
        tracing=told_to_recorder(meta, attempt, rules=settings.tracing),
    )


def _store_config(task: EgressTask, settings: Settings) -> StoreConfig:
    store = settings.store.of(task.spec.app_id)
    return StoreConfig(
        url=store_folder(task, settings),
        options=store.options,
        storage_class=store.storage_class or None,
        tags=store.tags or None,
    )


def _join_seconds(task: EgressTask, settings: Settings) -> int:
    if task.spec.layout is Layout.FREESTYLE:
        return task.spec.start.timeout_seconds + BROWSER_START_SECONDS
    return settings.recorder.join_timeout_seconds


def quantity_bytes(quantity: str) -> int:
    """Return the bytes of a quantity such as 2Gi (Ki, Mi, Gi or Ti: settings.py lets nothing else through)."""
    return int(quantity[:-2]) << _BINARY_SHIFTS[quantity[-2:]]


_BINARY_SHIFTS: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


def wishes(
    *,
    paused: bool | None = None,
    users: tuple[str, ...] | None = None,
    layout: Layout | None = None,
    stop_since: datetime | None = None,
) -> dict[str, str]:
    """Return the annotations that tell a running recorder something; the kubelet writes them into its files.

    Args:
        paused: whether to leave out what comes.
        users: whom to record; empty is everyone.
        layout: how to lay a channel out.
        stop_since: when it was told to end and to stay until everything is stored.
    """
    told = {} if paused is None else {PAUSE_ANNOTATION: "true" if paused else "false"}
    if users is not None:
        told |= {USERS_ANNOTATION: ",".join(users) or EVERYONE}
    if layout is not None:
        told |= {LAYOUT_ANNOTATION: layout.value}
    if stop_since is not None:
        told |= {STOP_ANNOTATION: "true", STOP_SINCE_ANNOTATION: stop_since.isoformat()}
    return told


def build_pod(
    task: EgressTask, *, attempt: int, settings: Settings, finish_only: bool = False
) -> dict[str, Any]:
    """Return the Pod of an attempt, ready to be created.

    Args:
        task: whose it is.
        attempt: its number.
        settings: the operator's.
        finish_only: whether it is to close what earlier attempts left, and to record nothing.
    """
    meta, recorder, limits = task.metadata, settings.recorder, task.spec.limits
    page = task.spec.layout is Layout.FREESTYLE
    placement, rules = task.spec.placement, settings.placement
    config = recorder_config(task, attempt=attempt, settings=settings, finish_only=finish_only)
    volumes, mounts = _volumes(task, settings, with_token=not finish_only)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": recorder.grace_seconds,
        # The recorder keeps to its longest duration and its patience by itself; this ends one that can't.
        "activeDeadlineSeconds": limits.max_duration_seconds
        + limits.enqueue_timeout_seconds
        + UPLOAD_PATIENCE_SECONDS
        + recorder.grace_seconds
        + DEADLINE_MARGIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": _seccomp_profile(task.spec.layout, recorder),
        },
        "tolerations": [
            *_node_tolerations(),
            *tolerations(placement, rules=rules, recorders=recorder.tolerations),
        ],
        "containers": [
            {
                "name": RECORDER_CONTAINER,
                "image": image_of(task.spec.layout, settings),
                "imagePullPolicy": recorder.image_pull_policy,
                "env": [
                    {
                        "name": RECORDER_CONFIG_ENV,
                        "value": config.model_dump_json(by_alias=True, exclude_none=True),
                    },
                    *(settings.tracing.recorder_env if config.tracing is not None else []),
                ],
                "ports": [{"name": "http", "containerPort": RECORDER_PORT}],
                "resources": resources_for(
                    task.spec.layout,
                    None if finish_only else task.spec.video,
                    presets=recorder.presets,
                    fixed=recorder.web.resources if page else recorder.resources,
                ),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePath": TERMINATION_LOG,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                # No startup probe: it would hold back readiness, and with it PROCESSING, by a period.
                "readinessProbe": _probe("/readyz", periodSeconds=1, timeoutSeconds=2),
                "livenessProbe": _probe(
                    "/healthz", initialDelaySeconds=15, periodSeconds=10, timeoutSeconds=5, failureThreshold=6
                ),
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    optional: dict[str, Any] = {
        "serviceAccountName": recorder.service_account_name,
        "priorityClassName": recorder.priority_class_name,
        "runtimeClassName": recorder.runtime_class_name,
        "nodeSelector": node_selector(placement, rules=rules, recorders=recorder.node_selector),
        "affinity": recorder.affinity,
        "imagePullSecrets": [{"name": name} for name in recorder.image_pull_secrets],
    }
    spec.update({key: value for key, value in optional.items() if value})
    if page and not recorder.web.host_users:
        spec["hostUsers"] = False
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(meta.name, attempt=attempt),
            "namespace": meta.namespace,
            "labels": {
                **recorder.labels,
                MANAGED_BY_LABEL: MANAGED_BY,
                "app.kubernetes.io/component": "recorder",
                APP_LABEL: task.spec.app_id,
                TASK_LABEL: meta.name,
                TASK_UID_LABEL: meta.uid,
                ATTEMPT_LABEL: str(attempt),
                LAYOUT_LABEL: task.spec.layout.value,
                **_queue_label(task, settings, finish_only=finish_only),
            },
            "annotations": {
                **recorder.annotations,
                **(_DO_NOT_DISRUPT if recorder.do_not_disrupt else {}),
                STOP_ANNOTATION: "false",
                **wishes(
                    paused=task.spec.pause,
                    users=tuple(task.spec.users),
                    layout=None if page else task.spec.layout,
                ),
            },
            "finalizers": [RESULTS_FINALIZER],
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": meta.name,
                    "uid": meta.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }


def _queue_label(task: EgressTask, settings: Settings, *, finish_only: bool) -> dict[str, str]:
    queue = settings.queue.queue_of(task.spec.app_id, asked=task.spec.queue_name)
    # Who only closes a playlist has a few minutes, and no time to queue.
    return {KUEUE_QUEUE_LABEL: queue} if queue and not finish_only else {}


def _seccomp_profile(layout: Layout, recorder: RecorderSettings) -> dict[str, str]:
    if layout is Layout.FREESTYLE and recorder.web.seccomp_profile:
        return {"type": "Localhost", "localhostProfile": recorder.web.seccomp_profile}
    return {"type": "RuntimeDefault"}


def _probe(path: str, **timing: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": RECORDER_PORT}, **timing}


def _node_tolerations() -> list[dict[str, Any]]:
    # The default of 300 s would leave a task on a dead node for five minutes before its next attempt. The cluster
    # has waited by itself before it gave the node up, and who records on behind a cut wire is fenced off.
    return [
        {
            "key": f"node.kubernetes.io/{taint}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": NODE_TOLERATION_SECONDS,
        }
        for taint in ("not-ready", "unreachable")
    ]


def _volumes(
    task: EgressTask, settings: Settings, *, with_token: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    spool = {"sizeLimit": settings.recorder.spool_size}
    if settings.recorder.spool_medium:
        spool["medium"] = settings.recorder.spool_medium
    control = [
        {"path": file, "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}
        for file, annotation in (
            (PAUSE_FILE, PAUSE_ANNOTATION),
            (STOP_FILE, STOP_ANNOTATION),
            (USERS_FILE, USERS_ANNOTATION),
            *(() if task.spec.layout is Layout.FREESTYLE else ((LAYOUT_FILE, LAYOUT_ANNOTATION),)),
        )
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "spool", "emptyDir": spool},
        {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_SIZE}},
        {"name": "control", "downwardAPI": {"items": control}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "spool", "mountPath": SPOOL_DIR},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount of the Pod's own
        {"name": "control", "mountPath": CONTROL_DIR, "readOnly": True},
    ]

    if task.spec.layout is Layout.FREESTYLE:
        size = settings.recorder.web.shm_size
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
        mounts.append({"name": "shm", "mountPath": SHM_DIR})

    def mount_secret(name: str, path: str, secret: dict[str, Any]) -> None:
        volumes.append({"name": name, "secret": {"defaultMode": _SECRET_MODE, **secret}})
        mounts.append({"name": name, "mountPath": path, "readOnly": True})

    token = task.spec.access_token_secret_ref
    if token is not None and with_token:
        items = [{"key": token.key, "path": TOKEN_KEY}]
        mount_secret("token", TOKEN_DIR, {"secretName": token.name, "items": items})
    store = settings.store.of(task.spec.app_id)
    if store.credentials_secret:
        mount_secret("store-credentials", STORE_CREDENTIALS_DIR, {"secretName": store.credentials_secret})
    if store.volume_claim:
        volumes.append({"name": "store", "persistentVolumeClaim": {"claimName": store.volume_claim}})
        mounts.append({"name": "store", "mountPath": str(PurePosixPath(urlsplit(store.url).path))})
    return volumes, mounts
