"""REST bodies: four calls byte for byte as their users know them, and what we add (docs/rest.md).

`request_id`, `cmd`, `payload`, `access_token` and `filename_pattern` are snake_case, `workerUid`,
`frameRate` and `webGL` are not: that is the contract, not an oversight. What we add stands beside it.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from egress_api.base import PreciseMoment
from egress_api.media import (
    INDEXED_LONGEST_SECONDS,
    Audio,
    CanvasRegion,
    ChannelLayout,
    FrozenPicture,
    Layout,
    Output,
    OutputFormat,
    Video,
    regions_fit,
)
from egress_api.page import PageStatus, StartRule
from egress_api.pattern import MAX_PATTERN, PATTERN_REGEX, check_pattern
from egress_api.placement import Place, Placement, Region, Zone
from egress_api.spec import (
    Channel,
    EgressTaskSpec,
    Limits,
    Outputs,
    PageUrl,
    Priority,
    QueueName,
    RequestId,
    SecretKeyRef,
    Users,
    WorkerUid,
)
from egress_api.states import Reason, State
from egress_api.status import Gap, OutputFile
from egress_api.task import EgressTask

AccessToken = Annotated[SecretStr, Field(min_length=10, max_length=2048)]

_OF_CHANNELS = ("channel", "access_token")
_OF_PAGES = ("url", "webGL", "start")
NEEDED_FIELDS: Final = {
    Layout.FLAT: _OF_CHANNELS,
    Layout.SPOTLIGHT: _OF_CHANNELS,
    Layout.CUSTOMIZED: (*_OF_CHANNELS, "regions"),
    Layout.FREESTYLE: ("url",),
}
"""Fields of a start's payload that a layout can't do without, as they stand in the body."""
FOREIGN_FIELDS: Final = {
    Layout.FLAT: _OF_PAGES,
    Layout.SPOTLIGHT: _OF_PAGES,
    Layout.CUSTOMIZED: _OF_PAGES,
    Layout.FREESTYLE: ("channel", "access_token", "workerUid", "users", "regions"),
}
"""Fields that do not go with it."""


class Body(BaseModel):
    """A frozen REST body in which an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PlacementPayload(Body):
    """Where to record. Labels of nodes and taints are for who writes the resource (`spec.placement`)."""

    region: Region | None = Field(
        None, description="The region to record in; {region} in names and folders is this one then."
    )
    zone: Zone | None = Field(None, description="The zone to record in.")

    @classmethod
    def of(cls, placement: Place | None) -> Self | None:
        """Return what a user is told of a task's placement; None where there is nothing to tell."""
        return cls(region=placement.region, zone=placement.zone) if placement is not None else None


