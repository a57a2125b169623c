"""From what is to be recorded to what the capture child is told. Pure."""

from pathlib import Path
from typing import Final

from egress_api.recorder import RecorderConfig
from egress_recorder.capture.config import CaptureConfig, SourceConfig
from egress_recorder.errors import ConfigurationError

_FINISH_SHARE: Final = 0.8
"""Of the time it has to stop: it closes what it has a moment before it would be killed."""


def capture_config(config: RecorderConfig, *, spool: Path, stop_seconds: float) -> CaptureConfig:
    """Return the first line for the child.

    Args:
        config: what is recorded.
        spool: an existing, empty folder.
        stop_seconds: what the child gets from the stop until it is killed.

    Raises:
        ConfigurationError: when there is no channel to capture.
    """
    if config.source is None or config.channel is None:
        raise ConfigurationError(
            f"Layout {config.layout} without a source and a channel can't be recorded here."
        )
    return CaptureConfig(
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
        layout=config.layout.value,
        users=tuple(config.users),
        join_timeout_seconds=config.join_timeout_seconds,
        finish_timeout_seconds=stop_seconds * _FINISH_SHARE,
        source=SourceConfig(
            kind=config.source.kind,
            url=config.source.url,
            channel=config.channel,
            token_file=config.token_file or "",
            worker_uid=config.worker_uid,
        ),
    )
