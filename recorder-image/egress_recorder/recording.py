"""The book of a recording: which segments are spooled, which are in the store, what the objects list.

In: segments as the capture closes them, and word of each finished upload, in any order. Out: playlist and
manifest, in which segments stand in the order they were recorded, each only once it is in the store. Pure
book-keeping: no file is opened and nothing is sent here.

Listed segments are kept as the JSON they have in the manifest: a day's recording has 20000 of them, and
writing the manifest must stay a matter of joining texts.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from egress_api.manifest import Manifest, Segment
from egress_api.recorder import RecorderConfig
from egress_api.status import FileKind, OutputFile
from egress_recorder.playlist import Playlist

EVIDENCE: Final = {
    FileKind.SCREENSHOT: (".png", "image/png"),
    FileKind.PAGE_LOG: (".json", "application/json"),
}
"""Suffix and content type of what shows why a page failed."""
_NUMBER = re.compile(r"_(\d{6,})(?:-[0-9a-f]+)?\.ts$")


@dataclass(frozen=True, slots=True)
class SpooledSegment:
    """A closed segment on its way to the store."""

    number: int
    """Counts what was recorded, from 0 over all attempts; also in the name."""
    name: str
    path: Path
    started_at: datetime
    seconds: float
    size_bytes: int
    discontinuity: bool


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """What the upload adds to what was known: the segment is in the store and was verified."""

    name: str
    sha256: str
    uploaded_at: datetime


@dataclass(slots=True)
class _Pending:
    spooled: SpooledSegment
    stored: StoredSegment | None = None
    lost: bool = False


@dataclass(slots=True)
class _Listed:
    json: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    size_bytes: int = 0


class Recording:
    """Everything recorded for one task, over all its attempts.

    Args:
        config: what is recorded.
        created_at: the manifest's creation time when this attempt is the first to write it.
        earlier: the manifest of earlier attempts, to go on from.
    """

    def __init__(
        self, config: RecorderConfig, *, created_at: datetime, earlier: Manifest | None = None
    ) -> None:
        self._config = config
        self._listed = _Listed()
        self._pending: dict[int, _Pending] = {}
        self._next_number = 0
        self._jump = False
        self._gap = False
        self._playlist = Playlist(target_seconds=config.segment_seconds)
        self._created_at = earlier.created_at if earlier else created_at
        self.first_frame_at = earlier.first_frame_at if earlier else None
        self.lost = 0
        """Segments that could be neither uploaded nor kept."""
        self._evidence: dict[FileKind, bytes] = {}
        self._extra: list[OutputFile] = [
            file for file in (earlier.files if earlier else ()) if file.kind is not FileKind.PLAYLIST
        ]
        for segment in earlier.segments if earlier else ():
            self.adopt(segment)

    @property
    def playlist_name(self) -> str:
        """Name of the playlist's object."""
        return f"{self._config.output_name}.m3u8"

    @property
    def listed(self) -> int:
        """Segments in the playlist."""
        return len(self._listed.json)

    @property
    def listed_seconds(self) -> float:
        """Recorded seconds in the playlist."""
        return self._listed.seconds

    @property
    def pending(self) -> int:
        """Segments that are not in the store yet."""
        return sum(1 for p in self._pending.values() if p.stored is None and not p.lost)

    @property
    def pending_bytes(self) -> int:
        """Their bytes."""
        return sum(p.spooled.size_bytes for p in self._pending.values() if p.stored is None and not p.lost)

    def spooled_paths(self) -> set[Path]:
        """Return the files that still wait for the store."""
        return {pending.spooled.path for pending in self._pending.values()}

    def keep_evidence(self, kind: FileKind, data: bytes) -> None:
        """Take what shows why a page failed; the newest of a kind counts."""
        self._evidence[kind] = data

    def forget_evidence(self) -> None:
        """Drop what has been overcome: the page is recorded."""
        self._evidence.clear()

    @property
    def evidence(self) -> list[tuple[str, FileKind, bytes]]:
        """What is to be stored beside the media: name, kind, content."""
        return [
            (f"{self._config.output_name}_page{EVIDENCE[kind][0]}", kind, data)
            for kind, data in self._evidence.items()
        ]

    def mark_evidence(self, name: str, kind: FileKind, data: bytes) -> None:
        """Take note that a piece of evidence is in the store."""
        file = OutputFile(
            name=name,
            uri=object_uri(self._config, name),
            kind=kind,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        self._extra = [file, *(other for other in self._extra if other.name != name)]

    def begin_timeline(self) -> None:
        """Note that the next segment does not continue the one before: another capture made it."""
        self._jump = self._next_number > 0

    def adopt(self, segment: Segment) -> None:
        """List a segment that an earlier attempt stored, behind the others; then go on after it."""
        self._next_number = max(self._next_number, number_of(segment.name) + 1)
        self._list(segment.model_copy(update={"index": self.listed}))
        self._jump = True

    def skip(self, name: str) -> None:
        """Leave a name alone, and the numbers before it: the store holds such an object already."""
        self._next_number = max(self._next_number, number_of(name) + 1)

    def add(self, path: Path, *, size_bytes: int, started_at: datetime, seconds: float) -> SpooledSegment:
        """Take note of a closed segment and give it its number and name."""
        number, self._next_number = self._next_number, self._next_number + 1
        segment = SpooledSegment(
            number=number,
            name=segment_name(self._config.output_name, number),
            path=path,
            started_at=started_at,
            seconds=seconds,
            size_bytes=size_bytes,
            discontinuity=self._jump,
        )
        self._jump = False
        self._pending[number] = _Pending(segment)
        return segment

    def mark_stored(self, number: int, stored: StoredSegment) -> None:
        """Take note of a verified upload, and list what is now without a gap before it."""
        self._pending[number].stored = stored
        self._advance()

    def mark_lost(self, number: int) -> None:
        """Take note that a segment is gone: those behind it are not to wait for it."""
        self._pending[number].lost = True
        self._advance()

    def give_up_pending(self) -> int:
        """Stop waiting for what is not in the store, list what is; return how many segments are missing."""
        for pending in self._pending.values():
            pending.lost = pending.stored is None
        self._advance()
        return self.lost

    def overlong(self, seconds: float) -> bool:
        """Say whether a segment is longer than the playlist's target duration allows."""
        return self._playlist.overlong(seconds)

    def playlist(self, *, ended: bool) -> bytes:
        """Return the playlist's bytes."""
        return self._playlist.render(ended=ended)

    def files(self, *, playlist_sha256: str | None = None) -> list[OutputFile]:
        """Return the outputs, for status and manifest; none before there is a segment."""
        if not self._listed.json:
            return list(self._extra)
        return [
            OutputFile(
                name=self.playlist_name,
                uri=object_uri(self._config, self.playlist_name),
                kind=FileKind.PLAYLIST,
                size_bytes=self._listed.size_bytes,
                duration_seconds=round(self._listed.seconds, 3),
                sha256=playlist_sha256,
            ),
            *self._extra,
        ]

    def manifest(
        self, *, complete: bool = False, reason: str = "", playlist_sha256: str | None = None
    ) -> bytes:
        """Return the manifest's bytes: a `Manifest` with all listed segments."""
        head = Manifest(
            task_id=self._config.task_id,
            task_uid=self._config.task_uid,
            app_id=self._config.app_id,
            attempt=self._config.attempt,
            created_at=self._created_at,
            first_frame_at=self.first_frame_at,
            complete=complete,
            reason=reason,
            segment_seconds=self._config.segment_seconds,
            files=self.files(playlist_sha256=playlist_sha256),
        ).model_dump_json(by_alias=True, exclude={"segments"})
        return head[:-1].encode() + b',"segments":[\n' + b",\n".join(self._listed.json) + b"\n]}\n"

    def _advance(self) -> None:
        for number in list(self._pending):
            pending = self._pending[number]
            if not pending.lost and pending.stored is None:
                return
            del self._pending[number]
            if pending.stored is None:
                self.lost += 1
                self._gap = True
                continue
            self._list_stored(pending.spooled, pending.stored)

    def _list_stored(self, spooled: SpooledSegment, stored: StoredSegment) -> None:
        self._list(
            Segment(
                index=self.listed,
                name=stored.name,
                attempt=self._config.attempt,
                started_at=spooled.started_at,
                duration_seconds=spooled.seconds,
                size_bytes=spooled.size_bytes,
                sha256=stored.sha256,
                discontinuity=(spooled.discontinuity or self._gap) and self.listed > 0,
                uploaded_at=stored.uploaded_at,
            )
        )
        self._gap = False

    def _list(self, segment: Segment) -> None:
        self._listed.json.append(segment.model_dump_json(by_alias=True).encode())
        self._listed.seconds += segment.duration_seconds
        self._listed.size_bytes += segment.size_bytes
        self._playlist.append(
            segment.name,
            seconds=segment.duration_seconds,
            started_at=segment.started_at,
            discontinuity=segment.discontinuity,
        )


def segment_name(output_name: str, number: int) -> str:
    """Return the name of a segment's object."""
    return f"{output_name}_{number:06d}.ts"


def object_uri(config: RecorderConfig, name: str) -> str:
    """Return the address of an object in the task's folder."""
    return f"{config.store.url.rstrip('/')}/{name}"


def number_of(name: str) -> int:
    """Return the number in a segment's name, -1 when it is none."""
    match = _NUMBER.search(name)
    return int(match.group(1)) if match else -1
