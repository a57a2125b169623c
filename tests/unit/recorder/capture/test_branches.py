from typing import Any

import pytest

from egress_recorder.capture.branches import DIMMED_ALPHA, Shape, VideoFeed
from egress_recorder.capture.pipeline import FROZEN_AFTER
from egress_recorder.capture.timing import MILLISECOND, SECOND, VideoTimeline

START = 1000 * SECOND


class Element:
    """Keeps what is set, as a GStreamer element or pad does; there is no GStreamer where unit tests run."""

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}

    def set_property(self, name: str, value: object) -> None:
        self.properties[name] = value

    def get_by_name(self, _name: str) -> "Element":
        return self


@pytest.fixture
def feed() -> VideoFeed:
    timeline = VideoTimeline(base_time=START, frame_rate=30)
    feed = VideoFeed(name="video-branch-1", order=(0, 1), bin_=Element(), timeline=timeline)
    feed.pad = Element()
    return feed


def admit(feed: VideoFeed, *, now: int) -> int | None:
    return feed.admit(Shape(640, 360), timestamp_us=now // 1000, now=now, caps=lambda text: text)


def test_a_picture_that_stands_still_is_dimmed_and_the_next_one_is_bright_at_once(feed: VideoFeed) -> None:
    admit(feed, now=START + SECOND)
    feed.dim_if_frozen(now=START + SECOND + FROZEN_AFTER - MILLISECOND)
    assert (feed.alpha, feed.pad.properties) == (1.0, {})
    feed.dim_if_frozen(now=START + SECOND + FROZEN_AFTER)
    assert feed.pad.properties == {"alpha": DIMMED_ALPHA}
    admit(feed, now=START + 10 * SECOND)
    assert feed.pad.properties == {"alpha": 1.0}


def test_somebody_of_whom_no_picture_has_come_yet_is_not_dimmed(feed: VideoFeed) -> None:
    feed.dim_if_frozen(now=START + 60 * SECOND)
    assert feed.pad.properties == {}


def test_a_feed_that_is_closed_stays_as_it_is(feed: VideoFeed) -> None:
    admit(feed, now=START + SECOND)
    feed.close()
    assert admit(feed, now=START + 2 * SECOND) is None
    feed.dim_if_frozen(now=START + 60 * SECOND)
    assert feed.pad.properties == {}
    assert feed.seen_at == START + SECOND


def test_a_picture_that_is_left_out_for_coming_too_early_is_a_sign_of_life_all_the_same(
    feed: VideoFeed,
) -> None:
    admit(feed, now=START + SECOND)
    assert admit(feed, now=START + SECOND + MILLISECOND) is None
    assert feed.seen_at == START + SECOND + MILLISECOND
