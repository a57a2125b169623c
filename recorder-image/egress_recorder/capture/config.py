"""What to capture: the first line of the child's stdin.

In: a JSON object. Out: a frozen `CaptureConfig`. Unknown keys are ignored, so that an older child can be
started by a newer supervisor. Plain dataclasses: pydantic would cost the child 15 MB and 0.2 s at its start.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from egress_recorder.capture.errors import ConfigError

LAYOUTS = ("flat", "spotlight", "customized", "freestyle")
LEFT_OUT_PATTERN, LEFT_OUT_FILES = "left_out_%06d.ts", "left_out_*.ts"


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where the media comes from."""

    kind: str = "livekit"
    url: str = ""
    """The server, `ws://` or `wss://`."""
    channel: str = ""
    """The room; the token names it as well, this one is for messages."""
    token_file: str = ""
    """A file with the access token: it never stands in argv, the environment or a log."""
    worker_uid: int | None = None
    """Informational: the token decides who joins."""


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """The web page to record, with source kind `page`."""

    url: str = ""
    web_gl: bool = False
    start_when: str = "load"
    """load, console or selector, as `egress_api.page.StartWhen`."""
    selector: str = ""
    start_timeout_seconds: float = 30.0
    start_anyway: bool = False
    """Whether the page is recorded as it is when the time is up."""
    goes_on: bool = False
    """It was recorded before: its server is waited for as patiently as then, and it gets RELOAD_SECONDS to load."""
    rules: dict[str, Any] = field(default_factory=dict)
    """Where it may reach: the fields of `egress_api.page.PageRules`."""
    require_sandbox: bool = False


@dataclass(frozen=True, kw_only=True)
class Region:
    """A place on the canvas, as `egress_api.media.Region`."""

    x: int
    y: int
    width: int
    height: int
    z_order: int = 0
    fit: str = "contain"
    user: str | None = None
    slot: int | None = None


@dataclass(frozen=True, kw_only=True)
class CaptureConfig:
    """One capture. Sizes are pixels, rates kbit/s, times seconds."""

    spool: str
    """An existing, empty folder for the segments."""
    source: SourceConfig
    page: PageConfig | None = None
    segment_pattern: str = "seg_%06d.ts"
    segment_seconds: float = 4.0
    """A multiple of `gop_seconds`, or segments come out as the next multiple."""
    gop_seconds: float = 2.0
    """A player can start every so often, and a segment can end there."""
    width: int = 1280
    height: int = 720
    frame_rate: int = 30
    video_kbps: int = 1000
    """A ceiling: a picture that does not move costs less."""
    audio_kbps: int = 128
    sample_rate: int = 48000
    channels: int = 2
    layout: str = "flat"
    frozen_picture: str = "black"
    """black or dimmed, as `egress_api.media.FrozenPicture`."""
    paused: bool = False
    """Whether nothing is to be kept until the command `resume`."""
    users: tuple[str, ...] = field(default=())
    """Who is recorded, in the grid's order; empty: everybody, in order of arrival."""
    regions: tuple[Region, ...] = field(default=())
    """Where everybody stands, with layout customized."""
    join_timeout_seconds: float = 30.0
    cpus: float | None = None
    """The Pod's CPU limit; None: read it from the cgroup."""
    encoder_preset: str = "superfast"
    """x264's: see docs/benchmarks for what the others cost."""
    finish_timeout_seconds: float = 15.0
    """From stop to the last closed segment; then what is closed is what there is."""

    def segment_path(self, index: int) -> Path:
        """Give the file of a segment."""
        return Path(self.spool) / (self.segment_pattern % index)

    def left_out_path(self, index: int) -> Path:
        """Give the file of what is left out: recorded during a pause or before the first picture, and thrown away."""
        return Path(self.spool) / (LEFT_OUT_PATTERN % index)


def parse_config(line: str | bytes) -> CaptureConfig:
    """Read the capture config. Raises ConfigError with a sentence that names what is wrong."""
    try:
        given = json.loads(line)
        source = SourceConfig(**_known(SourceConfig, given["source"]))
        users = tuple(given.get("users") or ())
        page = given.get("page")
        parts = {
            "source": source,
            "users": users,
            "regions": tuple(Region(**_known(Region, region)) for region in given.get("regions") or ()),
            "page": PageConfig(**_known(PageConfig, page)) if page else None,
        }
        config = CaptureConfig(**{**_known(CaptureConfig, given), **parts})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"The capture config on stdin cannot be read: {type(error).__name__}: {error}."
        ) from error
    if not Path(config.spool).is_dir():
        raise ConfigError(f"The spool folder {config.spool} does not exist.")
    if config.layout == "customized" and not config.regions:
        raise ConfigError("The layout 'customized' needs regions.")
    if config.layout not in LAYOUTS:
        raise ConfigError(f"This capture knows the layouts {', '.join(LAYOUTS)}, not {config.layout!r}.")
    if (config.layout == "freestyle") != (config.page is not None):
        raise ConfigError("The layout 'freestyle' and a page go together.")
    return config


def _known(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in given.items() if name in names}
