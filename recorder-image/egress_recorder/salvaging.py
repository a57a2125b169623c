"""What a capture that is gone was still recording: its open segments, cut to what decodes.

In: which segments it opened and closed, and the files it left. Out: the same event for each as if it had been
closed, so that it goes the way of all others. Only announced files are looked at: what was recorded during a
pause is never among them.
"""

import asyncio
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from egress_recorder.capture.events import SegmentClosed, SegmentOpened
from egress_recorder.capture.mpegts import salvage


class OpenSegments:
    """The segments of one capture that it has opened and not closed."""

    def __init__(self) -> None:
        self._open: dict[int, SegmentOpened] = {}

    def opened(self, event: SegmentOpened) -> None:
        """Take note of a segment that begins."""
        self._open[event.index] = event

    def closed(self, event: SegmentClosed) -> None:
        """Take note of one that is complete."""
        self._open.pop(event.index, None)

    async def salvage(
        self, folder: Path, *, frame_seconds: float, log: FilteringBoundLogger
    ) -> list[SegmentClosed]:
        """Cut what is open to what decodes, in the order it was recorded; leave out what holds nothing.

        Args:
            folder: where the capture wrote; the capture is gone.
            frame_seconds: how long a picture lasts.
            log: for what was found.
        """
        found: list[SegmentClosed] = []
        for _, event in sorted(self._open.items()):
            path = folder / Path(event.path).name
            try:
                # In a thread: a segment may have a hundred megabytes.
                seconds = await asyncio.to_thread(salvage, path, frame_seconds=frame_seconds)
            except OSError as error:
                log.warning("segment-not-salvaged", path=str(path), error=str(error))
                continue
            log.info("segment-salvaged", path=str(path), seconds=round(seconds, 3))
            if seconds > 0:
                found.append(
                    SegmentClosed(
                        path=event.path,
                        index=event.index,
                        duration=round(seconds, 6),
                        started_at=event.started_at,
                        jump=event.jump,
                    )
                )
        self._open.clear()
        return found
