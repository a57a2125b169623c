"""The spec of an EgressTask: what a user asks for, and nothing that the system finds out.

The resource's schema is generated from these models (crdgen.py), cross-field rules included (rules.py),
so what the API server refuses and what these models refuse is the same.
"""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from egress_api.base import Strict
from egress_api.constants import TOKEN_KEY
from egress_api.media import (
    INDEXED_LONGEST_SECONDS,
    Audio,
    CanvasRegion,
    FrozenPicture,
    Layout,
    Output,
    OutputFormat,
    User,
    Video,
    regions_fit,
)
from egress_api.page import StartRule
from egress_api.pattern import MAX_PATTERN, PATTERN_REGEX
from egress_api.placement import Placement
from egress_api.worded import LABEL_WORD, Worded

AppId = Annotated[str, LABEL_WORD]
"""Also a valid label value: tasks are found by it."""
RequestId = Annotated[str, Worded(r"^[0-9a-zA-Z]{1,32}$", 32, "must be 1 to 32 letters and digits")]
Channel = Annotated[
    str, Worded(r"^[A-Za-z0-9_.:-]{1,64}$", 64, "must be 1 to 64 letters, digits, '_', '.', ':' or '-'")
]
PageUrl = Annotated[
    str,
    Worded(
        r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s@/?#]+([/?#]\S*)?$",
        1024,
        "must be an http or https URL with a host, at most 1024 characters, without user info or spaces",
    ),
]
FilenamePattern = Annotated[
    str,
    Worded(
        PATTERN_REGEX,
        MAX_PATTERN,
        f"must be 1 to {MAX_PATTERN} letters, digits, '_', '.', '-' and tokens: {{date}}, {{time}} "
        "(or {date:%Y-%m-%d}), {region}, {app_id}, {channel}, {task_id}, {layout}",
    ),
]
WorkerUid = Annotated[int, Field(ge=1, le=999_999_999)]
Users = Annotated[list[User], Field(max_length=32)]
Outputs = Annotated[list[Output], Field(max_length=8, json_schema_extra={"uniqueItems": True})]
Regions = Annotated[list[CanvasRegion], Field(max_length=32)]
QueueName = Annotated[
    str,
    Worded(
        r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        63,
        "must be the name of a LocalQueue: 1 to 63 small letters, digits or '-', with a letter or digit at both ends",
    ),
]
Priority = Annotated[int, Field(ge=-1000, le=1000)]
SecretName = Annotated[
    str,
    Worded(r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", 253, "must be the name of a Secret: a DNS subdomain"),
]
SecretKey = Annotated[
    str,
    Worded(r"^[-._a-zA-Z0-9]{1,253}$", 253, "must be a key of a Secret: letters, digits, '-', '_' or '.'"),
]


class SecretKeyRef(Strict):
    """Where a secret value stands: never the value itself."""

    name: SecretName = Field(description="Name of a Secret in the task's namespace.")
    key: SecretKey = Field(TOKEN_KEY, description="Key in that Secret.")


class Limits(Strict):
    """Bounds after which a task ends by itself."""

    enqueue_timeout_seconds: int = Field(
        300,
        ge=1,
        le=86_400,
        description="A task that is not recording this many seconds after it was created ends in TIMEOUT.",
    )
    max_duration_seconds: int = Field(
        14_400,
        ge=1,
        le=604_800,
        description="The recording is ended in STOPPED, with all its files, after this many seconds, pauses included.",
    )
    idle_timeout_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="The recording is ended in STOPPED when nobody has published for this many seconds; 0 is never.",
    )
    max_bytes: int = Field(
        0,
        ge=0,
        le=1 << 53,
        description="The recording is ended in STOPPED when its segments have this many bytes together; 0 is never.",
    )


