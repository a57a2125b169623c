"""The book of a recording: which segments are spooled, which are in the store, what the objects list.

In: segments as the capture closes them, and word of each finished upload, in any order. Out: playlist and
manifest, in which segments stand in the order they were recorded, each only once it is in the store. Pure
book-keeping: no file is opened and nothing is sent here.

Listed segments are kept as the JSON they have in the manifest: a day's recording has 20000 of them, and
writing the manifest must stay a matter of joining texts.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from egress_api.manifest import SEGMENTS_KEY, End, Manifest, Segment
from egress_api.media import OutputFormat
from egress_api.recorder import RecorderConfig
from egress_api.states import GapReason
from egress_api.status import FileKind, Gap, OutputFile
from egress_recorder.asked import asked_of
from egress_recorder.gaps import Gaps
from egress_recorder.playlist import Playlist

EVIDENCE: Final = {
    FileKind.SCREENSHOT: (".png", "image/png"),
    FileKind.PAGE_LOG: (".json", "application/json"),
}
"""Suffix and content type of what shows why a page failed."""
_MADE: Final = frozenset({FileKind.VIDEO, FileKind.AUDIO, FileKind.THUMBNAILS, FileKind.IMAGE})
"""Made at the end, of all that is listed then."""
_NUMBER = re.compile(r"_(\d{6,})(?:-[0-9a-f]+)*\.ts$")


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
    gap_reason: GapReason | None = None
    """Why it doesn't continue the one before; None where it does."""


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
    lost: GapReason | None = None

    @property
    def waits(self) -> bool:
        return self.stored is None and self.lost is None


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
        self._jump: GapReason | None = None
        self._gaps = Gaps()
        self._playlist = Playlist(target_seconds=config.segment_seconds)
        self._created_at = earlier.created_at if earlier else created_at
        self.first_frame_at = earlier.first_frame_at if earlier else None
        self.users = tuple(config.users)
        """Whom it records, as chosen last; none is everyone."""
        self.layout = config.layout
        """How it is laid out, as chosen last."""
        self.joined_at = earlier.joined_at if earlier else None
        """When a recorder had first joined the source, of any attempt."""
        self.ended_as = earlier.reason if earlier and earlier.complete else ""
        """Why an earlier attempt had ended it, with nothing left undone."""
        self.lost = 0
        """Segments that could be neither uploaded nor kept."""
        self.dropped = 0
        """Segments that gave way to newer ones in a full spool."""
        self.dropped_seconds = 0.0
        self._evidence: dict[FileKind, bytes] = {}
        self._extra: list[OutputFile] = [
            file for file in (earlier.files if earlier else ()) if file.kind is not FileKind.PLAYLIST
        ]
        for segment in earlier.segments if earlier else ():
            self.adopt(segment)
        if earlier:
            self._gaps.resume(earlier.gaps)

    @property
    def playlist_name(self) -> str:
        """Name of the playlist's object."""
        return f"{self._config.output_name}.m3u8"

    def file_name(self, made: OutputFormat) -> str:
        """Name of the object of a file that is made at the end."""
        suffix = "_thumbs.vtt" if made is OutputFormat.THUMBNAILS else f".{made.value}"
        return f"{self._config.output_name}{suffix}"

    @property
    def sheet_pattern(self) -> str:
        """Names of the objects with thumbnails on them, with a `%03d` for their number."""
        return f"{self._config.output_name}_thumbs_%03d.jpg"

    def would_write(self, name: str) -> bool:
        """Say whether an object of this name is, or would be, the recording's: its lists, segments, files, evidence."""
        files = {self.file_name(made) for made in OutputFormat if made is not OutputFormat.HLS}
        return name in {self.playlist_name, *files} or name.startswith(f"{self._config.output_name}_")

    @property
    def listed(self) -> int:
        """Segments in the playlist."""
        return len(self._listed.json)

    @property
    def listed_seconds(self) -> float:
        """Recorded seconds in the playlist."""
        return self._listed.seconds

    @property
    def total_bytes(self) -> int:
        """Bytes of all segments, listed or on their way."""
        return self._listed.size_bytes + sum(
            p.spooled.size_bytes for p in self._pending.values() if p.lost is None
        )

    @property
    def gaps(self) -> list[Gap]:
        """Where time is missing, oldest first, all attempts together."""
        return self._gaps.all

    @property
    def lost_seconds(self) -> float:
        """Seconds that are missing altogether, pauses not counted."""
        return self._gaps.lost_seconds

    @property
    def paused(self) -> bool:
        """Whether what comes now is left out, as wanted."""
        return self._gaps.paused

    @property
    def pending(self) -> int:
        """Segments that are not in the store yet."""
        return sum(1 for p in self._pending.values() if p.waits)

    @property
    def pending_bytes(self) -> int:
        """Their bytes."""
        return sum(p.spooled.size_bytes for p in self._pending.values() if p.waits)

    @property
    def unmade(self) -> dict[str, OutputFormat]:
        """The files that are wanted of what is listed, and are not made of all of it, by name."""
        if not self.listed:
            return {}
        wanted = [
            each for each in OutputFormat if each in self._config.formats and each is not OutputFormat.HLS
        ]
        made = {file.name for file in self._extra if self._is_current(file)}
        return {self.file_name(each): each for each in wanted if self.file_name(each) not in made}

    def mark_made(self, file: OutputFile) -> None:
        """Take note that a file made of all that is listed is in the store and verified."""
        self._extra = [*(other for other in self._extra if other.name != file.name), file]

    def segments(self) -> Iterator[Segment]:
        """Return the listed segments, in order."""
        return (Segment.model_validate_json(text) for text in tuple(self._listed.json))

    def waits(self, number: int) -> bool:
        """Say whether a segment is still to be stored: it may have been dropped since it was handed on."""
        pending = self._pending.get(number)
        return pending is not None and pending.waits

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

    def begin_timeline(self, reason: GapReason) -> None:
        """Note that the next segment doesn't continue the one before; what was noted first is why."""
        if self._next_number > 0:
            self._jump = self._jump or reason

    def pause_began(self, at: datetime) -> None:
        """Note that from now on nothing is recorded, as wanted; again, nothing changes."""
        self._gaps.pause_began(at)

    def pause_ended(self, at: datetime) -> None:
        """Note that recording goes on; again, nothing changes."""
        self._gaps.pause_ended(at)

    def adopt(self, segment: Segment) -> None:
        """List a segment that an earlier attempt stored, behind the others; then go on after it."""
        self._next_number = max(self._next_number, number_of(segment.name) + 1)
        reason = segment.gap_reason or GapReason.CAPTURE_RESTARTED if segment.discontinuity else None
        self._list(segment.model_copy(update={"index": self.listed}), jump=reason)
        self._jump = GapReason.RECORDER_REPLACED

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
            gap_reason=self._jump,
        )
        self._jump = None
        self._pending[number] = _Pending(segment)
        return segment

    def mark_stored(self, number: int, stored: StoredSegment) -> None:
        """Take note of a verified upload, and list what is now without a gap before it."""
        # One that was dropped while its upload ran may be gone from the book.
        if number in self._pending:
            self._pending[number].stored = stored
            self._advance()

    def mark_lost(self, number: int, reason: GapReason = GapReason.SEGMENT_LOST) -> None:
        """Take note that a segment is gone: those behind it are not to wait for it."""
        if number in self._pending and self._pending[number].waits:
            self._pending[number].lost = reason
            self._advance()

    def drop_oldest(self, *, spare: int) -> SpooledSegment | None:
        """Give up the oldest segment that waits, but for `spare` of them, and return it; None if none waits.

        The spared ones, the very oldest, are on their way: what they need is in memory already.
        """
        waiting = [pending.spooled for pending in self._pending.values() if pending.waits]
        if not waiting:
            return None
        dropped = waiting[spare] if len(waiting) > spare else waiting[0]
        self.mark_lost(dropped.number, GapReason.SPOOL_FULL)
        self.dropped += 1
        self.dropped_seconds += dropped.seconds
        return dropped

    def give_up_pending(self) -> int:
        """Stop waiting for what is not in the store, list what is; return how many segments are missing."""
        for number in [number for number, pending in self._pending.items() if pending.waits]:
            self.mark_lost(number)
        return self.lost

    def overlong(self, seconds: float) -> bool:
        """Say whether a segment is longer than the playlist's target duration allows."""
        return self._playlist.overlong(seconds)

    def playlist(self, *, ended: bool) -> bytes:
        """Return the playlist's bytes."""
        return self._playlist.render(ended=ended)

    def files(self, *, playlist_sha256: str | None = None) -> list[OutputFile]:
        """Return the outputs, for status and manifest; none before there is a segment."""
        extra = [file for file in self._extra if self._is_current(file)]
        if not self._listed.json:
            return extra
        return [
            OutputFile(
                name=self.playlist_name,
                uri=object_uri(self._config, self.playlist_name),
                kind=FileKind.PLAYLIST,
                size_bytes=self._listed.size_bytes,
                duration_seconds=round(self._listed.seconds, 3),
                sha256=playlist_sha256,
            ),
            *extra,
        ]

    def manifest(
        self, *, complete: bool = False, end: End | None = None, playlist_sha256: str | None = None
    ) -> bytes:
        """Return the manifest's bytes: a `Manifest` with all listed segments, last so that the rest can be read alone."""
        head = Manifest(
            task_id=self._config.task_id,
            task_uid=self._config.task_uid,
            app_id=self._config.app_id,
            attempt=self._config.attempt,
            created_at=self._created_at,
            asked=asked_of(self._config, users=self.users, layout=self.layout),
            joined_at=self.joined_at,
            first_frame_at=self.first_frame_at,
            complete=complete,
            reason=end.reason if end else "",
            end=end,
            segment_seconds=self._config.segment_seconds,
            files=self.files(playlist_sha256=playlist_sha256),
            gaps=self.gaps if complete else self._gaps.to_keep(),
            lost_seconds=self.lost_seconds,
        ).model_dump_json(by_alias=True, exclude={"segments"})
        return head[:-1].encode() + SEGMENTS_KEY + b",\n".join(self._listed.json) + b"\n]}\n"

    def _is_current(self, file: OutputFile) -> bool:
        # What an earlier attempt made lacks what has been recorded since; it is made anew at the end.
        return file.kind not in _MADE or file.duration_seconds == round(self._listed.seconds, 3)

    def _advance(self) -> None:
        while self._pending:
            number, pending = next(iter(self._pending.items()))
            if pending.waits:
                return
            del self._pending[number]
            # Stored although it was dropped: its upload was quicker.
            if pending.stored is not None:
                self._list_stored(pending.spooled, pending.stored)
            elif pending.lost is not None:
                self.lost += pending.lost is not GapReason.SPOOL_FULL
                spooled = pending.spooled
                self._gaps.missing(
                    spooled.started_at, spooled.seconds, reason=pending.lost, before=spooled.gap_reason
                )

    def _list_stored(self, spooled: SpooledSegment, stored: StoredSegment) -> None:
        segment = Segment(
            index=self.listed,
            name=stored.name,
            attempt=self._config.attempt,
            started_at=spooled.started_at,
            duration_seconds=spooled.seconds,
            size_bytes=spooled.size_bytes,
            sha256=stored.sha256,
            uploaded_at=stored.uploaded_at,
        )
        self._list(segment, jump=spooled.gap_reason)

    def _list(self, segment: Segment, *, jump: GapReason | None) -> None:
        """Put a segment behind the others; before it the timeline jumps where it must or something is missing."""
        reason = self._gaps.listed(segment.started_at, segment.duration_seconds, reason=jump)
        discontinuity = self.listed > 0 and (reason is not None or jump is not None)
        segment = segment.model_copy(
            update={"discontinuity": discontinuity, "gap_reason": (reason or jump) if discontinuity else None}
        )
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
