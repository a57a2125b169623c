"""What a source is: the small interface behind which LiveKit and web pages, and later others, stand.

A source joins something, adds and removes feeds on the stage as people come and go, and pushes frames into them
on the pipeline's clock. It knows nothing of encoding, files or layout. To add one: a class with these members
and a line in `make_source`.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from egress_recorder.capture.branches import AudioFeed, Feed, VideoFeed
from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.errors import ConfigError
from egress_recorder.capture.events import Event


class Stage(Protocol):
    """The part of the mixer that a source sees."""

    on_broken: Callable[[str], None]

    @property
    def base_time(self) -> int:
        """The instant of the recording's zero, in nanoseconds of CLOCK_MONOTONIC."""

    def add_video(
        self, *, order: tuple[int, int], whose: str = "", screen: bool = False, shared: bool = False
    ) -> VideoFeed:
        """Make a feed for pictures: a user's, one that they share, or a whole screen's as an X server has them."""

    def add_audio(self, *, even: bool = False, begins_after: int | None = None) -> AudioFeed:
        """Make a feed for sound: a user's, or one whose pieces arrive evenly."""

    def begin(self, *, pictures: bool) -> None:
        """Record from now on, or, if `pictures` are on their way, from the first one on; called once."""

    def hear(self, speaking: Sequence[int]) -> None:
        """Take note of who speaks now: the first numbers of their feeds' `order`, the loudest first."""

    def remove(self, feed: Feed) -> None:
        """Take a feed out."""


class Source(Protocol):
    """Something to record."""

    closed: "asyncio.Future[None]"
    """Fails with the CaptureError that ends the session: SourceClosed, SourceUnreachable, PageEnded, …"""

    async def join(self) -> None:
        """Go in. Raises CaptureError, such as JoinRefused; retries by itself what is worth it."""

    def play(self, stage: Stage) -> None:
        """Begin to push what is there and what comes; called once, the pipeline plays."""

    def choose(self, users: tuple[str, ...]) -> None:
        """Record these from now on, everyone if there are none; before `play` it is whom to begin with."""

    async def leave(self) -> None:
        """Go out; may be called at any time after `join` began."""


def make_source(config: CaptureConfig, *, emit: Callable[[Event], None]) -> Source:
    """Make the source that the config names. Its SDK is imported here and not before."""
    match config.source.kind:
        case "livekit":
            from egress_recorder.capture.livekit_source import LiveKitSource  # noqa: PLC0415 - costs 0.3 s

            return LiveKitSource(config, emit=emit)
        case "page":
            try:
                from egress_recorder.capture.page_source import PageSource  # noqa: PLC0415 - as above
            except ImportError as error:
                raise ConfigError(
                    f"This image has no browser ({error}): web pages need the recorder's web image."
                ) from error

            return PageSource(config, emit=emit)
        case other:
            raise ConfigError(f"This recorder knows no source of kind {other!r}; it knows livekit and page.")
