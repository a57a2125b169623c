"""The bodies of webhooks, by the Standard Webhooks specification: `{"type", "timestamp", "data"}` (docs/webhooks.md).

In: a task's status and one of its pending events. Out: the body, the same bytes however often it is made: what
changes while a task goes on (sizes, gaps) stands in the last event alone. Never an access token, nor a page's URL,
which may hold one.
"""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from egress_api.base import PreciseMoment
from egress_api.outbox import EventType, PendingEvent
from egress_api.states import State
from egress_api.status import EgressTaskStatus, FileKind, Gap, OutputFile

MAX_BODY_BYTES: Final = 20_000
"""What the specification asks for. A longer list of gaps, then of files, is cut; the manifest has all."""


class _Body(BaseModel):
    # Receivers read bodies of later versions, too: a field that is new must not stop them.
    model_config = ConfigDict(frozen=True, extra="ignore")


class EventFile(_Body):
    """The file that a task.file tells of."""

    name: str = Field(description="File name, without the task's folder.")
    uri: str = Field(description="Where the file is, as a URL of the store.")
    kind: FileKind = Field(description="What the file is.")


class EventData(_Body):
    """What happened to which task. Fields are named as in the answer to a status call."""

    app_id: str = Field(description="The app whose task it is.")
    task_id: str = Field(description="The task.")
    request_id: str = Field("", description="Of the start; empty for a task made with kubectl without one.")
    sequence: int = Field(
        description="Number among the task's events, from 1, without gaps unless some were dropped."
    )
    status: State = Field(description="The task's state at that moment.")
    reason: str = Field(description="Why, as one CamelCase word.")
    message: str = Field(description="Why, as a sentence.")
    source: str = Field("", description="What is recorded: the channel, or the page's host.")
    file: EventFile | None = Field(None, description="With task.file: the output that is there now.")
    started_at: PreciseMoment | None = Field(
        None, description="At the end: when the recorder had first joined."
    )
    stopped_at: PreciseMoment | None = Field(None, description="At the end: when the task ended.")
    files: list[OutputFile] | None = Field(
        None, description="At the end: the outputs with URI, size and duration."
    )
    files_total: int | None = Field(None, description="At the end: number of outputs, listed or not.")
    manifest_uri: str | None = Field(None, description="At the end: the manifest, which lists every object.")
    gaps: list[Gap] | None = Field(
        None, description="At the end: where time is missing in the recording, the newest."
    )
    lost_seconds: float | None = Field(
        None, description="At the end: seconds missing altogether, pauses not counted."
    )


class WebhookEvent(_Body):
    """The whole body."""

    type: EventType = Field(description="What happened.")
    timestamp: PreciseMoment = Field(description="When it happened; not when it was sent.")
    data: EventData = Field(description="To which task, and what there is to know of it.")

    @classmethod
    def of(cls, event: PendingEvent, status: EgressTaskStatus, *, ids: Mapping[str, str]) -> Self:
        """Return the event's body.

        Args:
            event: of the status's outbox.
            status: of the task, now. What is taken from it no longer changes.
            ids: `app_id`, `task_id` and `request_id`.

        Raises:
            ValueError: when the status no longer has the file that the event tells of.
        """
        data = EventData(
            **ids,
            sequence=event.sequence,
            status=event.state,
            reason=event.reason,
            message=event.message,
            source=status.source or "",
            file=_file(event, status),
            **(_end(status) if event.type.final else {}),
        )
        return cls(type=event.type, timestamp=event.at, data=data)

    def to_json(self) -> str:
        """Return the text to sign and to send, at most `MAX_BODY_BYTES` of UTF-8 where lists can be cut to that."""
        body = self
        while True:
            text = body.model_dump_json(by_alias=True, exclude_none=True)
            data = body.data
            if len(text.encode()) <= MAX_BODY_BYTES or not (data.gaps or data.files):
                return text
            shorter = {"gaps": data.gaps[1:]} if data.gaps else {"files": (data.files or [])[:-1]}
            body = body.model_copy(update={"data": data.model_copy(update=shorter)})


def event_id(task_uid: str, sequence: int) -> str:
    """Return the id of an event, the same at each try: the UID is the task's alone, ever."""
    return f"evt_{task_uid}_{sequence}"


def _file(event: PendingEvent, status: EgressTaskStatus) -> EventFile | None:
    if event.type is not EventType.FILE:
        return None
    found = next((file for file in status.files if file.name == event.file), None)
    if found is None:
        raise ValueError(f"the task's status no longer lists the file {event.file}")
    return EventFile(name=found.name, uri=found.uri, kind=found.kind)


def _end(status: EgressTaskStatus) -> dict[str, object]:
    return {
        "started_at": status.started_at,
        "stopped_at": status.stopped_at,
        "files": list(status.files),
        "files_total": status.files_total,
        "manifest_uri": status.manifest_uri,
        "gaps": list(status.gaps),
        "lost_seconds": status.lost_seconds,
    }
