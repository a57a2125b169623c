"""What a recording looks and sounds like: shared by the REST payload and the resource's spec."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from egress_api.base import Strict
from egress_api.worded import Worded


class Layout(StrEnum):
    """How what is recorded is laid out: `flat`, `spotlight` and `customized` a channel, `freestyle` a web page as it is."""

    FLAT = "flat"
    SPOTLIGHT = "spotlight"
    CUSTOMIZED = "customized"
    FREESTYLE = "freestyle"

    @property
    def of_channel(self) -> bool:
        """Whether a channel is recorded; these may follow one another while it is."""
        return self is not Layout.FREESTYLE


ChannelLayout = Literal["flat", "spotlight", "customized"]
"""Those that may follow one another."""


class OutputFormat(StrEnum):
    """The containers a task can be asked for; all but `hls` are made at the end, out of its segments."""

    HLS = "hls"
    MP4 = "mp4"
    M4A = "m4a"
    OGG = "ogg"
    MP3 = "mp3"
    THUMBNAILS = "thumbnails"

    @property
    def indexed(self) -> bool:
        """Whether an index stands before its media."""
        return self in {OutputFormat.MP4, OutputFormat.M4A}


INDEXED_LONGEST_SECONDS: Final = 43_200
"""The index of an MP4 or M4A is kept in memory while it is made: 20 MB for each hour."""


class Fit(StrEnum):
    """How a picture fills its region."""

    CONTAIN = "contain"
    COVER = "cover"


User = Annotated[str, Worded(r"^[A-Za-z0-9_-]{1,32}$", 32, "must be 1 to 32 letters, digits, '_' or '-'")]


_SOMEBODY: Final[JsonDict] = {
    "oneOf": [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("user", "slot")
    ]
}


class CanvasRegion(Strict):
    """A place on the canvas, in pixels, and who stands there."""

    model_config = ConfigDict(json_schema_extra=_SOMEBODY)

    x: int = Field(ge=0, le=3838, multiple_of=2, description="From the canvas' left edge, even.")
    y: int = Field(ge=0, le=2158, multiple_of=2, description="From its top edge, even.")
    width: int = Field(ge=16, le=3840, multiple_of=2, description="Width, even.")
    height: int = Field(ge=16, le=2160, multiple_of=2, description="Height, even.")
    z_order: int = Field(0, ge=0, le=100, description="Of regions that overlap the highest is in front.")
    fit: Fit = Field(
        Fit.CONTAIN,
        description="contain: the whole picture, with bars. cover: the region is full, and what stands over is cut off.",
    )
    user: User | None = Field(None, description="Who stands there; or slot.")
    slot: int | None = Field(
        None,
        ge=1,
        le=32,
        description="The number of those who have no region by name, in order of arrival, from 1; or user.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        # As CEL in rules.py.
        if (self.user is None) == (self.slot is None):
            raise ValueError("a region needs user or slot, and not both")
        return self


def regions_fit(regions: "list[CanvasRegion]", video: "Video") -> bool:
    """Say whether all regions lie on the canvas."""
    return all(
        region.x + region.width <= video.width and region.y + region.height <= video.height
        for region in regions
    )


class FrozenPicture(StrEnum):
    """What is shown of somebody whose picture has stood still for 5 s although their camera is on."""

    BLACK = "black"
    DIMMED = "dimmed"


_THUMBNAILS_ALONE: Final[JsonDict] = {
    "if": {"properties": {"format": {"const": OutputFormat.THUMBNAILS.value}}},
    "else": {"properties": {"everySeconds": {"type": "null"}, "width": {"type": "null"}}},
}


class Output(Strict):
    """One more form of the recording, out of the same encode."""

    model_config = ConfigDict(json_schema_extra=_THUMBNAILS_ALONE)

    format: OutputFormat = Field(description="The container, or thumbnails.")
    every_seconds: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="With thumbnails: one picture for each so many seconds; 10 without it.",
    )
    width: int | None = Field(
        None,
        ge=64,
        le=640,
        multiple_of=2,
        description="With thumbnails: the width of each in pixels, even; 320 without it.",
    )

    @model_validator(mode="after")
    def _sizes_of_thumbnails(self) -> Self:
        # As CEL in rules.py.
        if self.format is not OutputFormat.THUMBNAILS and (self.every_seconds or self.width):
            raise ValueError("everySeconds and width go with format thumbnails alone")
        return self


class Video(Strict):
    """The picture that is encoded."""

    width: int = Field(1280, ge=16, le=3840, multiple_of=2, description="Width in pixels, even.")
    height: int = Field(720, ge=16, le=2160, multiple_of=2, description="Height in pixels, even.")
    frame_rate: int = Field(30, ge=1, le=60, description="Frames per second.")
    bitrate: int = Field(2000, ge=50, le=50000, description="Highest video bit rate in kbit/s.")


class Audio(Strict):
    """The sound that is encoded."""

    sample_rate: Literal[16000, 24000, 32000, 44100, 48000] = Field(48000, description="Samples per second.")
    channels: int = Field(2, ge=1, le=2, description="1 for mono, 2 for stereo.")
    bitrate: int = Field(128, ge=16, le=512, description="Audio bit rate in kbit/s.")
