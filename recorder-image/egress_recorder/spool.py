"""The spool: a folder for each capture, and room for what is being recorded.

In: the book of what waits there. Out: folders; and, when the volume is nearly full because the store takes
less than is recorded, the oldest segments given up one by one. Better to miss what is oldest than all that
comes: a recorder that overfills its volume is evicted, or its capture dies of the full disk.
"""

import contextlib
import os
from pathlib import Path

from egress_recorder.context import Context
from egress_recorder.recording import Recording

_SECONDS_AHEAD = 2.0
"""Of recording, at its highest rate, that must always fit: longer than from one look to the next."""


class Spool:
    """The spool of one attempt."""

    def __init__(self, context: Context, *, recording: Recording) -> None:
        self._config = context.config
        self._settings = context.settings
        self._live = context.live
        self._log = context.log
        self._recording = recording

    def new_folder(self) -> Path:
        """Make an empty folder for a capture.

        Raises:
            OSError: when the volume has no room for it, or is none.
        """
        number = 0
        while True:
            folder = self._settings.spool / f"attempt-{self._config.attempt}-capture-{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return folder

    def sweep(self, folder: Path) -> None:
        """Remove what a capture that is gone left there and nobody waits for: it would take its room for good."""
        waiting = self._recording.spooled_paths()
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if path not in waiting:
                    path.unlink(missing_ok=True)

    def make_room(self, *, even_on_their_way: bool = False) -> None:
        """Give up the oldest segments until there is room, or nothing to give up.

        Args:
            even_on_their_way: also those that are being uploaded. Not otherwise: they may free their room
                themselves, and on a disk that others have filled giving them up would help nobody.
        """
        spare = self._settings.upload_parallel
        # Measured once: some file systems (XFS) free what is removed only later.
        lacking = self._bytes_lacking()
        while shortage := self._shortage(lacking=lacking):
            if shortage == "disk" and not even_on_their_way and self._recording.pending <= spare:
                return
            dropped = self._recording.drop_oldest(spare=spare)
            if dropped is None:
                return
            with contextlib.suppress(OSError):
                dropped.path.unlink(missing_ok=True)
            lacking -= dropped.size_bytes
            self._log.warning(
                "segment-dropped", name=dropped.name, seconds=dropped.seconds, short_of=shortage
            )
            self._live.dropping = f"The spool was full: {self._recording.dropped_seconds:.0f} s have been given up, oldest first."

    def _shortage(self, *, lacking: float) -> str:
        """Return what is nearly used up: our share of the volume, the disk, or nothing (an empty text)."""
        if self._recording.pending_bytes > self._config.spool_bytes * self._settings.spool_share:
            return "share"
        return "disk" if lacking > 0 else ""

    def _bytes_lacking(self) -> float:
        """Return how many bytes the disk has too few, 0 or less where it has enough."""
        try:
            volume = os.statvfs(self._settings.spool)
        except OSError:
            return 0.0
        size, free = volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize
        floor = min(self._settings.spool_free_bytes, size * self._settings.spool_free_share)
        return max(floor, self._bytes_ahead()) - free

    def _bytes_ahead(self) -> float:
        kilobits = self._config.video.bitrate + self._config.audio.bitrate
        return kilobits * 1000 / 8 * _SECONDS_AHEAD
