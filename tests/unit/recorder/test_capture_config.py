from dataclasses import asdict
from pathlib import Path

import pytest

from egress_recorder.capture_config import capture_config
from egress_recorder.errors import ConfigurationError
from support.recorder import recorder_config


def test_the_capture_is_told_what_to_record_and_no_secret() -> None:
    config = recorder_config(users=["anna"], worker_uid=42, video={"width": 640, "height": 360})
    told = asdict(capture_config(config, spool=Path("/spool/a"), stop_seconds=10.0))
    told.pop("encoder_preset")  # the child's own business
    assert told == {
        "spool": "/spool/a",
        "segment_pattern": "seg_%06d.ts",
        "segment_seconds": 4,
        "gop_seconds": 2.0,
        "width": 640,
        "height": 360,
        "frame_rate": 30,
        "video_kbps": 2000,
        "audio_kbps": 128,
        "sample_rate": 48000,
        "channels": 2,
        "layout": "flat",
        "users": ("anna",),
        "join_timeout_seconds": 30,
        "cpus": None,
        "finish_timeout_seconds": 8.0,
        "source": {
            "kind": "livekit",
            "url": "ws://rtc.example:7880",
            "channel": "standup",
            "token_file": "/run/egress/token/access_token",
            "worker_uid": 42,
        },
    }


@pytest.mark.parametrize("missing", [{"source": None}, {"channel": None}])
def test_nothing_to_capture_is_an_error(missing: dict[str, None]) -> None:
    with pytest.raises(ConfigurationError, match="without a source and a channel"):
        capture_config(recorder_config(**missing), spool=Path("/spool"), stop_seconds=10.0)


@pytest.mark.parametrize("seconds", range(1, 31))
def test_a_segment_is_whole_groups_of_pictures_long(seconds: int) -> None:
    told = capture_config(recorder_config(segment_seconds=seconds), spool=Path("/spool"), stop_seconds=10.0)
    assert told.segment_seconds % told.gop_seconds == 0
