"""How much CPU and memory a recorder gets: presets by layout and by the size of the picture. Pure.

In: layout, picture and the settings. Out: a container's `resources`. What is encoded costs about as much as it has
pixels a second, so a preset fits whatever has no more of them than its largest picture. The built-in ones for 1280x720
rest on measurements (docs/benchmarks.md), the others are reckoned from them. The CPU limit also sets how many threads encode.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from egress_api.base import Strict
from egress_api.media import Layout, Video


def _as_written(value: Any) -> Any:
    # YAML reads `cpu: 2` as a number, and Kubernetes takes that as well.
    return str(value) if isinstance(value, int | float) else value


Quantity = Annotated[str, BeforeValidator(_as_written)]
Resources = dict[str, dict[str, Quantity]]


class Picture(Strict):
    """The largest picture that a preset is for; another shape with as many pixels a second fits as well."""

    width: int = Field(ge=16, le=3840, description="Width in pixels.")
    height: int = Field(ge=16, le=2160, description="Height in pixels.")
    frame_rate: int = Field(30, ge=1, le=60, description="Frames per second.")

    @property
    def pixel_rate(self) -> int:
        """Pixels a second."""
        return self.width * self.height * self.frame_rate


class Preset(Strict):
    """Requests and limits for recordings up to a size."""

    layout: Layout = Field(
        description="What is recorded: flat (a channel in any layout), spotlight, customized or freestyle (a page)."
    )
    up_to: Picture = Field(description="The largest picture that it is for.")
    resources: Resources = Field(description="Requests and limits of the recorder.")

    def fits(self, layout: Layout, video: Video | None) -> bool:
        """Return whether this preset is for such a recording."""
        # What a channel costs hardly depends on how it is laid out.
        same = layout is self.layout or (self.layout is Layout.FLAT and layout.of_channel)
        return same and (video is None or _pixel_rate(video) <= self.up_to.pixel_rate)


def resources_for(
    layout: Layout, video: Video | None, *, presets: list[Preset], fixed: Resources
) -> Resources:
    """Return what a recorder gets.

    Args:
        layout: what is recorded.
        video: the picture that is encoded; None is none, for a recorder that only closes what others left.
        presets: the administrator's; the first that fits wins.
        fixed: for what none of them fits; empty leaves it to the built-in presets.
    """
    own = next((preset for preset in presets if preset.fits(layout, video)), None)
    if own is not None:
        return own.resources
    return fixed or next(preset.resources for preset in BUILT_IN if preset.fits(layout, video))


def _pixel_rate(video: Video) -> int:
    return video.width * video.height * video.frame_rate


def _preset(layout: Layout, up_to: Picture, *, cpu: tuple[str, str], memory: tuple[str, str]) -> Preset:
    request, limit = ({"cpu": cpu[n], "memory": memory[n], "ephemeral-storage": _DISK[n]} for n in (0, 1))
    return Preset(layout=layout, up_to=up_to, resources={"requests": request, "limits": limit})


_DISK: Final = ("1Gi", "4Gi")
_SMALL, _HD = Picture(width=640, height=360), Picture(width=1280, height=720)
_FULL_HD, _SMOOTH = Picture(width=1920, height=1080), Picture(width=1920, height=1080, frame_rate=60)
_LARGEST = Picture(width=3840, height=2160, frame_rate=60)
BUILT_IN: Final = (
    _preset(Layout.FLAT, _SMALL, cpu=("250m", "1"), memory=("256Mi", "512Mi")),
    _preset(Layout.FLAT, _HD, cpu=("500m", "2"), memory=("512Mi", "1Gi")),
    _preset(Layout.FLAT, _FULL_HD, cpu=("1", "3"), memory=("768Mi", "1536Mi")),
    _preset(Layout.FLAT, _SMOOTH, cpu=("2", "4"), memory=("1Gi", "2Gi")),
    _preset(Layout.FLAT, _LARGEST, cpu=("4", "6"), memory=("2Gi", "4Gi")),
    # A browser's memory hardly depends on the picture, and its shared memory counts.
    _preset(Layout.FREESTYLE, _SMALL, cpu=("500m", "2"), memory=("768Mi", "2Gi")),
    _preset(Layout.FREESTYLE, _HD, cpu=("1", "2"), memory=("1Gi", "2Gi")),
    _preset(Layout.FREESTYLE, _FULL_HD, cpu=("2", "4"), memory=("1536Mi", "3Gi")),
    _preset(Layout.FREESTYLE, _SMOOTH, cpu=("3", "6"), memory=("2Gi", "4Gi")),
    _preset(Layout.FREESTYLE, _LARGEST, cpu=("6", "8"), memory=("3Gi", "6Gi")),
)
"""From small to large; the last of each layout fits everything that can be asked for."""
