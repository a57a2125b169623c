"""What the operator tells a recorder: one JSON object in the Pod's environment, no secrets in it.

Secrets are files: the access token in `TOKEN_DIR`, the store's credentials in `STORE_CREDENTIALS_DIR`
(each key of the Secret is a file, named as obstore names the option, such as aws_access_key_id).
"""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from egress_api.base import PreciseMoment, Tolerant
from egress_api.media import Audio, CanvasRegion, FrozenPicture, Layout, Output, OutputFormat, Video
from egress_api.page import PageRules, StartRule
from egress_api.placement import Place
from egress_api.status import Verdict
from egress_api.tracing.settings import RecorderTracing

_CLIENT_OPTIONS: Final = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "user_agent",
    }
)
"""Options of obstore's HTTP client. It panics when they stand among the store's (0.12.1)."""
_THUMBNAIL_SECONDS: Final = 10
_THUMBNAIL_WIDTH: Final = 320
UPLOAD_PATIENCE_SECONDS: Final = 3600
"""How long a recorder that nobody has killed tries to store the rest: its Pod must live for as long."""


class SourceConfig(Tolerant):
    """The backend that carries an app's channels."""

    kind: Literal["livekit"] = Field("livekit", description="The kind of backend.")
    url: str = Field(description="Where the recorder joins, such as ws://livekit.example:7880.")


class StoreConfig(Tolerant):
    """Where a task's objects go."""

    url: str = Field(
        description="Folder of the task: s3://bucket/prefix/app/task/ or file:///path/app/task/."
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of the store that are no secret, as obstore names them: endpoint, region, allow_http …",
    )
    storage_class: str | None = Field(
        None, description="Storage class of what is written once; the store's own without."
    )
    tags: dict[str, str] | None = Field(None, description="Tags of every object.")

    def options_with(self, credentials: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the options of the store, secret ones among them, and those of its HTTP client."""
        options = {**self.options, **credentials}
        client = {key: options.pop(key) for key in list(options) if key in _CLIENT_OPTIONS}
        return options, client


class RecorderConfig(Tolerant):
    """Everything one attempt needs to know."""

    task_id: str
    task_uid: str = Field(description="Tells our own objects in the store from another task's.")
    app_id: str
    request_id: str | None = None
    namespace: str
    attempt: int = Field(ge=1)
    created_at: PreciseMoment
    layout: Layout
    channel: str | None = None
    users: list[str] = Field(default_factory=list)
    regions: list[CanvasRegion] = Field(default_factory=list, description="With layout customized.")
    worker_uid: int | None = None
    url: str | None = None
    web_gl: bool = False
    start: StartRule = Field(default_factory=StartRule)
    placement: Place | None = Field(None, description="Where it was asked to record, for the manifest alone.")
    page_rules: PageRules = Field(
        default_factory=PageRules, description="Where the page may reach, beside the public internet."
    )
    require_sandbox: bool = Field(
        False, description="Whether a page is refused where the browser's own sandbox can't hold."
    )
    format: OutputFormat = OutputFormat.HLS
    outputs: list[Output] = Field(default_factory=list, description="What is wanted beside `format`.")
    output_name: str = Field(description="The rendered file name pattern: `{output_name}.m3u8`.")
    segment_seconds: int = 4
    video: Video
    audio: Audio
    frozen_picture: FrozenPicture = FrozenPicture.BLACK
    source: SourceConfig | None = None
    store: StoreConfig
    token_file: str | None = Field(None, description="Path of the access token, when there is one.")
    max_duration_seconds: int
    idle_timeout_seconds: int = 0
    max_bytes: int = Field(0, ge=0, description="Bytes of all segments at which it ends; 0 is never.")
    join_timeout_seconds: int = 30
    finish_only: bool = Field(
        False, description="Record nothing: only close the playlist and manifest that earlier attempts left."
    )
    last_attempt: bool = Field(
        False, description="Whether no other follows when this one fails: then it makes the files of the end."
    )
    verdict: Verdict | None = Field(None, description="With finish_only: how the task ends.")
    control_dir: str | None = Field(
        None,
        description="Folder with the files `pause`, `stop` (true or false), `users` (with commas) and `layout`, which "
        "change while it records.",
    )
    spool_bytes: int = Field(
        2 << 30, gt=0, description="Size of the spool's volume: a recorder that overfills it is evicted."
    )
    finalize_seconds: int = Field(
        120, description="The Pod's grace period: what SIGTERM leaves for the end and the last uploads."
    )
    tracing: RecorderTracing | None = Field(
        None, description="Its place in the task's trace, where there is one."
    )

    @property
    def thumbnails(self) -> tuple[int, int]:
        """Seconds between two thumbnails, and the width of one, where they are wanted."""
        asked = next((one for one in self.outputs if one.format is OutputFormat.THUMBNAILS), None)
        every, width = (asked.every_seconds, asked.width) if asked else (None, None)
        return every or _THUMBNAIL_SECONDS, width or _THUMBNAIL_WIDTH

    @property
    def formats(self) -> frozenset[OutputFormat]:
        """All forms that the recording is to have."""
        return frozenset({self.format, *(output.format for output in self.outputs)})