class EgressTaskSpec(Strict):
    """What to record, how, and where it ends."""

    app_id: AppId = Field(description="The application that the task belongs to: it groups files and tasks.")
    request_id: RequestId | None = Field(
        None, description="The id of the request that made the task, if one did; the gateway sets it."
    )
    command: Literal["record"] = Field("record", description="What to do with the source.")
    layout: Layout = Field(
        Layout.FLAT,
        description="flat: everyone of a channel in a grid. spotlight: who speaks large, the others beside them. "
        "customized: as regions says. freestyle: a web page as it is. The first three may be changed into one another "
        "while it records.",
    )
    channel: Channel | None = Field(
        None, description="The channel (room) to record; with every layout but freestyle."
    )
    worker_uid: WorkerUid | None = Field(
        None,
        description="The number under which the recorder joins the channel, where the source has numbers.",
    )
    users: Users = Field(
        default_factory=list,
        description="Identities to record; empty records everyone in the channel. May be changed while it records.",
    )
    regions: Regions = Field(
        default_factory=list,
        description="Where everybody stands, with layout customized; who has no region is heard and not shown.",
    )
    url: PageUrl | None = Field(None, description="The page to record, http or https; with layout freestyle.")
    web_gl: bool = Field(
        False,
        alias="webGL",
        description="Give the page WebGL (drawn by the processor); with layout freestyle.",
    )
    start: StartRule = Field(
        default_factory=StartRule, description="When the recording of a page begins; with layout freestyle."
    )
    filename_pattern: FilenamePattern = Field(
        "recording",
        description="Name of the outputs without suffix; {date}, {time} (also {date:%Y-%m-%d}), {region}, {app_id}, "
        "{channel}, {task_id} and {layout} are filled in.",
    )
    format: OutputFormat = Field(
        OutputFormat.HLS,
        description="hls: MPEG-TS segments and a playlist. All others are made of these at the end, and these stay: mp4; "
        "of the sound alone m4a, ogg (Opus) and mp3; thumbnails, small pictures with an index.",
    )
    outputs: Outputs = Field(
        default_factory=list,
        description="More forms of the same recording, beside format; its picture is encoded once for all of them.",
    )
    segment_seconds: int = Field(4, ge=1, le=30, description="Length of an HLS segment in seconds.")
    video: Video = Field(default_factory=Video, description="The picture that is encoded.")
    audio: Audio = Field(default_factory=Audio, description="The sound that is encoded.")
    frozen_picture: FrozenPicture = Field(
        FrozenPicture.BLACK,
        description="What is shown of somebody whose picture has stood still for 5 s: black, or dimmed, their last "
        "frame darkened; with a channel.",
    )
    access_token_secret_ref: SecretKeyRef | None = Field(
        None, description="The Secret with the token that the recorder joins the channel with."
    )
    limits: Limits = Field(default_factory=Limits, description="Bounds after which the task ends by itself.")
    placement: Placement | None = Field(
        None,
        description="Where the recorder may run; absent is wherever the administrator lets recorders run.",
    )
    retry_limit: int = Field(
        2,
        ge=0,
        le=20,
        description="How many times a recorder that failed is started again in the same playlist.",
    )
    priority: Priority = Field(
        0,
        description="Where the operator limits how many tasks record at once, of those that wait the highest is next. It "
        "may be changed while the task waits; a task that has begun is never stopped for another.",
    )
    queue_name: QueueName | None = Field(
        None,
        description="The Kueue LocalQueue, in the task's namespace, through which its recorder Pods go; without one, "
        "the operator's settings may name the app's.",
    )
    pause: bool = Field(
        False,
        description="While true nothing is recorded; set to false again, the recording goes on in the same playlist.",
    )
    stop: bool = Field(False, description="Set to true to end the recording; it can't be taken back.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        # The same rules stand as CEL in rules.py, where the API server checks them.
        match self.layout:
            case Layout.FLAT | Layout.SPOTLIGHT | Layout.CUSTOMIZED:
                if self.channel is None or self.url is not None:
                    raise ValueError(f"layout {self.layout} records a channel: set channel and no url")
                if self.access_token_secret_ref is None:
                    raise ValueError("recording a channel needs accessTokenSecretRef")
            case Layout.FREESTYLE:
                if self.url is None or self.channel is not None:
                    raise ValueError("layout freestyle records a page: set url and no channel")
        return self

    @model_validator(mode="after")
    def _possible_regions(self) -> Self:
        # As above.
        if self.layout is Layout.CUSTOMIZED and not self.regions:
            raise ValueError("layout customized needs regions")
        if self.regions and not self.layout.of_channel:
            raise ValueError("regions go with the layouts of a channel")
        if not regions_fit(self.regions, self.video):
            raise ValueError("a region reaches beyond the canvas, which video.width and video.height say")
        return self

    @model_validator(mode="after")
    def _possible_outputs(self) -> Self:
        # As above; that none is asked for twice the API server knows by the list's key.
        if len({output.format for output in self.outputs}) < len(self.outputs):
            raise ValueError("outputs has a format twice")
        indexed = any(wanted.indexed for wanted in self.formats)
        if indexed and self.limits.max_duration_seconds > INDEXED_LONGEST_SECONDS:
            raise ValueError(
                f"mp4 and m4a need limits.maxDurationSeconds of at most {INDEXED_LONGEST_SECONDS}"
            )
        return self

    @property
    def formats(self) -> frozenset[OutputFormat]:
        """All forms that the recording is to have."""
        return frozenset({self.format, *(output.format for output in self.outputs)})

    @property
    def source(self) -> str:
        """What is recorded, in a word: the channel, or the page's host."""
        return self.channel or urlsplit(self.url or "").hostname or ""