class StartPayload(Body):
    """What to record: a channel (`flat`, `spotlight`, `customized`) or a page (`freestyle`)."""

    layout: Layout = Field(
        description="flat records a channel as a grid, spotlight with who speaks large, customized as regions say; "
        "freestyle records a page."
    )
    channel: Channel | None = Field(
        None, description="The channel to record; with every layout but freestyle."
    )
    access_token: AccessToken | None = Field(
        None,
        description="The token to join the channel with, 10 to 2048 characters; of a channel. Never given back.",
    )
    worker_uid: WorkerUid | None = Field(
        None, alias="workerUid", description="The number under which the recorder joins; of a channel."
    )
    users: Users | None = Field(
        None, description="Users to record; empty or absent records everyone; of a channel."
    )
    regions: Annotated[list[CanvasRegion], Field(min_length=1, max_length=32)] | None = Field(
        None, description="Where everybody stands; with customized, or where that may be asked for later."
    )
    url: PageUrl | None = Field(None, description="The page to record; with freestyle.")
    web_gl: bool | None = Field(None, alias="webGL", description="Give the page WebGL; with freestyle.")
    start: StartRule | None = Field(
        None, description="When the recording of the page begins; absent is {when: load}; with freestyle."
    )
    filename_pattern: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATTERN)] = Field(
        "recording",
        description="Name of the outputs; {date}, {time}, {region} and more are filled in.",
        json_schema_extra={"pattern": PATTERN_REGEX},
    )
    format: OutputFormat = Field(
        OutputFormat.HLS,
        description="hls: segments and a playlist; the others are made of these at the end: mp4; of the sound alone m4a, "
        "ogg (Opus), mp3; thumbnails.",
    )
    outputs: Outputs = Field(
        default_factory=list, description="More forms of the same recording, beside format."
    )
    video: Video = Field(default_factory=Video, description="The picture that is encoded.")
    audio: Audio = Field(default_factory=Audio, description="The sound that is encoded.")
    segment_seconds: int = Field(
        4, alias="segmentSeconds", ge=1, le=30, description="Length of an HLS segment in seconds."
    )
    frozen_picture: FrozenPicture = Field(
        FrozenPicture.BLACK,
        alias="frozenPicture",
        description="What is shown of somebody whose picture stands still: black or dimmed; of a channel.",
    )
    priority: Priority = Field(
        0, description="Of the tasks that wait for a place the highest is next; among equals the first come."
    )
    queue_name: QueueName | None = Field(
        None, description="Kueue's LocalQueue for its recorder; absent is what the operator sets for the app."
    )
    placement: PlacementPayload | None = Field(
        None, description="Where to record; absent is wherever the administrator lets recorders run."
    )
    pause: bool = Field(False, description="Start paused: nothing is recorded until an update takes it back.")
    limits: Limits = Field(default_factory=Limits, description="Bounds after which the task ends by itself.")

    @field_validator("filename_pattern")
    @classmethod
    def _known_tokens(cls, value: str) -> str:
        return check_pattern(value)

    @model_validator(mode="after")
    def _fields_of_the_layout(self) -> Self:
        needed, foreign = NEEDED_FIELDS[self.layout], FOREIGN_FIELDS[self.layout]
        given = {
            field.alias or name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) is not None
        }
        problems = [(name, f"is needed with layout {self.layout}") for name in needed if name not in given]
        problems += [(name, f"does not go with layout {self.layout}") for name in foreign if name in given]
        problems += self._output_problems()
        if not regions_fit(self.regions or [], self.video):
            problems.append(("regions", "must lie on the canvas, which video.width and video.height say"))
        if problems:
            raise FieldProblemsError(problems)
        return self

    def _output_problems(self) -> list[tuple[str, str]]:
        formats = [output.format for output in self.outputs]
        if len(set(formats)) < len(formats):
            return [("outputs", "must not have a format twice")]
        indexed = any(wanted.indexed for wanted in {self.format, *formats})
        if indexed and self.limits.max_duration_seconds > INDEXED_LONGEST_SECONDS:
            most = f"must have a maxDurationSeconds of at most {INDEXED_LONGEST_SECONDS} for mp4 and m4a"
            return [("limits", most)]
        return []


