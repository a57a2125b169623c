"""What the message of a task with a recorder says: where it is recorded, and what is not as one would wish. Pure.

A sentence is written whenever it changes, so it holds no figure that the status itself would not have written.
"""

from typing import Final

from egress_api.recorder import UPLOAD_PATIENCE_SECONDS
from egress_api.results import LiveReport
from egress_api.spec import EgressTaskSpec
from egress_api.states import ConditionStatus, ConditionType, Reason
from egress_api.status import EgressTaskStatus, Gap
from egress_operator.figures import losses
from egress_operator.pod_state import PodView

ENDING: Final = "the recorder is ending the recording and uploading the rest"
_STORE: Final = frozenset({Reason.STORE_UNREACHABLE, Reason.STORE_REFUSED})


def recording_sentence(
    status: EgressTaskStatus, pod: PodView, spec: EgressTaskSpec, *, live: LiveReport | None, paused: bool
) -> str:
    """Return what is the case while a recorder records.

    Args:
        status: with the figures that are to be written.
        pod: the recorder's.
        spec: what is asked for.
        live: the recorder's report, if it has sent one.
        paused: whether nothing is recorded, as asked.
    """
    verb = "paused" if paused else "recording"
    parts = [f"{verb} on node {pod.node}{f', attempt {status.attempt}' if status.attempt > 1 else ''}"]
    if spec.channel is not None and live is not None and live.participants == 0:
        # A mistyped channel or user records black and silence for hours, and looks like any other recording.
        parts.append("nobody who is to be recorded sends picture or sound")
    trouble = store_trouble(status)
    if trouble:
        waits = f", {size(status.pending_bytes)} wait in the recorder" if status.pending_bytes else ""
        parts.append(f"uploads fail ({trouble}){waits}")
    elif status.pending_bytes:
        parts.append(f"the store is slow, {size(status.pending_bytes)} wait in the recorder")
    missing = missing_sentence(status)
    return "; ".join([*parts, missing] if missing else parts)


def stopping_sentence(status: EgressTaskStatus) -> str:
    """Return what is the case while a recorder that was told to end is left alone."""
    trouble = store_trouble(status)
    if not trouble:
        return ENDING
    waits = f", {size(status.pending_bytes)} wait" if status.pending_bytes else ""
    return (
        f"the recording has ended, but uploads fail ({trouble}){waits}: the recorder stays until everything is "
        f"stored, at most {UPLOAD_PATIENCE_SECONDS // 60} minutes; to give it up, delete the task"
    )


def store_trouble(status: EgressTaskStatus) -> str:
    """Return the reason for which uploads fail now; empty where they don't."""
    uploaded = status.condition(ConditionType.UPLOADED)
    # False also when the recorder before this one left something undone.
    failing = uploaded is not None and uploaded.status is ConditionStatus.FALSE and uploaded.reason in _STORE
    return uploaded.reason if uploaded is not None and failing else ""


def missing_sentence(status: EgressTaskStatus) -> str:
    """Return how much is missing, such as "3.1 s are missing in 2 gaps"; empty when nothing is."""
    if status.lost_seconds <= 0:
        return ""
    return f"{status.lost_seconds:.1f} s are missing in {counted(losses(status.gaps))}"


def counted(gaps: list[Gap]) -> str:
    """Return a number of gaps in words for people."""
    return f"{len(gaps)} gap{'s' if len(gaps) != 1 else ''}"


def size(count: int) -> str:
    """Return a number of bytes in binary units, such as 1.4MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if round(value, 1) < 1024:  # noqa: PLR2004 - the step between binary units
            return f"{value:.1f}{unit}" if unit != "B" else f"{count}B"
        value /= 1024
    return f"{value:.1f}GiB"
