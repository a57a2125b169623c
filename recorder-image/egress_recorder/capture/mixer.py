"""The stage: who is in the picture and in the sound, and where.

In: a source's wish to add or remove a user's track, and the layout. Out: feeds to push into, and a picture that re-flows. All
methods run in the asyncio thread; only a feed's own are called from elsewhere.
Must not: block (a request pad is released here, never in a streaming thread), touch the encoders.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from egress_recorder.capture.branches import AudioFeed, Feed, VideoFeed
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.grid import Rectangle, cells, cover, fit
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.pipeline import (
    FROZEN_AFTER,
    MIX_LATENCY,
    audio_branch,
    encoder_delay,
    video_branch,
    video_caps,
)
from egress_recorder.capture.regions import stand
from egress_recorder.capture.spotlight import Spotlight, places
from egress_recorder.capture.stills import StillFrames
from egress_recorder.capture.timing import MILLISECOND, AudioTimeline, VideoTimeline

EVEN_TOLERANCE = 15 * MILLISECOND
DIM_CHECK_SECONDS = 0.5
LIGHT_CHECK_SECONDS = 0.2
FIRST_PICTURE_SECONDS = 2.0
"""A camera that is on may send nothing, and what is said meanwhile is not recorded."""


@dataclass(frozen=True)
class Place:
    """Where a feed is shown."""

    cell: Rectangle
    z_order: int = 0
    covered: bool = False
    """Whether it fills its cell, and what stands over is cut off."""


class Mixer:
    """Adds and removes users while the pipeline plays."""

    def __init__(self, pipeline: Any, config: CaptureConfig, *, loop: asyncio.AbstractEventLoop) -> None:
        self._pipeline = pipeline
        self._config = config
        self._loop = loop
        self._compositor = pipeline.get_by_name("compositor")
        self._audiomixer = pipeline.get_by_name("mixer")
        self._feeds: dict[str, Feed] = {}
        self._numbers = itertools.count(1)
        self._stills: StillFrames | None = None
        self._waiting: asyncio.TimerHandle | None = None
        """For the first picture."""
        self.on_shown: Callable[[int], None] = lambda _at: None
        """Called once with the instant of CLOCK_MONOTONIC, in nanoseconds, from which there is something to show."""
        self.on_broken: Callable[[str], None] = lambda _name: None
        """Called with a feed's name after its branch has failed and has been removed."""
        self._dimming: asyncio.TimerHandle | None = None
        self._layout = config.layout
        self._spotlight = Spotlight()
        self._light: VideoFeed | None = None
        self._looking: asyncio.TimerHandle | None = None
        """For who speaks."""
        self._follow_the_light()
        if config.frozen_picture == "dimmed" and config.page is None:
            self._dim_frozen()

    @property
    def base_time(self) -> int:
        """The instant of the recording's zero, in nanoseconds of CLOCK_MONOTONIC."""
        return int(self._pipeline.get_base_time())

    def arrange(self, layout: str) -> None:
        """Lay everybody out like this from now on."""
        self._layout = layout
        self._reflow()
        self._follow_the_light()

    def hear(self, speaking: Sequence[int]) -> None:
        """Take note of who speaks now, the loudest first."""
        self._spotlight.hear(speaking)

    def add_video(
        self, *, order: tuple[int, int], whose: str = "", screen: bool = False, shared: bool = False
    ) -> VideoFeed:
        """Make a feed for pictures; it takes part in the layout from its first picture on."""
        if screen:
            self._stills = StillFrames(
                self._compositor.get_static_pad("src"),
                frame_rate=self._config.frame_rate,
                gop_seconds=self._config.gop_seconds,
            )
        timeline = VideoTimeline(base_time=self.base_time, frame_rate=self._config.frame_rate)
        name, bin_ = self._branch("video", video_branch(screen=screen))
        feed = VideoFeed(
            name=name, order=order, bin_=bin_, timeline=timeline, screen=screen, shared=shared, whose=whose
        )
        feed.on_shape = self._reflow_soon
        if self._stills is not None:
            feed.on_slot = self._stills.new_picture
        pad = self._compositor.request_pad_simple("sink_%u")
        pad.set_property("alpha", 0.0)  # nothing is shown before the first reflow says where
        if not screen and self._dimming is None:  # a page may well stand still
            pad.set_property("max-last-buffer-repeat", FROZEN_AFTER)
        self._attach(feed, pad)
        return feed

    @property
    def left_out(self) -> int:
        """Pictures of a screen that were not encoded because nothing had changed."""
        return self._stills.left_out if self._stills is not None else 0

    def add_audio(self, *, even: bool = False, begins_after: int | None = None) -> AudioFeed:
        """Make a feed for sound.

        Args:
            even: its pieces arrive evenly, so that a small step in their time is a real one.
            begins_after: a piece begins to sound so many nanoseconds after it began to be gathered; by default as
                the RTC SDK has it.
        """
        timeline = AudioTimeline(
            base_time=self.base_time,
            sample_rate=self._config.sample_rate,
            encoder_delay=encoder_delay(self._config),
            **({"tolerance": EVEN_TOLERANCE, "patience": 0} if even else {}),
            **({"pulled_every": begins_after} if begins_after is not None else {}),
        )
        name, bin_ = self._branch("audio", audio_branch(self._config))
        feed = AudioFeed(name=name, bin_=bin_, timeline=timeline)
        self._attach(feed, self._audiomixer.request_pad_simple("sink_%u"))
        return feed

    def begin(self, *, pictures: bool) -> None:
        """Record from now on; if `pictures` are on their way, from the first one on, and soon without it."""
        if pictures:
            self._waiting = self._loop.call_later(FIRST_PICTURE_SECONDS, self._shown)
        else:
            self.on_shown(self.base_time)

    def remove(self, feed: Feed) -> None:
        """Take a feed out; the others move up."""
        feed.close()
        if self._feeds.pop(feed.name, None) is None:
            return
        # first stop the flow before the pad, else the branch would find itself unlinked and report an error
        tail = feed.bin.get_static_pad("src")
        tail.add_probe(Gst.PadProbeType.BUFFER, lambda *_: Gst.PadProbeReturn.DROP)
        feed.pad.get_parent_element().release_request_pad(feed.pad)
        feed.bin.set_state(Gst.State.NULL)
        self._pipeline.remove(feed.bin)
        if isinstance(feed, VideoFeed):
            self._reflow()

    def branch_failed(self, name: str) -> None:
        """Give up one user's branch; the recording goes on."""
        if name in self._feeds:
            self.remove(self._feeds[name])
            self.on_broken(name)

    def close(self) -> None:
        """Accept no more frames; what is queued still flows out."""
        for timer in (self._dimming, self._waiting, self._looking):
            if timer is not None:
                timer.cancel()
        for feed in self._feeds.values():
            feed.close()

    def _branch(self, kind: str, description: str) -> tuple[str, Any]:
        name = f"{kind}-branch-{next(self._numbers)}"
        bin_ = Gst.parse_bin_from_description(description, True)
        bin_.set_name(name)
        return name, bin_

    def _attach(self, feed: Feed, pad: Any) -> None:
        feed.pad = pad
        self._feeds[feed.name] = feed
        self._pipeline.add(feed.bin)
        feed.bin.get_static_pad("src").link(pad)
        feed.bin.sync_state_with_parent()

    def _dim_frozen(self) -> None:
        for feed in self._feeds.values():
            if isinstance(feed, VideoFeed):
                feed.dim_if_frozen(now=time.monotonic_ns())
        self._dimming = self._loop.call_later(DIM_CHECK_SECONDS, self._dim_frozen)

    def _reflow_soon(self) -> None:
        self._loop.call_soon_threadsafe(self._reflow)

    def _follow_the_light(self) -> None:
        """Look now and then whether somebody else is to be large."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._layout != "spotlight":
            return
        if self._lit(self._shown_feeds()) is not self._light:
            self._reflow()
        self._looking = self._loop.call_later(LIGHT_CHECK_SECONDS, self._follow_the_light)

    def _shown_feeds(self) -> list[VideoFeed]:
        feeds = [feed for feed in self._feeds.values() if isinstance(feed, VideoFeed) and feed.shape]
        return sorted(feeds, key=lambda feed: feed.order)

    def _lit(self, feeds: list[VideoFeed]) -> VideoFeed | None:
        """Choose the one that is large: what somebody shares, else who speaks."""
        shared = next((feed for feed in feeds if feed.shared), None)
        who = self._spotlight.on([feed.order[0] for feed in feeds], now=time.monotonic_ns())
        return shared or next((feed for feed in feeds if feed.order[0] == who), None)

    def _places(self, feeds: list[VideoFeed]) -> list[tuple[VideoFeed, Place]]:
        canvas = {"width": self._config.width, "height": self._config.height}
        match self._layout:
            case "customized":
                there = stand(self._config.regions, {feed: feed.whose for feed in feeds})
                return [
                    (
                        feed,
                        Place(
                            Rectangle(region.x, region.y, region.width, region.height),
                            region.z_order,
                            covered=region.fit == "cover",
                        ),
                    )
                    for feed, region in there.items()
                ]
            case "spotlight":
                self._light = self._lit(feeds)
                feeds = sorted(feeds, key=lambda feed: feed is not self._light)
                return [
                    (feed, Place(cell))
                    for feed, cell in zip(feeds, places(len(feeds), **canvas), strict=True)
                ]
            case _:
                return [
                    (feed, Place(cell)) for feed, cell in zip(feeds, cells(len(feeds), **canvas), strict=True)
                ]

    def _reflow(self) -> None:
        """Give everybody who has a picture a place."""
        feeds = self._shown_feeds()
        there = dict(self._places(feeds))
        for feed in feeds:
            if feed in there:
                _put(feed, there[feed])
            else:
                feed.shown = False
                feed.pad.set_property("alpha", 0.0)
                feed.on_cell(0)
        if self._waiting is not None and feeds:
            self._shown(from_=min(feed.shown_from or 0 for feed in feeds))

    def _shown(self, *, from_: int = 0) -> None:
        """End the wait; what has been mixed already was mixed without the picture."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self.on_shown(max(self.base_time + from_, time.monotonic_ns() - MIX_LATENCY))


def _put(feed: VideoFeed, place: Place) -> None:
    """Show a feed in its place."""
    assert feed.shape is not None  # noqa: S101 - chosen so by its caller; for the type checker
    width, height = feed.shape.shown
    aside, above = cover(place.cell, width=width, height=height) if place.covered else (0, 0)
    seen = place.cell if place.covered else fit(place.cell, width=width, height=height)
    crop = feed.bin.get_by_name("crop")
    for side, pixels in (("left", aside), ("right", aside), ("top", above), ("bottom", above)):
        crop.set_property(side, pixels)
    caps = Gst.Caps.from_string(video_caps(width=seen.width, height=seen.height))
    feed.bin.get_by_name("size").set_property("caps", caps)
    feed.shown = True
    # the pad's own size only matters for the few frames that are still on their way in the old one
    for name, value in (
        ("xpos", seen.x), ("ypos", seen.y), ("width", seen.width), ("height", seen.height),
        ("zorder", 1 + place.z_order), ("alpha", feed.alpha),
    ):  # fmt: skip
        feed.pad.set_property(name, value)
    feed.on_cell(seen.height)