class FieldProblemsError(ValueError):
    """Several fields of one object are wrong together: `problems` is a list of (field, sentence)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field} {text}" for field, text in problems))
        self.problems = problems


class StartRequest(Body):
    """The body of `POST /egress/v1/{app_id}/tasks`."""

    request_id: RequestId = Field(description="Makes the start idempotent: the same id is the same task.")
    cmd: Literal["record"] = Field(description="What to do.")
    payload: StartPayload = Field(description="What to record, and how.")

    def to_spec(self, *, app_id: str, token_secret: str) -> EgressTaskSpec:
        """Return the spec of the task that this request asks for.

        Args:
            app_id: of the path.
            token_secret: name of the Secret in which the access token will stand.
        """
        asked = self.payload
        return EgressTaskSpec(
            app_id=app_id,
            request_id=self.request_id,
            command=self.cmd,
            layout=asked.layout,
            channel=asked.channel,
            worker_uid=asked.worker_uid,
            users=asked.users or [],
            regions=asked.regions or [],
            url=asked.url,
            web_gl=bool(asked.web_gl),
            start=asked.start or StartRule(),
            filename_pattern=asked.filename_pattern,
            format=asked.format,
            outputs=asked.outputs,
            segment_seconds=asked.segment_seconds,
            video=asked.video,
            audio=asked.audio,
            access_token_secret_ref=SecretKeyRef(name=token_secret) if asked.access_token else None,
            frozen_picture=asked.frozen_picture,
            priority=asked.priority,
            queue_name=asked.queue_name,
            placement=Placement(**asked.placement.model_dump()) if asked.placement else None,
            pause=asked.pause,
            limits=asked.limits,
        )


class StartAnswer(Body):
    """The answer to a start."""

    request_id: str
    task_id: str
    status: State


class StopRequest(Body):
    """The body of `POST …/tasks/{task_id}/stop`."""

    request_id: RequestId = Field(description="Comes back in a problem answer and in the logs.")


class StopAnswer(Body):
    """The answer to a stop: the wish is recorded, the status call tells when it has been met."""

    task_id: str
    status: Literal["SUCCESS"] = "SUCCESS"


class DeleteRequest(Body):
    """The optional body of `DELETE …/tasks/{task_id}`; the answer is the status call's."""

    request_id: RequestId = Field(description="Comes back in a problem answer and in the logs.")


_CHANGEABLE = ("pause", "users", "layout", "access_token")


def _given(name: str) -> JsonDict:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


class UpdatePayload(Body):
    """What is to change while it records; a field that is absent changes nothing."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_given(name) for name in _CHANGEABLE]})

    pause: bool | None = Field(
        None, description="true: leave out what follows; false: go on in the same playlist."
    )
    access_token: AccessToken | None = Field(
        None, description="Another token to join the channel with, from the next time on; of a channel."
    )
    users: Users | None = Field(
        None, description="Whom to record from now on; empty records everyone; of a channel."
    )

    layout: ChannelLayout | None = Field(
        None,
        description="How the channel is laid out from now on, in the same recording: flat, spotlight, or customized.",
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(getattr(self, name) is None for name in _CHANGEABLE):
            raise ValueError("must say what is to change: pause, users, layout or access_token")
        return self


class UpdateRequest(Body):
    """The body of `PATCH …/tasks/{task_id}`; the answer is the status call's."""

    request_id: RequestId = Field(description="Comes back in a problem answer and in the logs.")
    payload: UpdatePayload = Field(description="What is to change.")


class StatusRequest(Body):
    """The optional body of `GET …/tasks/{task_id}`, and of `POST …/tasks/{task_id}/status`."""

    request_id: RequestId = Field(description="Comes back in a problem answer and in the logs.")


class StatusPayload(Body):
    """What was asked for, and the names of what has been made."""

    layout: Layout
    channel: str | None = None
    users: list[str] | None = None
    regions: list[CanvasRegion] | None = None
    url: str | None = None
    web_gl: bool | None = Field(None, alias="webGL")
    start: StartRule | None = None
    files: list[str] = Field(description="Names of the outputs so far.")
    format: OutputFormat
    outputs: list[Output] | None = Field(
        None, description="What was asked for beside format, if anything was."
    )
    video: Video
    audio: Audio
    placement: PlacementPayload | None = Field(None, description="Where it was asked to record, if it was.")


def told_state(task: EgressTask) -> State:
    """Return the state that a user is told.

    A task that is to stop, or is being deleted, and hasn't ended says STOPPING from that call's answer on,
    before the operator has seen the wish.
    """
    state = task.status.state
    ends = task.spec.stop or task.metadata.deletion_timestamp is not None
    return State.STOPPING if ends and not state.terminal else state


class Links(Body):
    """Where a task's files can be fetched for a while; who has a link needs nothing else."""

    expires_at: PreciseMoment = Field(description="After which they can't be used any more.")
    files: dict[str, str] = Field(
        description="Links by name: to the outputs, and to manifest.json; not to segments."
    )


