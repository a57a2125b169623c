"""From what is to be recorded to what the capture child is told. Pure."""

from pathlib import Path
from typing import Final

from egress_api.media import Layout
from egress_api.page import OnTimeout, StartRule
from egress_api.recorder import RecorderConfig
from egress_recorder.capture.config import CaptureConfig, PageConfig, Region, SourceConfig
from egress_recorder.errors import ConfigurationError

_FINISH_SHARE: Final = 0.8
"""Of the time it has to stop: it closes what it has a moment before it would be killed."""


def capture_config(
    config: RecorderConfig,
    *,
    spool: Path,
    stop_seconds: float,
    goes_on: bool = False,
    paused: bool = False,
    users: tuple[str, ...] | None = None,
    layout: Layout | None = None,
) -> CaptureConfig:
    """Return the first line for the child.

    Args:
        config: what is recorded.
        spool: an existing, empty folder.
        stop_seconds: what the child gets from the stop until it is killed.
        goes_on: whether something has been recorded already: a page is not waited for a second time.
        paused: whether nothing is to be kept until it is told to resume.
        users: whom to record, where that has been chosen anew since.
        layout: how to lay them out, where that has.

    Raises:
        ConfigurationError: when there is no channel or page to capture.
    """
    source, page = _source(config), _page(config, goes_on=goes_on)
    return CaptureConfig(
        source=source,
        page=page,
        spool=str(spool),
        segment_seconds=config.segment_seconds,
        # A segment ends where a group of pictures does: an odd length needs shorter ones, or it would come out
        # a second longer than the playlist's target duration.
        gop_seconds=2.0 if config.segment_seconds % 2 == 0 else 1.0,
        width=config.video.width,
        height=config.video.height,
        frame_rate=config.video.frame_rate,
        video_kbps=config.video.bitrate,
        audio_kbps=config.audio.bitrate,
        sample_rate=config.audio.sample_rate,
        channels=config.audio.channels,
        layout=(layout or config.layout).value,
        frozen_picture=config.frozen_picture.value,
        paused=paused,
        users=tuple(config.users) if users is None else users,
        regions=tuple(Region(**region.model_dump(mode="json")) for region in config.regions),
        join_timeout_seconds=config.join_timeout_seconds,
        finish_timeout_seconds=stop_seconds * _FINISH_SHARE,
    )


def _source(config: RecorderConfig) -> SourceConfig:
    if config.layout is Layout.FREESTYLE:
        return SourceConfig(kind="page")
    if config.source is None or config.channel is None:
        raise ConfigurationError(
            f"Layout {config.layout} without a source and a channel can't be recorded here."
        )
    return SourceConfig(
        kind=config.source.kind,
        url=config.source.url,
        channel=config.channel,
        token_file=config.token_file or "",
        worker_uid=config.worker_uid,
    )


def _page(config: RecorderConfig, *, goes_on: bool) -> PageConfig | None:
    if config.layout is not Layout.FREESTYLE:
        return None
    if config.url is None:
        raise ConfigurationError("Layout freestyle without a URL can't be recorded.")
    # What made the page ready may happen only once: nobody is to miss what comes while it is waited for again.
    rule = (
        StartRule(on_timeout=OnTimeout.START, timeout_seconds=config.start.timeout_seconds)
        if goes_on
        else config.start
    )
    return PageConfig(
        url=config.url,
        web_gl=config.web_gl,
        start_when=rule.when.value,
        selector=rule.selector or "",
        start_timeout_seconds=rule.timeout_seconds,
        start_anyway=rule.on_timeout is OnTimeout.START,
        goes_on=goes_on,
        rules=config.page_rules.model_dump(),
        require_sandbox=config.require_sandbox,
    )
