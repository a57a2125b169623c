"""Pods whose task is gone: they end properly, upload what they have, and are let go.

Our finalizer holds a recorder's Pod until its end stands in the task's status. Where there is no task any
more nobody would take it off, and the Pod, and its namespace, could never be deleted.
"""

from datetime import datetime, timedelta
from typing import Final

from egress_api.constants import MANAGED_BY, MANAGED_BY_LABEL, TASK_LABEL
from egress_operator.cluster import Cluster, pods_path
from egress_operator.errors import ConflictError
from egress_operator.keys import TaskKey
from egress_operator.pod_state import LOST_AFTER_SECONDS, PodView

MANAGED_SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
_RETRY_SECONDS: Final = 1.0


async def pods_of(cluster: Cluster, key: TaskKey) -> list[PodView]:
    """Return all Pods that were made for a task of that name."""
    query = {"labelSelector": f"{MANAGED_SELECTOR},{TASK_LABEL}={key.name}"}
    return [PodView.from_resource(pod) async for pod in cluster.listed(pods_path(key.namespace), query=query)]


async def let_go(
    cluster: Cluster, pod: PodView, *, now: datetime, grace_seconds: int, wait_for_end: bool = True
) -> float | None:
    """Have a Pod end and then vanish; return in how many seconds to call again, None when all is done.

    Args:
        cluster: where it is.
        pod: as read just now.
        now: the clock.
        grace_seconds: for the recorder's end and last uploads.
        wait_for_end: whether our finalizer stays until the recorder has ended.
    """
    if not pod.held and pod.owner_uid is None:
        return None  # somebody's own Pod with our labels on it
    if not pod.deleting and not pod.finished:
        await cluster.delete_pod(pod, grace_seconds=grace_seconds)
    if pod.held and (pod.ended(now) or not wait_for_end):
        try:
            await cluster.release_pod(pod)
        except ConflictError:
            return _RETRY_SECONDS
        if pod.finished and not pod.deleting:
            await cluster.delete_pod(pod, grace_seconds=0)
        return None
    if not pod.held:
        return None
    # Its end rings the doorbell; only an end that is never told needs another look.
    ends_at = (pod.deleted_at or now + timedelta(seconds=grace_seconds)) + timedelta(
        seconds=LOST_AFTER_SECONDS
    )
    return max((ends_at - now).total_seconds(), _RETRY_SECONDS)