class StatusAnswer(Body):
    """The answer to a status call. `reason` and what follows it are ours, beside the contract."""

    task_id: str
    status: State
    payload: StatusPayload
    reason: str = ""
    message: str = ""
    created_at: PreciseMoment
    started_at: PreciseMoment | None = None
    stopped_at: PreciseMoment | None = None
    queue_position: int | None = Field(
        None,
        description="Place in the queue, from 1, while it waits for one; up to half a minute old, or more.",
    )
    pause: bool = Field(False, description="Whether a pause is asked for; reason says Paused once it is met.")
    page: PageStatus | None = Field(None, description="The page, with freestyle, once its browser runs.")
    gaps: list[Gap] = Field(
        default_factory=list, description="Where time is missing in the recording, at most the newest 50."
    )
    lost_seconds: float = Field(0.0, description="Seconds missing altogether, pauses not counted.")
    pending_bytes: int = Field(
        0, description="Bytes that wait for a store that is behind; 0 while it keeps up."
    )
    outputs: list[OutputFile] = Field(
        default_factory=list, description="The files with URI, size and duration."
    )
    manifest_uri: str | None = None
    links: Links | None = Field(
        None, description="Links to the files, for a call with `links=true`; never in a list or an event."
    )
    archived: Literal[True] | None = Field(
        None, description="The task's resource is gone: this is what its manifest in the store tells."
    )

    @classmethod
    def of(cls, task: EgressTask) -> Self:
        """Return what a user is told about `task`."""
        spec, status = task.spec, task.status
        state = told_state(task)
        heard = state is status.state
        wish = "stop" if task.metadata.deletion_timestamp is None else "deletion"
        page = spec.layout is Layout.FREESTYLE
        return cls(
            task_id=task.metadata.name,
            status=state,
            payload=StatusPayload(
                layout=spec.layout,
                channel=spec.channel,
                users=None if page else list(spec.users),
                regions=list(spec.regions) or None,
                url=spec.url,
                web_gl=spec.web_gl if page else None,
                start=spec.start if page else None,
                files=[file.name for file in status.files],
                format=spec.format,
                outputs=list(spec.outputs) or None,
                video=spec.video,
                audio=spec.audio,
                placement=PlacementPayload.of(Place.of(spec.placement)),
            ),
            reason=status.reason if heard else Reason.STOPPING,
            message=status.message if heard else f"the {wish} has been asked for",
            created_at=task.metadata.creation_timestamp,
            started_at=status.started_at,
            stopped_at=status.stopped_at,
            queue_position=status.queue_position if heard else None,
            pause=spec.pause,
            page=status.page,
            gaps=list(status.gaps),
            lost_seconds=status.lost_seconds,
            pending_bytes=status.pending_bytes,
            outputs=list(status.files),
            manifest_uri=status.manifest_uri,
        )


class ListAnswer(Body):
    """The answer to a list: one page of an app's tasks, newest first."""

    tasks: list[StatusAnswer] = Field(description="Each as the status call answers it.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last one.")


class FieldError(Body):
    """One bad field."""

    pointer: str = Field(description="JSON pointer to the field in the request's body.")
    detail: str = Field(description="What is wrong with it.")


class ParameterError(Body):
    """One bad query parameter."""

    parameter: str = Field(description="Its name.")
    detail: str = Field(description="What is wrong with it.")


class Problem(Body):
    """An error answer: RFC 9457 `application/problem+json`."""

    type: str = Field(description="A URI reference for this kind of problem (docs/rest.md#problems).")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was called.")
    request_id: str = Field(description="The request's own id, or one that the gateway gave it.")
    errors: list[FieldError | ParameterError] = Field(default_factory=list)

    def dump(self) -> dict[str, Any]:
        """Return the JSON object; `errors` only where there are some."""
        return self.model_dump(mode="json", exclude_defaults=True)
