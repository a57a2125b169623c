"""From a manifest to what a status call answers: the contract's shape, of a task that the cluster no longer has.

Pure: manifest and clock in, answer out.
"""

from datetime import datetime, timedelta
from typing import Final

from egress_api.manifest import Asked, End, Manifest
from egress_api.media import Layout
from egress_api.rest import PlacementPayload, StatusAnswer, StatusPayload
from egress_api.states import Reason, State
from egress_api.status import MAX_FILES, MAX_GAPS

LATE: Final = timedelta(hours=24)
"""After which a recording that nobody has written to is given up. A pause, or a store that is away, leaves a manifest as
it is for hours, and a FAILED that is taken back is worse than one that comes late."""


def archived_answer(
    manifest: Manifest, asked: Asked, *, uri: str, modified: datetime, now: datetime
) -> StatusAnswer:
    """Return what is told of a task that only its manifest tells of.

    Args:
        manifest: what its last recorder wrote.
        asked: what it says of the task.
        uri: the manifest's own.
        modified: when it was last written.
        now: the clock.
    """
    page = asked.layout is Layout.FREESTYLE
    end = manifest.end or _unclosed(modified, now=now)
    files = manifest.files[:MAX_FILES]
    return StatusAnswer(
        task_id=manifest.task_id,
        status=end.state,
        payload=StatusPayload(
            layout=asked.layout,
            channel=asked.channel,
            users=None if page else asked.users,
            regions=asked.regions or None,
            url=asked.url,
            web_gl=asked.web_gl if page else None,
            start=asked.start if page else None,
            files=[file.name for file in files],
            format=asked.format,
            outputs=asked.outputs or None,
            video=asked.video,
            audio=asked.audio,
            placement=PlacementPayload.of(asked.placement),
        ),
        reason=end.reason,
        message=end.message,
        created_at=asked.created_at,
        started_at=manifest.joined_at,
        stopped_at=end.at if end.state.terminal else None,
        gaps=manifest.gaps[-MAX_GAPS:],
        lost_seconds=manifest.lost_seconds,
        outputs=files,
        manifest_uri=uri,
        archived=True,
    )


def _unclosed(modified: datetime, *, now: datetime) -> End:
    if now - modified < LATE:
        return End(
            state=State.STOPPING,
            reason=Reason.STOPPING,
            message="the task has been deleted, and its recorder has not closed the recording yet",
            at=modified,
        )
    return End(
        state=State.FAILED,
        reason=Reason.RECORDER_FAILED,
        message="the task was deleted, and its recorder has never closed the recording; what is listed is there",
        at=modified,
    )
